"""From query and gallery embeddings to metrics: per query first, averaged in this one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch

from xmr.core.errors import ConfigError, DataError, problems_message
from xmr.core.types import Embeddings
from xmr.evaluation.ranks import chance_ranks, positive_ranks
from xmr.evaluation.relevance import relevance_by_item_id
from xmr.metrics.average_precision import average_precision
from xmr.metrics.positive_ranks import PositiveRanks, TieRule
from xmr.metrics.rank import first_rank
from xmr.metrics.recall import recall_at_k


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of one direction, and what they were averaged from.

    `metrics` and `chance` (what equal scores for all give) map `recall@1`, `mAP`, `median_rank`... to
    floats. `per_query` maps `recall@1`, `average_precision`, `first_rank` to arrays (Q,) in the order of
    `query_ids`. `ties` has the same metrics with every tie broken for and against the model.
    `excluded_queries` had no relevant entry in the gallery and count in no metric.
    """

    metrics: dict[str, float]
    chance: dict[str, float]
    per_query: dict[str, np.ndarray]
    ties: dict[TieRule, dict[str, float]]
    query_ids: np.ndarray
    excluded_queries: np.ndarray
    gallery_size: int
    direction: str


def evaluate(queries: Embeddings, gallery: Embeddings, *, ks: Sequence[int] = (1, 5, 10)) -> EvaluationResult:
    """Exact metrics of ranking `gallery` by cosine similarity for each of `queries`; relevant = same item id.

    Tied entries count in expectation over all their orders; a k above the gallery size is allowed. Raises
    `ConfigError` for a k below 1, `DataError` for empty, non-finite or zero-norm input (naming the ids),
    different dimensions, and when no query has a relevant entry.
    """
    _check_ks(ks)
    for role, embeddings in (("query", queries), ("gallery", gallery)):
        _check(role, embeddings)
    if queries.dim != gallery.dim:
        raise DataError(
            f"queries have dimension {queries.dim}, the gallery {gallery.dim}; embed both with one model"
        )
    relevance = relevance_by_item_id(queries, gallery)
    scored = np.flatnonzero(relevance.counts)
    if not len(scored):
        raise DataError(f"none of {len(queries)} queries has its item id in the gallery of {len(gallery)}")
    relevance = relevance.take(scored)
    ranks = positive_ranks(queries.vectors[torch.from_numpy(scored)], gallery.vectors, relevance)
    per_query = _per_query(ranks, ks)
    return EvaluationResult(
        metrics=_average(per_query),
        chance=_average(_per_query(chance_ranks(relevance), ks)),
        per_query=per_query,
        ties={rule: _average(_per_query(ranks.resolve(rule), ks)) for rule in ("optimistic", "pessimistic")},
        query_ids=queries.ids[scored],
        excluded_queries=np.delete(queries.ids, scored),
        gallery_size=len(gallery),
        direction=f"{queries.modality}_to_{gallery.modality}",
    )


def evaluate_both_directions(
    image: Embeddings, text: Embeddings, *, ks: Sequence[int] = (1, 5, 10)
) -> dict[str, EvaluationResult]:
    """Evaluate image_to_text and text_to_image; results by direction."""
    return {
        "image_to_text": evaluate(image, text, ks=ks),
        "text_to_image": evaluate(text, image, ks=ks),
    }


def flat_metrics(results: dict[str, EvaluationResult], kind: str = "metrics") -> dict[str, float]:
    """`image_to_text/recall@1`... over all directions, and `mean_recall`, the mean of all their recalls.

    `kind` is "metrics" or "chance".
    """
    flat = {
        f"{direction}/{name}": value
        for direction, result in results.items()
        for name, value in getattr(result, kind).items()
    }
    flat["mean_recall"] = float(np.mean([value for name, value in flat.items() if "/recall@" in name]))
    return flat


def _per_query(ranks: PositiveRanks, ks: Sequence[int]) -> dict[str, np.ndarray]:
    recalls = {f"recall@{k}": recall_at_k(ranks, k) for k in ks}
    return {**recalls, "average_precision": average_precision(ranks), "first_rank": first_rank(ranks)}


def _average(per_query: dict[str, np.ndarray]) -> dict[str, float]:
    recalls = {name: float(values.mean()) for name, values in per_query.items() if name.startswith("recall@")}
    return {
        **recalls,
        "mAP": float(per_query["average_precision"].mean()),
        "median_rank": float(np.median(per_query["first_rank"])),
        "mean_rank": float(per_query["first_rank"].mean()),
    }


def _check_ks(ks: Sequence[int]) -> None:
    if not ks or not all(isinstance(k, Integral) and k >= 1 for k in ks):
        raise ConfigError(f"ks={list(ks)}, but recall@k needs whole numbers of at least 1; use ks=[1, 5, 10]")


def _check(role: str, embeddings: Embeddings) -> None:
    if not len(embeddings):
        raise DataError(f"there is no {role} embedding to evaluate; check the split")
    norms = embeddings.vectors.float().norm(dim=1)
    bad = ~torch.isfinite(norms) | (norms == 0)
    if bad.any():
        rows = bad.nonzero().flatten().tolist()
        problems = [f"'{embeddings.ids[row]}' (row {row}): norm {norms[row]:g}" for row in rows]
        raise DataError(
            problems_message(
                f"{role} embeddings must be finite and not zero",
                problems,
                "Usual causes: a diverged run (lower the learning rate) or a broken input.",
            )
        )
