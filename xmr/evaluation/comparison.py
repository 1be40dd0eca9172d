"""Two models on the same queries: their metrics, each query's outcome, and where each of them fails."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xmr.core.errors import DataError
from xmr.evaluation.metric_differences import (
    MetricDifference,
    Seeds,
    metric_differences,
    recall_ks,
    shown_metrics,
)
from xmr.evaluation.query_changes import Agreement, Outcomes, RankChanges, agreement, outcomes, rank_changes
from xmr.evaluation.results_file import RETRIEVED, QueryResults
from xmr.evaluation.slices import Sliced, label_groups, length_groups, sliced, word_groups

SHOWN_IDS = 3


@dataclass(frozen=True, eq=False)
class DirectionComparison:
    """All of one direction: `a` and `b` are a model's runs, their Q queries in equal order.

    `outcomes` are by k: the protocol's smallest, and its largest up to 10, which the lists kept reach.
    `slices` are by kind ("length", "label", "word") and k. `ranks` and `agreement` are None where the results
    do not hold them. `words_of` says whose words the slices by word are of: "query", or "relevant texts" of
    an image.
    """

    direction: str
    a: tuple[QueryResults, ...]
    b: tuple[QueryResults, ...]
    outcomes: dict[int, Outcomes]
    ranks: RankChanges | None
    agreement: Agreement | None
    slices: dict[str, dict[int, Sliced]]
    words_of: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """B beside A: differences are B - A, and verdicts are of B."""

    metrics: tuple[MetricDifference, ...]
    directions: dict[str, DirectionComparison]
    seeds: tuple[int, int]


def compare(a: Seeds, b: Seeds, *, relevance: str = "item", seed: int = 0) -> Comparison:
    """Compare two models, of one or several runs each; `relevance` is the protocol's.

    Queries are matched by their ids. Raises `DataError` where directions, queries or the columns of a
    direction differ, with counts and examples.
    """
    if not a or not b:
        raise DataError("a model without runs can't be compared; give at least one run each")
    first = a[0]
    a, b = ([_in_order(run, first, name) for run in model] for model, name in ((a, "A"), (b, "B")))
    metrics = metric_differences(a, b, shown_metrics(first, relevance=relevance), seed=seed)
    directions = {name: _direction(name, a, b, relevance, seed) for name in first}
    return Comparison(tuple(metrics), directions, (len(a), len(b)))


def _direction(name: str, a: Seeds, b: Seeds, relevance: str, seed: int) -> DirectionComparison:
    runs_a, runs_b = ([run[name] for run in model] for model in (a, b))
    first = runs_a[0]
    said, words_of = _words_of(name, a[0], relevance)
    groups = {
        "length": length_groups(first.texts),
        "label": label_groups(first.labels),
        "word": word_groups(said),
    }
    # of a class's queries each stands for itself where the class is what they look for
    alone = {"label"} if relevance == "label" else set()
    values = {
        k: (_stacked(runs_a, f"recall@{k}"), _stacked(runs_b, f"recall@{k}"))
        for k in _looked_at(recall_ks(first))
    }
    return DirectionComparison(
        name,
        tuple(runs_a),
        tuple(runs_b),
        {k: outcomes(runs_a, runs_b, k) for k in values},
        rank_changes(runs_a, runs_b),
        agreement(runs_a, runs_b, seed=seed),
        {
            kind: {
                k: sliced(of, pair, first.query_ids if kind in alone else first.item_ids, seed=seed)
                for k, pair in values.items()
            }
            for kind, of in groups.items()
        },
        words_of,
    )


def _looked_at(ks: Sequence[int]) -> list[int]:
    """The smallest k, and the largest one that the lists kept reach."""
    return list(dict.fromkeys([ks[0], *[k for k in ks if k <= RETRIEVED][-1:]]))


def _stacked(runs: Sequence[QueryResults], column: str) -> np.ndarray:
    return np.stack([of.values[column] for of in runs])


def _words_of(
    direction: str, queries: Mapping[str, QueryResults], relevance: str
) -> tuple[Sequence[str | None], str]:
    """The texts whose words the queries are sorted by: their own, or those that describe a picture."""
    of = queries[direction]
    if any(text is not None for text in of.texts) or relevance == "label":
        return of.texts, "query"
    texts: dict[str, list[str]] = defaultdict(list)
    for other in queries.values():
        for item, text in zip(other.item_ids.tolist(), other.texts, strict=True):
            texts[item] += [text] if text is not None else []
    return [" ".join(texts[item]) or None for item in of.item_ids.tolist()], "relevant texts"


def _in_order(
    run: Mapping[str, QueryResults], first: Mapping[str, QueryResults], name: str
) -> dict[str, QueryResults]:
    """`run` with the queries of each direction in the order of `first`."""
    if set(run) != set(first):
        raise DataError(f"A has the directions {', '.join(first)}, but {name} has {', '.join(run)}")
    return {direction: _direction_in_order(run[direction], of, name) for direction, of in first.items()}


def _direction_in_order(of: QueryResults, first: QueryResults, name: str) -> QueryResults:
    if other := set(of.values) ^ set(first.values):
        raise DataError(
            f"{of.direction}: of A and {name} only one has {', '.join(sorted(other))}; evaluate both again"
        )
    row = {id_: n for n, id_ in enumerate(of.query_ids.tolist())}
    wanted = dict.fromkeys(first.query_ids.tolist())
    if len(row) < len(of.query_ids) or len(wanted) < len(first.query_ids):
        raise DataError(f"{of.direction}: a query id appears more than once; evaluate again")
    missing, more = [id_ for id_ in wanted if id_ not in row], [id_ for id_ in row if id_ not in wanted]
    if missing or more:
        raise DataError(
            f"{of.direction}: the queries differ: {len(missing):,} are A's alone{_such_as(missing)}, "
            f"{len(more):,} are {name}'s alone{_such_as(more)}; evaluate both on the same data"
        )
    at = np.array([row[id_] for id_ in wanted], dtype=np.int64)
    return replace(
        of,
        query_ids=of.query_ids[at],
        item_ids=of.item_ids[at],
        texts=tuple(of.texts[n] for n in at),
        labels=tuple(of.labels[n] for n in at),
        values={column: values[at] for column, values in of.values.items()},
        retrieved=None if of.retrieved is None else of.retrieved[at],
        scores=None if of.scores is None else of.scores[at],
    )


def _such_as(ids: Sequence[str]) -> str:
    shown = ", ".join(map(repr, ids[:SHOWN_IDS]))
    return f" ({shown}{', ...' if len(ids) > SHOWN_IDS else ''})" if ids else ""
