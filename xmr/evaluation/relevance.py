"""Which gallery entries are relevant to which query, and which do not take part in its ranking."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from xmr.core.errors import DataError, problems_message
from xmr.core.types import Embeddings


@dataclass(frozen=True)
class Pairs:
    """Gallery positions of Q queries: those of query q are `gallery[start[q]:start[q + 1]]`."""

    start: np.ndarray
    gallery: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """How many entries each query has (Q,)."""
        return np.diff(self.start)

    @property
    def query(self) -> np.ndarray:
        """The query of each pair (P,)."""
        return np.repeat(np.arange(len(self.start) - 1), self.counts)


@dataclass(frozen=True)
class Relevance(Pairs):
    """The relevant gallery positions of Q queries.

    `excluded` entries are no part of a query's ranking; where `among` is given, its entries are all there
    is to rank. Both are none of the relevant entries' business: these are in the ranking.
    """

    gallery_size: int
    excluded: Pairs | None = None
    among: Pairs | None = None

    @property
    def sizes(self) -> np.ndarray:
        """How many entries the ranking of each query has (Q,)."""
        if self.among is not None:
            return self.among.counts
        size = np.full(len(self.start) - 1, self.gallery_size)
        return size if self.excluded is None else size - self.excluded.counts

    def without(self, excluded: Pairs) -> "Relevance":
        """The relation in which the `excluded` entries take no part."""
        dropped = np.isin(self._codes(self), self._codes(excluded))
        kept = _pairs(self.query[~dropped], self.gallery[~dropped], len(self.start) - 1)
        return replace(self, start=kept.start, gallery=kept.gallery, excluded=excluded)

    def only_among(self, among: Pairs) -> "Relevance":
        """The relation in which each query ranks the entries of `among` and no other."""
        kept = np.isin(self._codes(self), self._codes(among))
        pairs = _pairs(self.query[kept], self.gallery[kept], len(self.start) - 1)
        return replace(self, start=pairs.start, gallery=pairs.gallery, excluded=None, among=among)

    def _codes(self, pairs: Pairs) -> np.ndarray:
        return pairs.query * self.gallery_size + pairs.gallery


def relevance_by_item_id(queries: Embeddings, gallery: Embeddings) -> Relevance:
    """Query and gallery entry are relevant to each other when their item ids are equal (many-to-many)."""
    pairs = _equal(queries.item_ids, gallery.item_ids)
    return Relevance(pairs.start, pairs.gallery, len(gallery))


def same_id(queries: Embeddings, gallery: Embeddings) -> Pairs:
    """The gallery entries that are the query itself, by their id."""
    return _equal(queries.ids, gallery.ids)


def entries_named(ids: Sequence[Sequence[str]] | np.ndarray, gallery: Embeddings, *, role: str) -> Pairs:
    """The gallery positions of the ids that each query names (Q lists); `DataError` for unknown ones."""
    lists = [[one] if isinstance(one, str) else list(dict.fromkeys(map(str, one))) for one in ids]
    position = {id_: n for n, id_ in enumerate(gallery.ids.tolist())}
    missing = sorted({id_ for one in lists for id_ in one if id_ not in position})
    if missing:
        raise DataError(
            problems_message(
                f"{role} ids that the gallery does not have",
                [f"'{id_}'" for id_ in missing],
                "Embed the whole gallery, references included.",
            )
        )
    start = np.concatenate([[0], np.cumsum([len(one) for one in lists])])
    return Pairs(start, np.array([position[id_] for one in lists for id_ in one], dtype=np.int64))


def _equal(query_ids: np.ndarray, gallery_ids: np.ndarray) -> Pairs:
    # numbered by a dictionary: sorting strings takes longer than all else here
    numbers: dict[object, int] = {}
    query_codes, gallery_codes = (
        np.array([numbers.setdefault(id_, len(numbers)) for id_ in ids.tolist()], dtype=np.int64)
        for ids in (query_ids, gallery_ids)
    )
    order = np.argsort(gallery_codes, kind="stable")
    sizes = np.bincount(gallery_codes, minlength=len(numbers))
    low = (np.cumsum(sizes) - sizes)[query_codes]
    counts = sizes[query_codes]
    start = np.concatenate([[0], np.cumsum(counts)])
    offsets = np.arange(start[-1]) - np.repeat(start[:-1], counts)
    return Pairs(start, order[np.repeat(low, counts) + offsets])


def _pairs(query: np.ndarray, gallery: np.ndarray, n_queries: int) -> Pairs:
    counts = np.bincount(query, minlength=n_queries)
    return Pairs(np.concatenate([[0], np.cumsum(counts)]), gallery)
