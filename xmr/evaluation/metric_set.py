"""The metrics of a protocol: each per query, and how each is averaged."""

from collections.abc import Callable, Mapping

import numpy as np

from xmr.evaluation.protocol import Protocol
from xmr.metrics.average_precision import average_precision, average_precision_at_k, map_at_r
from xmr.metrics.ndcg import ndcg_at_k
from xmr.metrics.positive_ranks import PositiveRanks
from xmr.metrics.precision import precision_at_k, r_precision
from xmr.metrics.rank import first_rank
from xmr.metrics.recall import fraction_recall_at_k, recall_at_k
from xmr.metrics.reciprocal_rank import reciprocal_rank

AT_K: Mapping[str, Callable[[PositiveRanks, int], np.ndarray]] = {
    "recall": recall_at_k,
    "fraction_recall": fraction_recall_at_k,
    "precision": precision_at_k,
    "average_precision": average_precision_at_k,
    "ndcg": ndcg_at_k,
}
AT_R: Mapping[str, Callable[[PositiveRanks], np.ndarray]] = {
    "r_precision": r_precision,
    "average_precision@R": map_at_r,
}
OF_ALL: Mapping[str, Callable[[PositiveRanks], np.ndarray]] = {
    "average_precision": average_precision,
    "reciprocal_rank": reciprocal_rank,
    "first_rank": first_rank,
}


def per_query(ranks: PositiveRanks, protocol: Protocol) -> dict[str, np.ndarray]:
    """All metrics of each query (Q,), by name: `recall@1`, `average_precision`, `first_rank`..."""
    values = {f"{name}@{k}": metric(ranks, k) for name, metric in AT_K.items() for k in protocol.ks}
    values |= {name: metric(ranks) for name, metric in AT_R.items()}
    if protocol.depth == "all":
        values |= {name: metric(ranks) for name, metric in OF_ALL.items()}
    return values


def averaged(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The metrics over all queries: `recall@1`, `mAP`, `mAP@5`, `mAP@R`, `mrr`, `median_rank`...

    Each is the mean over the queries, but `median_rank`, the median of their first ranks.
    """
    means = {name: float(column.mean()) for name, column in values.items() if name != "first_rank"}
    averages = {_average_name(name): mean for name, mean in means.items()}
    if "first_rank" in values:
        averages["median_rank"] = float(np.median(values["first_rank"]))
        averages["mean_rank"] = float(values["first_rank"].mean())
    return averages


def _average_name(name: str) -> str:
    if name.startswith("average_precision"):
        return name.replace("average_precision", "mAP")
    return {"reciprocal_rank": "mrr", "r_precision": "R_precision"}.get(name, name)
