"""The two types that everything behind the models speaks: `Embeddings` and `Rankings`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from xmr.core.errors import DataError


class Modality(StrEnum):
    """What a vector was made from."""

    IMAGE = "image"
    TEXT = "text"
    COMPOSED = "composed"


@dataclass(frozen=True)
class Embeddings:
    """Unit-norm vectors (N, D) with the ids that say what each one is and what it belongs to.

    `ids` (N,) names each vector and is unique. `item_ids` (N,) names the item that the vector shows or
    describes: an image and its five captions share one. A query and a gallery vector are relevant to
    each other when their item ids are equal.
    """

    vectors: Tensor
    ids: np.ndarray
    item_ids: np.ndarray
    modality: Modality

    def __post_init__(self) -> None:
        n = len(self.vectors)
        if self.vectors.ndim != 2 or len(self.ids) != n or len(self.item_ids) != n:
            raise DataError(
                f"embeddings need (N, D) vectors with N ids and N item ids; "
                f"got vectors {tuple(self.vectors.shape)}, {len(self.ids)} ids, {len(self.item_ids)} item ids"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        """D, the length of one vector."""
        return self.vectors.shape[1]

    def take(self, rows: np.ndarray) -> "Embeddings":
        """The embeddings at `rows` (a mask or positions), ids included."""
        rows = np.arange(len(self))[rows]
        return Embeddings(
            self.vectors[torch.from_numpy(rows)], self.ids[rows], self.item_ids[rows], self.modality
        )


@dataclass(frozen=True)
class Rankings:
    """The top K gallery entries of each of Q queries, best first.

    `gallery_ids`, `scores` and `relevant` are (Q, K); higher scores are better: cosine
    similarities in [-1, 1], or what else the index measures.
    """

    query_ids: np.ndarray
    gallery_ids: np.ndarray
    scores: np.ndarray
    relevant: np.ndarray

    @property
    def k(self) -> int:
        """K, how many results each query has."""
        return self.gallery_ids.shape[1]

    def without(self, ids: Sequence[str]) -> "Rankings":
        """The rankings (Q, K - 1) without the entry of each query named in `ids` (Q,), else the last one."""
        kept = self.gallery_ids != np.array(ids)[:, None]
        kept[kept.all(axis=1), -1] = False
        shape = (len(ids), self.k - 1)
        columns = (self.gallery_ids, self.scores, self.relevant)
        return Rankings(self.query_ids, *(column[kept].reshape(shape) for column in columns))
