"""What an evaluation leaves on disk: results.json, with what it cost, and queries.parquet beside it."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xmr.core.files import write_json
from xmr.core.types import Embeddings, Modality
from xmr.data.sources import Source
from xmr.evaluation.evaluator import EvaluationResult, flat_metrics
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import (
    RESULTS_SCHEMA,
    RETRIEVED,
    MetricValues,
    QueryResults,
    metric_values,
    write_queries,
)
from xmr.evaluation.significance import bootstrap_intervals
from xmr.index.exact import Exact
from xmr.pipelines.build import Components
from xmr.pipelines.features import SourceMaker, to_device
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.tasks import ComposedQueries, Task
from xmr.training.evaluation import Evaluation

TIMED_ITEMS = 16
"""How many items of each modality are embedded from their raw input to learn what that costs."""


def write_evaluation(
    folder: Path, evaluation: Evaluation, task: Task, content: Mapping[str, Any]
) -> dict[str, Any]:
    """Write queries.parquet, then results.json with `content`, metrics, intervals: what the latter holds."""
    results = evaluation.results
    protocol = next(iter(results.values())).protocol
    queries = {name: query_results(evaluation, name, task) for name in results}
    metrics = flat_metrics(results) | evaluation.index
    whole = {
        "schema_version": RESULTS_SCHEMA,
        "protocol": protocol.to_json(),
        "metrics": metrics,
        "intervals": intervals(queries, metrics),
        "chance": flat_metrics(results, "chance"),
        "ties": {direction: result.ties for direction, result in results.items()},
        "queries": {direction: len(result.query_ids) for direction, result in results.items()},
        "excluded_queries": {d: len(result.excluded_queries) for d, result in results.items()},
        "gallery": {direction: result.gallery_size for direction, result in results.items()},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **content,
    }
    write_queries(folder / "queries.parquet", queries, protocol)
    write_json(folder / "results.json", whole)
    return whole


def write_protocol(folder: Path, protocol: Protocol) -> None:
    """Write protocol.json: by what a run is evaluated, which a board must know before it has results."""
    write_json(folder / "protocol.json", {"schema_version": RESULTS_SCHEMA, "protocol": protocol.to_json()})


def intervals(queries: Mapping[str, QueryResults], metrics: Mapping[str, float]) -> dict[str, list[float]]:
    """`[low, high]` of each metric that is a mean or median over queries.

    Means over groups of queries (FashionIQ's) are none, and so have none.
    """
    found: dict[str, list[float]] = {}
    by_direction: dict[str, dict[str, MetricValues]] = {}
    for name, value in metrics.items():
        of = metric_values(queries, name)
        if of is None or not _is_statistic(of.values, of.statistic, value):
            continue
        by_direction.setdefault(name.rpartition("/")[0], {})[name] = of
    for together in by_direction.values():
        clusters = next(iter(together.values())).clusters
        resampled = bootstrap_intervals(
            {name: of.values for name, of in together.items()},
            clusters,
            statistics={name: of.statistic for name, of in together.items()},
        )
        found |= {name: [interval.low, interval.high] for name, interval in resampled.items()}
    return {name: found[name] for name in metrics if name in found}


def _is_statistic(values: np.ndarray, statistic: str, value: float) -> bool:
    own = np.mean(values) if statistic == "mean" else np.median(values)
    return bool(np.isclose(own, value, rtol=1e-6, atol=1e-9))


def query_results(evaluation: Evaluation, direction: str, task: Task) -> QueryResults:
    """What each query of a direction scored and found, by exact search whatever the index."""
    result = evaluation.results[direction]
    queries, gallery = evaluation.sides[direction]
    position = {id_: row for row, id_ in enumerate(queries.ids.tolist())}
    asked = queries.take(np.array([position[id_] for id_ in result.query_ids.tolist()]))
    said = task.queries(result.protocol.split, direction)
    # classes are no sample: images of one class are queries of their own
    items = asked.ids if result.protocol.relevance == "label" else asked.item_ids
    ids = asked.ids.tolist()
    retrieved, scores = _retrieved(asked, gallery, result, task)
    return QueryResults(
        direction=direction,
        query_ids=asked.ids,
        item_ids=items,
        texts=tuple(said.texts.get(id_) for id_ in ids),
        labels=tuple(said.labels.get(id_, "") for id_ in ids),
        values=result.per_query,
        retrieved=retrieved,
        scores=scores,
    )


def _retrieved(
    asked: Embeddings, gallery: Embeddings, result: EvaluationResult, task: Task
) -> tuple[np.ndarray | None, np.ndarray | None]:
    protocol = result.protocol
    if protocol.folds > 1 or protocol.groups:
        return None, None
    left_out = _left_out(asked, protocol, task)
    index = Exact(metric="l2" if protocol.similarity == "l2" else "ip")
    index.add(gallery)
    found = index.search(asked, k=min(RETRIEVED + bool(left_out), len(gallery)))
    if left_out:
        found = found.without(left_out)
    return found.gallery_ids, found.scores


def _left_out(asked: Embeddings, protocol: Protocol, task: Task) -> list[str]:
    """The entry that takes no part in each query's ranking; nothing where all do."""
    if protocol.exclude == "self":
        return asked.ids.tolist()
    if protocol.exclude == "reference" and isinstance(task, ComposedQueries):
        references = task.references(protocol.split)
        return [references[id_] for id_ in asked.ids.tolist()]
    return []


def embedding_cost(components: Components, evaluation: Evaluation) -> dict[str, Any]:
    """Seconds to embed one item of each modality from its raw input, and the bytes of the largest index.

    The seconds are a mean over a small batch; searched is by the configured index.
    """
    plan_split = next(iter(evaluation.results.values())).protocol.split
    galleries = [gallery for _, gallery in evaluation.sides.values()]
    index = instantiate(components.config.index)
    sizes = []
    for gallery in galleries:
        index.add(gallery)
        sizes.append(index.nbytes)
    return {
        "embed_seconds_per_item": _embed_seconds(components, plan_split),
        "index_bytes": max(sizes),
    }


def _embed_seconds(components: Components, split: str) -> dict[str, float]:
    live = SourceMaker(components.dataset, components.module.model, components.maker.extraction)
    sources: dict[Modality, Source] = dict(components.task.sources(split, live))
    model = components.module.model.eval()
    seconds = {}
    for modality, source in sources.items():
        rows = np.arange(min(TIMED_ITEMS, len(source)))
        with torch.inference_mode():
            # the first call sets up what later ones find ready
            for at in (rows[:1], rows):
                started = time.perf_counter()
                model.embed(modality, to_device(source.fetch(at), components.module.device))
                seconds[str(modality)] = round((time.perf_counter() - started) / len(at), 6)
    return seconds
