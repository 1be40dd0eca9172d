"""From query and gallery embeddings to metrics: per query first, averaged in this one place."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from xmr.core.errors import DataError, problems_message
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.inputs import PerQuery, Source, as_embeddings, check_about, check_both, check_related
from xmr.evaluation.metric_set import averaged, per_query
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.ranks import Backend, Ranking, chance_ranks, positive_ranks, positive_ranks_both
from xmr.evaluation.relevance import Relevance, entries_named, relevance_by_item_id, same_id
from xmr.metrics.positive_ranks import PositiveRanks, TieRule
from xmr.metrics.recall import recall_at_k

STANDARD = Protocol()
NOTHING = PerQuery()
SUBSET_KS = (1, 2, 3)


@dataclass(frozen=True)
class EvaluationResult:
    """The metrics of one direction, and what they were averaged from.

    `metrics` and `chance` (what equal scores for all give) map `recall@1`, `mAP`, `median_rank`... to
    floats. `per_query` maps `recall@1`, `average_precision`, `first_rank`... to arrays (Q,) in the order of
    `query_ids`. `ties` has the same metrics with every tie broken for and against the model. `groups` has
    them for each group of queries, `ranks` are those of all relevant entries (None for several folds).
    `excluded_queries` had no relevant entry in the gallery and count in no metric.
    """

    protocol: Protocol
    direction: str
    metrics: dict[str, float]
    chance: dict[str, float]
    per_query: dict[str, np.ndarray]
    ties: dict[TieRule, dict[str, float]]
    query_ids: np.ndarray
    excluded_queries: np.ndarray
    gallery_size: int
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    ranks: PositiveRanks | None = None


def evaluate(
    queries: Source,
    gallery: Source,
    protocol: Protocol = STANDARD,
    *,
    about: PerQuery = NOTHING,
    backend: Backend = "auto",
    distributed: bool = False,
) -> EvaluationResult:
    """Exact metrics of ranking `gallery` for each of `queries`; relevant = same item id.

    Of plain arrays, queries are taken for texts and the gallery for images. Tied entries count in
    expectation over all their orders; a k above the gallery size is allowed. In a `distributed` run every
    process must call with the same embeddings, and all get the same result for a share of the work. Raises
    `DataError` for empty, non-finite or zero-norm input (naming the ids), repeated ids, different
    dimensions, and when no query has a relevant entry.
    """
    named = all(isinstance(side, Embeddings) or len(side) > 2 for side in (queries, gallery))
    queries, gallery = as_embeddings(queries, Modality.TEXT), as_embeddings(gallery, Modality.IMAGE)
    check_both(queries, gallery, protocol)
    check_about(about, len(queries), protocol, named=named)
    results = []
    for query, entry, at in _folds(queries, gallery, protocol):
        relevance = _relevance(query, entry, protocol, _references(about, at))
        ranks = positive_ranks(
            query.vectors, entry.vectors, relevance, _ranking(protocol, backend, distributed)
        )
        scored = np.flatnonzero(relevance.counts)
        groups = None if about.groups is None else np.asarray(about.groups)[at][scored]
        result = _result(query, entry, relevance, ranks, protocol, groups)
        if protocol.subset:
            result.metrics.update(_subset_recalls(query, entry, relevance, about, protocol))
        results.append(result)
    return mean_of_results(results, queries)


def evaluate_both_directions(
    image: Embeddings,
    text: Embeddings,
    protocol: Protocol = STANDARD,
    *,
    backend: Backend = "auto",
    distributed: bool = False,
) -> dict[str, EvaluationResult]:
    """`evaluate` image_to_text and text_to_image, by one matrix product; results by direction."""
    if (image.modality, text.modality) != (Modality.IMAGE, Modality.TEXT):
        raise DataError(f"image and text are wanted in this order, got {image.modality} and {text.modality}")
    check_both(image, text, protocol)
    check_about(NOTHING, len(image), protocol, named=True)
    check_related(text, image)
    ranking = _ranking(protocol, backend, distributed)
    results: dict[str, list[EvaluationResult]] = {"image_to_text": [], "text_to_image": []}
    for images, texts, _ in _folds(image, text, protocol):
        there, back = _relevance(images, texts, protocol), _relevance(texts, images, protocol)
        forward, backward = positive_ranks_both(images.vectors, texts.vectors, (there, back), ranking)
        results["image_to_text"].append(_result(images, texts, there, forward, protocol))
        results["text_to_image"].append(_result(texts, images, back, backward, protocol))
    return {
        "image_to_text": mean_of_results(results["image_to_text"], image),
        "text_to_image": mean_of_results(results["text_to_image"], text),
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


def _ranking(protocol: Protocol, backend: Backend, distributed: bool) -> Ranking:
    return Ranking(
        similarity=protocol.similarity,
        limit="none" if protocol.depth == "all" else "relevant",
        depth=max(protocol.ks),
        backend=backend,
        distributed=distributed,
    )


def _result(
    queries: Embeddings,
    gallery: Embeddings,
    relevance: Relevance,
    ranks: PositiveRanks,
    protocol: Protocol,
    groups: np.ndarray | None = None,
) -> EvaluationResult:
    scored = np.flatnonzero(relevance.counts)
    mean: Callable[[dict[str, np.ndarray]], dict[str, float]] = (
        averaged if groups is None else lambda values: _mean_of([*_by_group(values, groups).values()])
    )
    expected = per_query(ranks, protocol)
    broken: dict[TieRule, dict[str, np.ndarray]] = {
        rule: per_query(ranks.resolve(rule), protocol) if ranks.tied.max() > 1 else expected
        for rule in ("optimistic", "pessimistic")
    }
    headline = expected if protocol.tie_rule == "expected" else broken[protocol.tie_rule]
    return EvaluationResult(
        protocol=protocol,
        direction=f"{queries.modality}_to_{gallery.modality}",
        metrics=mean(headline),
        chance=mean(_chance_per_query(relevance, protocol)),
        per_query=headline,
        ties={rule: mean(values) for rule, values in broken.items()},
        query_ids=queries.ids[scored],
        excluded_queries=np.delete(queries.ids, scored),
        gallery_size=len(gallery),
        groups={} if groups is None else _by_group(headline, groups),
        # ranks beyond the depth are unknown, so no other figure may be taken from them
        ranks=ranks if protocol.depth == "all" else None,
    )


def _chance_per_query(relevance: Relevance, protocol: Protocol) -> dict[str, np.ndarray]:
    """What each query would score by chance, computed once for those with equally many entries."""
    kinds, kind_of_query = np.unique(
        np.stack([relevance.counts, relevance.sizes])[:, relevance.counts > 0], axis=1, return_inverse=True
    )
    values = per_query(chance_ranks(*kinds), protocol)
    return {name: of_kind[kind_of_query] for name, of_kind in values.items()}


def _by_group(values: dict[str, np.ndarray], groups: np.ndarray) -> dict[str, dict[str, float]]:
    return {
        str(group): averaged({name: column[groups == group] for name, column in values.items()})
        for group in np.unique(groups)
    }


def _mean_of(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([of_one[name] for of_one in metrics])) for name in metrics[0]}


def mean_of_results(folds: Sequence[EvaluationResult], queries: Embeddings) -> EvaluationResult:
    """The mean metrics over folds (or groups) of `queries`; the queries of all, one fold after the other.

    Queries of items that are in no fold are excluded like others without a relevant entry.
    """
    if len(folds) == 1:
        return folds[0]
    first = folds[0]
    scored = np.concatenate([fold.query_ids for fold in folds])
    return EvaluationResult(
        protocol=first.protocol,
        direction=first.direction,
        metrics=_mean_of([fold.metrics for fold in folds]),
        chance=_mean_of([fold.chance for fold in folds]),
        per_query={
            name: np.concatenate([fold.per_query[name] for fold in folds]) for name in first.per_query
        },
        ties={rule: _mean_of([fold.ties[rule] for fold in folds]) for rule in first.ties},
        query_ids=scored,
        excluded_queries=queries.ids[~np.isin(queries.ids, scored)],
        gallery_size=first.gallery_size,
    )


def _folds(
    queries: Embeddings, gallery: Embeddings, protocol: Protocol
) -> Iterator[tuple[Embeddings, Embeddings, np.ndarray]]:
    """Queries, gallery and the queries' positions of each fold: equal shares of the items, in order."""
    if protocol.folds == 1:
        yield queries, gallery, np.arange(len(queries))
        return
    image = queries if queries.modality is Modality.IMAGE else gallery
    items = np.array(list(dict.fromkeys(image.item_ids.tolist())))
    if len(items) % protocol.folds:
        raise DataError(
            f"{len(items)} items cannot be cut into {protocol.folds} equal folds; use protocol folds=1"
        )
    for share in items.reshape(protocol.folds, -1):
        at = np.flatnonzero(np.isin(queries.item_ids, share))
        yield queries.take(at), gallery.take(np.isin(gallery.item_ids, share)), at


