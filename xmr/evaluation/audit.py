"""One run under the definitions of every library: which figures of a name may be compared, which not."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from xmr.core.errors import ConfigError, DataError, check_whole, did_you_mean
from xmr.metrics import average_precision, ndcg, precision, rank, recall, reciprocal_rank, variants
from xmr.metrics.positive_ranks import PositiveRanks


@dataclass(frozen=True)
class AuditRow:
    """A figure as `library` calls it (`name`) and as xmr does (`xmr_name`), its definition and its value."""

    library: str
    name: str
    xmr_name: str
    definition: str
    value: float


@dataclass(frozen=True)
class Measure:
    """What a figure is, in words, and how it follows from the ranks (and a k, which some ignore)."""

    definition: str
    value: Callable[[PositiveRanks, int], float]


def _mean_at_k(metric: Callable[[PositiveRanks, int], np.ndarray]) -> Callable[[PositiveRanks, int], float]:
    return lambda ranks, k: float(metric(ranks, k).mean())


def _mean(metric: Callable[[PositiveRanks], np.ndarray]) -> Callable[[PositiveRanks, int], float]:
    return lambda ranks, _: float(metric(ranks).mean())


MEASURES = {
    "recall_at_k": Measure("any relevant entry in the top k", _mean_at_k(recall.recall_at_k)),
    "fraction_recall_at_k": Measure(
        "share of the relevant entries in the top k", _mean_at_k(recall.fraction_recall_at_k)
    ),
    "precision_at_k": Measure("share of the top k that is relevant", _mean_at_k(precision.precision_at_k)),
    "precision_at_k_over_min": Measure(
        "relevant entries in the top k / min(k, R)", _mean_at_k(variants.precision_at_k_over_min)
    ),
    "r_precision": Measure("share of the top R that is relevant", _mean(precision.r_precision)),
    "average_precision": Measure(
        "mean precision at all relevant ranks", _mean(average_precision.average_precision)
    ),
    "average_precision_at_k": Measure(
        "precisions at relevant ranks to k / min(k, R)", _mean_at_k(average_precision.average_precision_at_k)
    ),
    "average_precision_at_k_over_positives": Measure(
        "precisions at relevant ranks to k / R", _mean_at_k(variants.average_precision_at_k_over_positives)
    ),
    "average_precision_at_k_over_hits": Measure(
        "precisions at relevant ranks to k / hits there",
        _mean_at_k(variants.average_precision_at_k_over_hits),
    ),
    "seed_average_precision_at_k": Measure(
        "mean of precision@1..precision@k", _mean_at_k(variants.seed_average_precision_at_k)
    ),
    "map_at_r": Measure("precisions at relevant ranks to R / R", _mean(average_precision.map_at_r)),
    "reciprocal_rank": Measure("1 / first relevant rank", _mean(reciprocal_rank.reciprocal_rank)),
    "reciprocal_rank_at_k": Measure(
        "1 / first relevant rank, 0 beyond k", _mean_at_k(reciprocal_rank.reciprocal_rank_at_k)
    ),
    "ndcg_at_k": Measure("sum of 1 / log2(relevant rank + 1) to k / its best", _mean_at_k(ndcg.ndcg_at_k)),
    "median_rank": Measure(
        "median of first relevant ranks", lambda ranks, _: float(np.median(rank.first_rank(ranks)))
    ),
    "median_rank_floor": Measure(
        "floor of the median first rank from 0, + 1",
        lambda ranks, _: variants.median_rank_floor(rank.first_rank(ranks)),
    ),
    "mean_rank": Measure("mean of first relevant ranks", _mean(rank.first_rank)),
}
"""The figures that follow from ranks alone, by the name of the function in `xmr.metrics`."""

LIBRARIES = {
    "torchmetrics": {
        "RetrievalHitRate(top_k={k})": "recall_at_{k}",
        "RetrievalRecall(top_k={k})": "fraction_recall_at_{k}",
        "RetrievalPrecision(top_k={k})": "precision_at_{k}",
        "RetrievalRPrecision": "r_precision",
        "RetrievalMAP": "average_precision",
        "RetrievalMAP(top_k={k})": "average_precision_at_{k}_over_hits",
        "RetrievalMRR": "reciprocal_rank",
        "RetrievalMRR(top_k={k})": "reciprocal_rank_at_{k}",
        "RetrievalNormalizedDCG(top_k={k})": "ndcg_at_{k}",
    },
    "pytorch-metric-learning": {
        "precision_at_1": "precision_at_1",
        "r_precision": "r_precision",
        "mean_average_precision_at_r": "map_at_r",
        "mean_average_precision": "average_precision",
        "mean_average_precision (k={k})": "average_precision_at_{k}_over_positives",
        "mean_reciprocal_rank": "reciprocal_rank",
        "mean_reciprocal_rank (k={k})": "reciprocal_rank_at_{k}",
    },
    "Open Metric Learning": {
        "cmc@{k}": "recall_at_{k}",
        "precision@{k}": "precision_at_{k}_over_min",
        "map@{k}": "average_precision_at_{k}_over_hits",
    },
    "ranx": {
        "hit_rate@{k}": "recall_at_{k}",
        "recall@{k}": "fraction_recall_at_{k}",
        "precision@{k}": "precision_at_{k}",
        "r-precision": "r_precision",
        "map": "average_precision",
        "map@{k}": "average_precision_at_{k}_over_positives",
        "mrr": "reciprocal_rank",
        "mrr@{k}": "reciprocal_rank_at_{k}",
        "ndcg@{k}": "ndcg_at_{k}",
    },
    "pytrec_eval": {
        "success_{k}": "recall_at_{k}",
        "recall_{k}": "fraction_recall_at_{k}",
        "P_{k}": "precision_at_{k}",
        "Rprec": "r_precision",
        "map": "average_precision",
        "map_cut_{k}": "average_precision_at_{k}_over_positives",
        "recip_rank": "reciprocal_rank",
        "ndcg_cut_{k}": "ndcg_at_{k}",
    },
    "sentence-transformers": {
        "accuracy@{k}": "recall_at_{k}",
        "recall@{k}": "fraction_recall_at_{k}",
        "precision@{k}": "precision_at_{k}",
        "map@{k}": "average_precision_at_{k}",
        "mrr@{k}": "reciprocal_rank_at_{k}",
        "ndcg@{k}": "ndcg_at_{k}",
    },
    "CLIP_benchmark": {"retrieval_recall@{k}": "recall_at_{k}"},
    "VSE++": {"R@{k}": "recall_at_{k}", "medr": "median_rank_floor", "meanr": "mean_rank"},
    "open_clip": {"R@{k}": "recall_at_{k}", "median_rank": "median_rank_floor", "mean_rank": "mean_rank"},
    "seed 003 (code)": {"mAP@{k}": "reciprocal_rank_at_{k}"},
    "seed 003 (document)": {"mAP@{k}": "seed_average_precision_at_{k}"},
}
"""For each library its name of a figure -> xmr's, as `figure` takes it."""


