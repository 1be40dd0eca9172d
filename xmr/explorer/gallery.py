"""A gallery in memory: a query's similarities by one product, the exact best, and indexes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, DataError, did_you_mean
from xmr.core.protocols import Index
from xmr.core.types import Embeddings, Modality, Rankings
from xmr.explorer.content import Rows
from xmr.explorer.once import Once
from xmr.index.binary import BinaryIndex
from xmr.index.checks import COSINE, DISTANCE, UNIT, checked_gallery_norms
from xmr.index.exact import Exact
from xmr.index.faiss_index import FaissIndex
from xmr.index.kernels import scan_exactly
from xmr.index.products import float32_error

Metric = Literal["ip", "l2"]
ROWS_AT_ONCE = 16_384
FILTERED = 1_000
"""An approximate index is asked for so many entries where a filter lets only some of them through."""

NOTHING = np.zeros(0, np.int64)

EXACT = "exact"
SAVED = "saved/"
"""What the kinds of indexes begin with that were built before; names of indexes have no slash."""
RESCORE = 10
INDEXES: dict[str, tuple[str, Callable[[Metric], Index]]] = {
    EXACT: ("every vector is compared", lambda metric: Exact(metric=metric, device="cpu")),
    "ivf": (
        "inverted lists: the 32 lists nearest to the query are compared, of 4 √gallery",
        lambda metric: FaissIndex(
            factory="IVF{nlist},Flat", metric=metric, device="cpu", search={"nprobe": 32}
        ),
    ),
    "pq": (
        "product quantisation: a byte for every 8 dimensions",
        lambda metric: FaissIndex(factory="PQ{pq}np", metric=metric, device="cpu"),
    ),
    "binary": (
        "a bit a dimension; the 10 k nearest by bits are ranked by their vectors",
        lambda _: BinaryIndex(rescore=RESCORE),
    ),
}
"""What each kind of index is, and how it is made."""


@dataclass(frozen=True, eq=False)
class Built:
    """An index over a gallery, what its scores are in words, and how many seconds it took to make or open."""

    index: Index
    measures: str
    seconds: float


@dataclass(frozen=True, eq=False)
class Hits:
    """The K best positions of a gallery, best first, with their scores (K,).

    `asked` is how many entries an approximate index was asked for, before a filter; 0 for exact search.
    """

    positions: np.ndarray
    scores: np.ndarray
    asked: int = 0


class Gallery:
    """G entries with their vectors (G, D) in float32.

    With the metric "ip" vectors are brought to unit length: similarities are cosines. With "l2" they are
    minus squared distances. `saved` opens indexes of these entries that were built before, by their kind.
    Raises `DataError` for no entries, and for NaN or infinite vectors.
    """

    def __init__(
        self, rows: Rows, *, metric: Metric = "ip", saved: Mapping[str, Callable[[], Index]] | None = None
    ) -> None:
        embeddings = rows.embeddings
        norms = checked_gallery_norms(embeddings)
        vectors = embeddings.vectors.detach().cpu().float().contiguous()
        if metric == "ip" and np.abs(norms - 1).max() > UNIT:
            vectors, norms = normalize(vectors, dim=1), np.ones(len(norms))
        self.rows, self.metric, self.vectors = rows, metric, vectors
        self.embeddings = Embeddings(vectors, embeddings.ids, embeddings.item_ids, embeddings.modality)
        self._longest, self._half_squares = float(norms.max()), (norms**2 / 2).astype(np.float32)
        self._saved = saved or {}
        self._built: Once[Built] = Once()

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def measures(self) -> str:
        """What a similarity is, in words."""
        return COSINE if self.metric == "ip" else DISTANCE

    def prepared(self, query: np.ndarray) -> np.ndarray:
        """A query (D,), at unit length where similarities are cosines; raises `ConfigError` for NaN."""
        query = np.ascontiguousarray(query, np.float32)
        norm = float(np.linalg.norm(query))
        if query.shape != (self.vectors.shape[1],) or not np.isfinite(norm):
            raise ConfigError(f"a query of {query.shape} numbers, or with NaN, can't be searched for")
        return query / norm if self.metric == "ip" and norm > 0 else query

    def similarities(self, query: np.ndarray) -> np.ndarray:
        """A prepared query (D,) -> its similarity to every entry (G,), float32, by one product."""
        dots = torch.mv(self.vectors, torch.from_numpy(query)).numpy()
        if self.metric == "ip":
            return dots
        return 2 * (dots - self._half_squares) - np.float32(query @ query)

    def nearest(
        self, query: np.ndarray, similarities: np.ndarray, *, k: int, among: np.ndarray | None = None
    ) -> Hits:
        """The exact best `k` of the positions `among` (None: all), equal scores by position.

        What the rounding of `similarities` leaves a chance is scored again in float64, as `Exact` does.
        """
        values = similarities if among is None else similarities[among]
        k = min(k, len(values))
        if k == 0:
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32))
        bar = np.partition(values, len(values) - k)[len(values) - k]
        norm = np.array([np.linalg.norm(query.astype(np.float64))])
        # distances are twice as far from the truth as products
        margin = 4 * float32_error(norm, self._longest, len(query))[0]
        at = np.flatnonzero(values >= bar - margin)
        at = at if among is None else among[at]
        found, scores = np.zeros((1, k), np.int64), np.full((1, k), -np.inf, np.float32)
        for begin in range(0, len(at), ROWS_AT_ONCE):
            rows = self.vectors.numpy()[at[begin : begin + ROWS_AT_ONCE]]
            scan_exactly(query[None], rows, begin, self.metric == "l2", scores, found)
        return Hits(at[found[0]], scores[0])

    def has_index(self, kind: str) -> bool:
        """Whether the index of that kind is built, and was before the request that asks came."""
        return self._built.has(kind)

    def index(self, kind: str) -> Built:
        """The index of that kind, built or opened at the first call.

        Raises `ConfigError` where there is none, and what opening a saved one raises.
        """
        if kind not in INDEXES and kind not in self._saved:
            raise ConfigError(f"index={kind}; {did_you_mean(kind, [*INDEXES, *self._saved])}")
        if kind == "binary" and self.metric == "l2":
            raise ConfigError("bits rank by cosine, but this model is of distances; use exact, ivf or pq")
        return self._built(kind, lambda: self._made(kind))

    def _made(self, kind: str) -> Built:
        started = time.perf_counter()
        if kind in self._saved:
            index = self._saved[kind]()
        else:
            index = INDEXES[kind][1](self.metric)
            index.add(self.embeddings)
        return Built(index, index.measures, time.perf_counter() - started)

    def searched(
        self,
        kind: str,
        query: np.ndarray,
        *,
        k: int,
        own: np.ndarray = NOTHING,
        among: np.ndarray | None = None,
    ) -> Hits:
        """The best `k` that the index of that kind finds, without the positions `own`; there may be fewer.

        Of the positions `among` (None: all) are those that remain of what the index is asked for.
        """
        wanted = k + len(own)
        if among is not None:
            wanted = max(wanted, min(FILTERED, len(self) // 4))
        found = self._found(kind, query, wanted=min(wanted, len(self)))
        positions = np.array([self.rows.positions[str(id_)] for id_ in found.gallery_ids[0]])
        keep = ~np.isin(positions, own)
        if among is not None:
            keep &= np.isin(positions, among)
        return Hits(positions[keep][:k], found.scores[0][keep][:k], asked=len(positions))

    def _found(self, kind: str, query: np.ndarray, *, wanted: int) -> Rankings:
        """The `wanted` best by an index, or half as many while the lists that it looks through hold fewer."""
        index, name = self.index(kind).index, np.array(["query"])
        asked = Embeddings(torch.from_numpy(query[None]), name, name, Modality.TEXT)
        while True:
            try:
                return index.search(asked, k=wanted)
            except DataError:
                if wanted == 1:
                    raise
                wanted //= 2

    def labelled(self, labels: Sequence[str]) -> np.ndarray | None:
        """Positions of entries with any of `labels`, or one below it (`animals` has `animals/cat`).

        None for no labels: all entries.
        """
        if not labels:
            return None
        names, of = np.unique(self.rows.labels.astype(str), return_inverse=True)
        chosen = [any(name == label or name.startswith(f"{label}/") for label in labels) for name in names]
        return np.flatnonzero(np.array(chosen, bool)[of])


def same_entries(one: Gallery, other: Gallery) -> bool:
    """Whether two galleries have the same ids, in whatever order."""
    if one is other or np.array_equal(one.embeddings.ids, other.embeddings.ids):
        return True
    return one.rows.positions.keys() == other.rows.positions.keys()