def _relevance(
    queries: Embeddings, gallery: Embeddings, protocol: Protocol, references: Sequence[str] | None = None
) -> Relevance:
    check_related(queries, gallery)
    relevance = relevance_by_item_id(queries, gallery)
    if protocol.exclude == "self":
        relevance = relevance.without(same_id(queries, gallery))
    elif protocol.exclude == "reference" and references is not None:
        relevance = relevance.without(entries_named(references, gallery, role="reference"))
    if not relevance.counts.any():
        raise DataError(f"none of {len(queries)} queries has a relevant entry besides what is excluded")
    return relevance


def _references(about: PerQuery, at: np.ndarray) -> Sequence[str] | None:
    return None if about.references is None else [about.references[n] for n in at]


def _subset_recalls(
    queries: Embeddings, gallery: Embeddings, relevance: Relevance, about: PerQuery, protocol: Protocol
) -> dict[str, float]:
    """`recall_subset@k`: recall where each query ranks its own candidates alone, without the reference."""
    candidates = [
        [id_ for id_ in own if about.references is None or id_ != about.references[n]]
        for n, own in enumerate(about.candidates or ())
    ]
    among = relevance.only_among(entries_named(candidates, gallery, role="candidate"))
    missing = queries.ids[(relevance.counts > 0) & (among.counts == 0)]
    if len(missing):
        raise DataError(
            problems_message(
                "queries whose target is not among their candidates",
                [f"'{id_}'" for id_ in missing],
                "Give each query its own group of images, target included.",
            )
        )
    ranks = positive_ranks(queries.vectors, gallery.vectors, among, _ranking(protocol, "auto", False))
    ranks = ranks.resolve(protocol.tie_rule)
    return {f"recall_subset@{k}": float(recall_at_k(ranks, k).mean()) for k in SUBSET_KS}
