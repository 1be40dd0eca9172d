"""The exact index: the true nearest entries, at the speed of one matrix product or one pass over memory."""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Embeddings, Rankings
from xmr.index.checks import (
    check_choice,
    check_search,
    checked_gallery_norms,
    checked_norms,
    rankings,
    score_name,
    searchable,
)
from xmr.index.cpu_search import CpuSearch
from xmr.index.products import bfloat16_error, float32_error, to_bfloat16
from xmr.index.torch_search import TorchSearch

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
Metric = Literal["ip", "l2"]

QUERIES_AT_ONCE = 1024
LONGEST = 1e15
"""Products of longer vectors may leave float32's range."""


class Exact:
    """Exact search by inner product ("ip": cosine similarity of unit vectors) or Euclidean distance ("l2").

    Scores are inner products or minus squared distances, summed in float64 and rounded to float32; equal
    scores rank by gallery position. They depend on the two vectors alone, not on how the work was cut.

    A fast product finds all entries that its rounding error leaves a chance; they are scored again. So
    `precision="bfloat16"`, which reads half the bytes, finds the same entries as float32. The gallery's
    own vectors, which may be memory-mapped, are read at every search: don't change them.

    Raises `ConfigError` for an unknown setting, and for "cuda" where there is none.
    """

    exact = True

    def __init__(
        self, *, device: Device = "auto", precision: Precision = "float32", metric: Metric = "ip"
    ) -> None:
        check_choice("device", device, get_args(Device))
        check_choice("precision", precision, get_args(Precision))
        check_choice("metric", metric, get_args(Metric))
        if device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("index.device=cuda, but torch sees no GPU; use index.device=auto or cpu")
        on_gpu = device != "cpu" and torch.cuda.is_available()
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self._precision, self._metric = precision, metric
        self._gallery: Embeddings | None = None
        self._searched: CpuSearch | TorchSearch | None = None
        self._longest = self._furthest = 0.0

    @property
    def measures(self) -> str:
        """What a score is, in words."""
        return score_name(self._metric, self._gallery)

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors, in the precision of the first product; 0 before `add`."""
        return 0 if self._searched is None else self._searched.nbytes

    def add(self, gallery: Embeddings) -> None:
        """Make `gallery` (G, D) what `search` looks through; raises `DataError` when empty or not finite."""
        norms = checked_gallery_norms(gallery)
        longest, furthest = _checked_longest("gallery", norms), 0.0
        vectors = searchable(gallery)
        codes = vectors
        if self._precision == "bfloat16":
            codes, furthest = to_bfloat16(vectors)
        half_squares = torch.from_numpy(norms**2 / 2).float() if self._metric == "l2" else None
        if self._device.type == "cuda":
            self._searched = TorchSearch(vectors, codes, half_squares, device=self._device)
        else:
            self._searched = CpuSearch(vectors, codes, half_squares)
        self._gallery, self._longest, self._furthest = gallery, longest, furthest

    def search(self, queries: Embeddings, *, k: int) -> Rankings:
        """The `k` most similar gallery entries of each query, best first.

        Raises `ConfigError` for k < 1, `DataError` for k > gallery size, another dimension, NaN or inf.
        """
        gallery = check_search(self._gallery, queries, k=k)
        norms = checked_norms("query", queries)
        _checked_longest("query", norms)
        margins = 2 * self._error(norms, gallery.dim)
        vectors = searchable(queries).float()
        found = [
            self._search(vectors[rows], margins[rows], k)
            for begin in range(0, len(queries), QUERIES_AT_ONCE)
            for rows in [slice(begin, begin + QUERIES_AT_ONCE)]
        ]
        positions = np.concatenate([np.empty((0, k), np.int64), *[part[0] for part in found]])
        scores = np.concatenate([np.empty((0, k), np.float32), *[part[1] for part in found]])
        return rankings(queries, gallery, positions, scores)

    def save(self, folder: Path) -> None:
        """Write nothing: all that `add` computes takes as long as reading it would."""

    def load(self, folder: Path, gallery: Embeddings) -> None:  # noqa: ARG002
        """`add(gallery)`, as nothing was saved."""
        self.add(gallery)

    def _search(self, queries: Tensor, margins: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if self._searched is None:
            raise DataError("the index holds no gallery yet; call add(gallery) first")
        return self._searched.top_k(queries, margins, k)

    def _error(self, query_norms: np.ndarray, dim: int) -> np.ndarray:
        if self._precision == "bfloat16":
            return bfloat16_error(query_norms, self._longest, self._furthest, dim)
        return float32_error(query_norms, self._longest, dim)


def _checked_longest(role: str, norms: np.ndarray) -> float:
    longest = float(norms.max(initial=0.0))
    if longest > LONGEST:
        row = int(norms.argmax())
        raise DataError(
            f"the {role} vector of row {row} is {longest:.3g} long; use vectors of at most {LONGEST:.0e}"
        )
    return longest
