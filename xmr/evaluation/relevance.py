"""Which gallery entries are relevant to which query: those with the same item id."""

from dataclasses import dataclass

import numpy as np

from xmr.core.types import Embeddings


@dataclass(frozen=True)
class Relevance:
    """The relevant gallery positions of Q queries as a sparse row structure.

    Those of query q are `gallery[start[q]:start[q + 1]]`; `start` is (Q + 1,).
    """

    start: np.ndarray
    gallery: np.ndarray
    gallery_size: int

    @property
    def counts(self) -> np.ndarray:
        """How many relevant gallery entries each query has (Q,)."""
        return np.diff(self.start)

    def take(self, queries: np.ndarray) -> "Relevance":
        """The relation of the queries at the given positions, in their order."""
        counts = self.counts[queries]
        start = np.concatenate([[0], np.cumsum(counts)])
        offsets = np.arange(start[-1]) - np.repeat(start[:-1], counts)
        return Relevance(
            start, self.gallery[np.repeat(self.start[queries], counts) + offsets], self.gallery_size
        )


def relevance_by_item_id(queries: Embeddings, gallery: Embeddings) -> Relevance:
    """Query and gallery entry are relevant to each other when their item ids are equal (many-to-many)."""
    _, codes = np.unique(np.concatenate([queries.item_ids, gallery.item_ids]), return_inverse=True)
    query_codes, gallery_codes = codes[: len(queries)], codes[len(queries) :]
    order = np.argsort(gallery_codes, kind="stable")
    low = np.searchsorted(gallery_codes[order], query_codes, side="left")
    counts = np.searchsorted(gallery_codes[order], query_codes, side="right") - low
    start = np.concatenate([[0], np.cumsum(counts)])
    offsets = np.arange(start[-1]) - np.repeat(start[:-1], counts)
    return Relevance(start, order[np.repeat(low, counts) + offsets], len(gallery))
