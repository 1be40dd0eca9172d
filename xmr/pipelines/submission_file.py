"""What is submitted to the board: arguments checked before torch is imported, and the arrays of the file."""

import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from xmr.core.errors import ConfigError, DataError, MissingFilesError, did_you_mean
from xmr.data.dataset import SPLITS
from xmr.evaluation.protocols import ready_protocol
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.overrides import check_overrides

SETTINGS = ("data", "data.*", "paths.data", "evaluation.ks", "evaluation.similarity")
"""What may be set: the model's own settings have no say in vectors that are made already."""

NAME = re.compile(r"\w[\w .,+=@-]*")


@dataclass(frozen=True, eq=False)
class Side:
    """The vectors (N, D) of one side of an evaluation, float32, with their ids (N,).

    `ids` is None where `item_ids` (N,) alone tell what the texts belong to.
    """

    role: str
    vectors: np.ndarray
    ids: np.ndarray | None
    item_ids: np.ndarray | None


def check_submission(
    file: Path,
    settings: Sequence[str],
    *,
    protocol: str,
    name: str,
    split: str | None = None,
    into: Path = Path("runs"),
) -> DictConfig:
    """The config that `settings` (key=value, as for train.py) give, whose data the embeddings are of.

    Without a choice it is the protocol's data set, or that of train.py. Raises `XmrError` for arguments that
    can't be worked with.
    """
    if not file.is_file():
        raise MissingFilesError(f"{file} does not exist; give an .npz of embeddings")
    if not NAME.fullmatch(name):
        raise ConfigError(f"--name '{name}' names a folder; use letters, digits, spaces and . , + = @ - _")
    if into.exists() and not into.is_dir():
        raise ConfigError(f"--into {into} is a file; name the folder of runs")
    ready = ready_protocol(protocol)
    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split {split}; {did_you_mean(split, SPLITS)}")
    for setting in settings:
        key = setting.partition("=")[0].lstrip("+~")
        if "=" in setting and key not in SETTINGS and not key.startswith("data."):
            raise ConfigError(
                f"'{setting}' changes nothing of given vectors; what may be set: {', '.join(SETTINGS)}"
            )
    chosen = any(setting.startswith("data=") for setting in settings)
    data = [f"data={ready.data}"] if ready.data and not chosen else []
    register_resolvers()
    return check_overrides(CONF, "train", [*data, *settings])


def read_sides(file: Path, roles: Sequence[str]) -> list[Side]:
    """The arrays of an .npz, one side a role: "image" has image_vectors, image_ids and image_item_ids.

    Raises `DataError` for a file that is no .npz of plain arrays, for arrays that are missing, and for
    vectors that are no numbers, of other lengths, or of different dimensions.
    """
    try:
        stored = np.load(file, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise DataError(f"{file} is a single array; save several with np.savez(FILE, ...)")
        with stored:
            arrays = {name: stored[name] for name in stored.files}
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror or error})") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        why = "ids of Python objects: save them as text, np.array(ids, dtype=str)"
        reason = why if "pickle" in str(error) else f"no whole .npz ({error})"
        raise DataError(f"{file} holds {reason}") from error
    sides = [_side(file, arrays, role) for role in roles]
    dims = {side.role: side.vectors.shape[1] for side in sides}
    if len(set(dims.values())) > 1:
        listed = " and ".join(f"{role}_vectors of {dim}" for role, dim in dims.items())
        raise DataError(f"{file} has {listed} dimensions; embed both sides with one model")
    return sides


def _side(file: Path, arrays: dict[str, np.ndarray], role: str) -> Side:
    vectors = arrays.get(f"{role}_vectors")
    ids, item_ids = arrays.get(f"{role}_ids"), arrays.get(f"{role}_item_ids")
    if vectors is None or (ids is None and (item_ids is None or role != "text")):
        wanted = f"{role}_vectors and {role}_ids" + (" (or text_item_ids)" if role == "text" else "")
        raise DataError(f"{file} holds {', '.join(sorted(arrays)) or 'nothing'}; it needs {wanted}")
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise DataError(
            f"{role}_vectors are {vectors.dtype} of shape {vectors.shape}; they must be numbers (N, D)"
        )
    for what, names in (("ids", ids), ("item_ids", item_ids)):
        if names is not None and names.shape != (len(vectors),):
            raise DataError(
                f"{role}_{what} have shape {names.shape} for {len(vectors):,} vectors; give one for each"
            )
    return Side(
        role,
        vectors.astype(np.float32),
        None if ids is None else _names(f"{role}_ids", ids),
        None if item_ids is None else _names(f"{role}_item_ids", item_ids),
    )


def _names(what: str, names: np.ndarray) -> np.ndarray:
    if names.dtype.kind == "S":
        return np.char.decode(names, "utf-8")
    if names.dtype.kind not in "Uiu":
        raise DataError(f"{what} are {names.dtype}; they must be text or whole numbers")
    return names.astype(str)
