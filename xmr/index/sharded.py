"""Search over processes: each looks through its share of the gallery, and all get the same merged top k."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xmr.core.distributed import gather_objects
from xmr.core.errors import DataError, XmrError
from xmr.core.protocols import Index
from xmr.core.types import Embeddings, Rankings


def merge_top_k(parts: Sequence[Rankings], k: int) -> Rankings:
    """The top k of the galleries of all `parts`, which are rankings of the same queries.

    Equal scores rank by part, then as in the part: when the shares are runs of one gallery in its order,
    this is what an exact search through the whole gallery returns. A part may have fewer than k entries.
    Raises `DataError` when the parts are of different queries, or have fewer than k entries in all.
    """
    if not parts:
        raise DataError("there are no rankings to merge; give one for each share of the gallery")
    queries = parts[0].query_ids
    if any(part.query_ids.tolist() != queries.tolist() for part in parts):
        raise DataError("the rankings are of different queries; search for the same ones in every share")
    total = sum(part.k for part in parts)
    if k > total:
        raise DataError(f"k={k} > {total} entries in {len(parts)} rankings; use k <= {total}")
    scores = np.concatenate([part.scores for part in parts], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return Rankings(
        query_ids=queries,
        gallery_ids=np.take_along_axis(np.concatenate([p.gallery_ids for p in parts], axis=1), order, axis=1),
        scores=np.take_along_axis(scores, order, axis=1),
        relevant=np.take_along_axis(np.concatenate([p.relevant for p in parts], axis=1), order, axis=1),
    )


class _Failure(NamedTuple):
    """An error as other processes can be sent it, whatever it holds: the type to raise, and what it says."""

    kind: type[Exception]
    text: str

    @classmethod
    def of(cls, error: Exception) -> "_Failure":
        if isinstance(error, XmrError):
            return cls(type(error), str(error))
        return cls(RuntimeError, f"{type(error).__name__}: {error}")


def search_shards(index: Index, queries: Embeddings, *, k: int, share: int) -> Rankings:
    """The top k of the whole gallery, of which this process's `index` holds `share` entries.

    All processes call this together, for the same queries, and get the same. Shares are runs of the
    gallery, by rank; one may be smaller than k, or 0 (its index is not asked). Where one process fails,
    all raise its error, as a `RuntimeError` unless it is one of xmr's.
    """
    try:
        found = index.search(queries, k=min(k, share)) if share else None
    except Exception as error:
        _raise_first(gather_objects(_Failure.of(error)))
        raise
    results = gather_objects(found)
    _raise_first(results)
    return merge_top_k([result for result in results if result is not None], k)


def _raise_first(results: Sequence[Rankings | _Failure | None]) -> None:
    for rank, result in enumerate(results):
        if isinstance(result, _Failure):
            raise result.kind(f"process {rank} of {len(results)}: {result.text}")
