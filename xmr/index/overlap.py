"""How much of the true nearest entries an approximate index finds."""

import numpy as np

from xmr.core.errors import DataError
from xmr.core.types import Rankings


def overlap(found: Rankings, exact: Rankings) -> np.ndarray:
    """The share of the exact top k that was found, for each query (Q,), in [0, 1]; k is that of `found`.

    Of entries that tie with the k-th, any will do; those beyond the k-th are known as far as `exact` lists
    them, so search for some more than k. Raises `DataError` when the two are not of the same queries, or
    `exact` is shorter than `found`.
    """
    if found.query_ids.tolist() != exact.query_ids.tolist():
        raise DataError(
            f"found has {len(found.query_ids)} queries, exact {len(exact.query_ids)}, and not the "
            "same ids in one order; search for the same queries in both"
        )
    if found.k > exact.k:
        raise DataError(
            f"found has k={found.k} > k={exact.k} of exact; search exactly for at least {found.k}"
        )
    k = found.k
    shares = np.empty(len(found.query_ids))
    for query in range(len(shares)):
        will_do = exact.scores[query] >= exact.scores[query, k - 1]
        shares[query] = np.isin(found.gallery_ids[query], exact.gallery_ids[query, will_do]).sum() / k
    return shares
