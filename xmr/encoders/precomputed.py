"""Features that were computed elsewhere, read from a file or a folder: region features, fc7, word vectors."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NoReturn, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn

from xmr.core.errors import ConfigError, DataError, did_you_mean, problems_message
from xmr.core.types import Modality
from xmr.encoders.feature_files import FeatureFolder, NpzFeatures, open_features

log = logging.getLogger(__name__)
POOLINGS = ("none", "mean")
# below, items can't be told apart
SMALLEST_SPREAD = 1e-3


@runtime_checkable
class PrecomputedFeatures(Protocol):
    """An encoder that has the features of known inputs, and can't embed others."""

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Image keys or texts -> features (N, dim), float32; raises `DataError` listing missing keys."""


class Precomputed(nn.Module):
    """Features (N, dim) of known image keys or texts, from `path`.

    `path`: an .npz file with `ids` (M,) and `features` (M, C), or (M, R, C) for R regions or tokens; or a
    folder of <id>.npy files, each (C,) or (R, C), R as it comes. An image's id is its key, the key without
    suffix, or its file name with or without suffix (`images/7.jpg`, `images/7`, `7.jpg`, `7`); a text's id
    is the text. Sets of R vectors are padded with zeros to the largest, `tokens`, and flattened: dim =
    tokens * C; `pooling="mean"` gives the mean of the real ones instead, dim = C.
    """

    def __init__(
        self, *, modality: Literal["image", "text"], path: str, pooling: Literal["none", "mean"] = "none"
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("modality", modality, (Modality.IMAGE, Modality.TEXT)),
            ("pooling", pooling, POOLINGS),
        ):
            if value not in known:
                raise ConfigError(f"unknown {name}='{value}'; {did_you_mean(value, known)}")
        self.modality = Modality(modality)
        self.pooling = pooling
        self.files: NpzFeatures | FeatureFolder = open_features(Path(path))
        largest, channels = self.files.shape
        self.tokens = largest if pooling == "none" else 1
        self.dim = self.tokens * channels
        # which key has asked for an id: files of one name in several folders must not share features
        self._owner: dict[str, str] = {}
        self.preprocessing: Mapping[str, Any] = {
            "features": self.files.fingerprint(),
            "pooling": pooling,
        }

    def prepare(self, raw: Sequence[Any]) -> NoReturn:
        """Raises `DataError`: raw inputs would need the network that the features come from."""
        raise DataError(
            f"encoder/{self.modality}=precomputed can't embed {len(raw)} new {self.modality} inputs, as it "
            f"has the features of known ones alone; choose another encoder, or add their features to "
            f"{self.files.path}"
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Features (B, dim), as they are."""
        return inputs

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Image keys or texts -> features (N, dim), float32.

        Raises `DataError` listing keys without features, images that would share those of one file name, and
        features that are NaN or infinite; also when all items have practically the same. Warns of features
        that are all zero.
        """
        ids = self._ids(keys)
        features = np.zeros((len(keys), self.tokens, self.dim // self.tokens), np.float32)
        for row, name in enumerate(ids):
            vectors = self.files.read(name)
            if self.pooling == "mean":
                vectors = _mean_of_real(vectors)
            features[row, : len(vectors)] = vectors
        features = features.reshape(len(keys), self.dim)
        self._check(features, ids)
        return features

    def _ids(self, keys: Sequence[str]) -> list[str]:
        """The id of each key; raises `DataError` for those that have none, or another key's."""
        ids, problems = [], []
        for key in keys:
            name = next((name for name in self._names(key) if name in self.files), None)
            if name is None:
                problems.append(f"no features for '{key}'")
            elif self._owner.setdefault(name, key) != key:
                problems.append(f"'{self._owner[name]}' and '{key}' have one id, '{name}'")
            ids.append(name or "")
        if problems:
            remedy = f"It has {len(self.files)} ids; add the missing ones, or name them as the keys are."
            raise DataError(problems_message(f"features {self.files.path}", dict.fromkeys(problems), remedy))
        return ids

    def _names(self, key: str) -> list[str]:
        """The ids that a key may have, best first."""
        if self.modality == Modality.TEXT or "|" in key:  # a picture of several has the name of none
            return [key]
        path = PurePosixPath(key)
        return [key, str(path.with_suffix("")), path.name, path.stem]

    def _check(self, features: np.ndarray, ids: Sequence[str]) -> None:
        where = f"features {self.files.path}"
        broken = {name for name, row in zip(ids, features, strict=True) if not np.isfinite(row).all()}
        if broken:
            problems = (f"'{name}' has NaN or infinite values" for name in sorted(broken))
            raise DataError(problems_message(where, problems, "Compute them anew."))
        empty = len({name for name, row in zip(ids, features, strict=True) if not row.any()})
        if empty:
            log.warning("%s: %d of %d are all zero", where, empty, len(set(ids)))
        if len(set(ids)) > 1 and _spread(features) < SMALLEST_SPREAD:
            raise DataError(
                f"{where}: {len(set(ids))} items have practically equal features (spread "
                f"{_spread(features):.1e} < {SMALLEST_SPREAD} of their length); check what their network was "
                f"given: the range of the pixels (0..1 or 0..255), the colour order and the mean"
            )


def _mean_of_real(vectors: np.ndarray) -> np.ndarray:
    """Vectors (R, C) -> their mean (1, C), rows of zeros (padding) left out; zeros when there is no other."""
    real = vectors[vectors.any(1)]
    return real.mean(0, keepdims=True) if len(real) else np.zeros_like(vectors[:1])


def _spread(features: np.ndarray) -> float:
    """Root mean square distance of rows (N, D) from their mean, relative to their length, in [0, 1]."""
    mean = features.mean(0, dtype=np.float64)
    power = float(np.einsum("nd,nd->", features, features, dtype=np.float64)) / len(features)
    return float(np.sqrt(max(power - float(mean @ mean), 0.0) / power)) if power else 0.0
