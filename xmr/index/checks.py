"""What every index checks before it searches: a gallery that is there, k within it, finite vectors."""

import numpy as np
import torch
from torch import Tensor

from xmr.core.errors import ConfigError, DataError, check_positive, problems_message
from xmr.core.types import Embeddings, Rankings
from xmr.index.kernels import lengths

ROWS_AT_ONCE = 4096
UNIT = 0.01
"""How far from 1 the length of a unit vector may be: float16 is that coarse."""

COSINE = "cosine similarity to the query"
PRODUCT = "inner product with the query"
DISTANCE = "minus the squared distance to the query"
HAMMING = "agreement of bits with the query: 1 − 2 × Hamming distance / bits"
"""What scores are, in words for people."""


def searchable(embeddings: Embeddings) -> Tensor:
    """The vectors (N, D) on the CPU, row by row: float32 and float16 as they are, others as float32."""
    vectors = embeddings.vectors.detach().cpu()
    if vectors.dtype not in (torch.float32, torch.float16):
        vectors = vectors.float()
    return vectors.contiguous()


def checked_norms(role: str, embeddings: Embeddings) -> np.ndarray:
    """The length of each vector (N,), float64; raises `DataError` that names each row with NaN or inf."""
    norms = np.empty(len(embeddings))
    for begin in range(0, len(norms), ROWS_AT_ONCE):
        rows = embeddings.vectors[begin : begin + ROWS_AT_ONCE].detach().cpu().float().contiguous()
        lengths(rows.numpy(), norms[begin : begin + ROWS_AT_ONCE])
    bad = np.flatnonzero(~np.isfinite(norms))
    if len(bad):
        problems = [f"'{embeddings.ids[row]}' (row {row})" for row in bad]
        raise DataError(
            problems_message(f"{role} embeddings must be finite", problems, "Look for a diverged run.")
        )
    return norms


def checked_gallery_norms(gallery: Embeddings) -> np.ndarray:
    """The length of each gallery vector (G,); raises `DataError` when there is none, or one is not finite."""
    if not len(gallery):
        raise DataError("the gallery is empty; there is nothing to search")
    return checked_norms("gallery", gallery)


def score_name(metric: str, gallery: Embeddings | None) -> str:
    """What scores of `metric` ("ip" or "l2") are: inner products are cosines where all lengths are 1."""
    if metric == "l2":
        return DISTANCE
    norms = np.zeros(0) if gallery is None else checked_norms("gallery", gallery)
    return COSINE if len(norms) and np.abs(norms - 1).max() < UNIT else PRODUCT


def check_search(gallery: Embeddings | None, queries: Embeddings, *, k: int) -> Embeddings:
    """The gallery, when `queries` can be searched for in it.

    Raises `ConfigError` for k < 1; `DataError` for k > gallery size, another dimension, or no gallery yet.
    """
    check_positive(k=k)
    if gallery is None:
        raise DataError("the index holds no gallery yet; call add(gallery) first")
    if k > len(gallery):
        raise DataError(f"k={k} > gallery size {len(gallery)}; use k <= {len(gallery)}")
    if queries.dim != gallery.dim:
        raise DataError(
            f"queries have dimension {queries.dim}, the index {gallery.dim}; use one model for both"
        )
    return gallery


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise `ConfigError` when `value`, given as `index.<name>`, is none of `choices`."""
    if value not in choices:
        raise ConfigError(f"index.{name}='{value}' is none of {', '.join(map(str, choices))}")


def rankings(queries: Embeddings, gallery: Embeddings, positions: np.ndarray, scores: np.ndarray) -> Rankings:
    """The rankings of gallery `positions` (Q, K), best first, with their `scores` (Q, K)."""
    return Rankings(
        query_ids=queries.ids,
        gallery_ids=gallery.ids[positions],
        scores=scores,
        relevant=gallery.item_ids[positions] == queries.item_ids[:, None],
    )
