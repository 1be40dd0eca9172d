"""What an index finds of what there is to find: reported beside every metric of an approximate one."""

from collections.abc import Mapping

import numpy as np

from xmr.core.protocols import Index
from xmr.core.types import Embeddings
from xmr.index.exact import Exact
from xmr.index.overlap import overlap


def index_quality(
    index: Index, sides: Mapping[str, tuple[Embeddings, Embeddings]], *, k: int
) -> dict[str, float]:
    """`<direction>/index_overlap@k` and `<direction>/index_recall@k`, both in [0, 1], for each direction.

    The overlap is the share of the exact first `k` that the index finds; the recall is recall@k of what it
    finds. A gallery smaller than `k` is searched for all it has.
    """
    found = {}
    for direction, (queries, gallery) in sides.items():
        depth = min(k, len(gallery))
        exact = Exact()
        exact.add(gallery)
        index.add(gallery)
        by_index = index.search(queries, k=depth)
        # entries that tie with the k-th count as found, so some more are needed
        truth = exact.search(queries, k=min(4 * depth, len(gallery)))
        found[f"{direction}/index_overlap@{k}"] = float(overlap(by_index, truth).mean())
        scored = np.isin(queries.item_ids, gallery.item_ids)
        found[f"{direction}/index_recall@{k}"] = float(by_index.relevant[scored].any(axis=1).mean())
    return found