def figure(ranks: PositiveRanks, name: str) -> float:
    """The figure of that name, averaged over queries: a name of `MEASURES` with a number for its k.

    `average_precision_at_10_over_hits` is `average_precision_at_k_over_hits` with k = 10. Raises
    `ConfigError` for an unknown name.
    """
    measure, k = _measure(name)
    return measure.value(ranks, k)


def audit(
    ranks: PositiveRanks, *, k: int, labels: Sequence[str] | np.ndarray | None = None
) -> list[AuditRow]:
    """The figures of one direction as each library defines and names them, averaged over queries.

    On rankings without ties the libraries return these values; ties count in expectation here, while each
    library breaks them in a way of its own. `labels` (Q,), the class of each query, add seed 003's "prec@k",
    which is averaged by class. open_clip knows only one relevant entry a query, in the query's own row.
    Raises `ConfigError` for a k below 1 and `DataError` for labels that are not one a query.
    """
    check_whole(1, k=k)
    if labels is not None and len(labels) != ranks.n_queries:
        raise DataError(f"{len(labels)} labels for {ranks.n_queries} queries; pass one a query")
    value = cache(lambda name: figure(ranks, name))
    rows = [
        AuditRow(library, theirs.format(k=k), ours, _measure(ours)[0].definition, value(ours))
        for library, names in LIBRARIES.items()
        for theirs, ours in ((theirs, ours.format(k=k)) for theirs, ours in names.items())
    ]
    if labels is not None:
        macro = variants.macro_average(recall.recall_at_k(ranks, k), np.asarray(labels))
        definition = "any relevant entry in the top k, averaged by class"
        ours = f"macro_average(recall_at_{k})"
        rows.append(AuditRow("seed 003 (document)", f"prec@{k}", ours, definition, macro))
    return rows


def _measure(name: str) -> tuple[Measure, int]:
    """The measure of a figure, and its k (1 for those without)."""
    depth = re.search(r"_at_(\d+)", name)
    general = name.replace(depth[0], "_at_k") if depth else name
    if general not in MEASURES or (depth is None and "_at_k" in name):
        raise ConfigError(f"unknown figure '{name}'; {did_you_mean(general, MEASURES)}, with a number for k")
    return MEASURES[general], int(depth[1]) if depth else 1
