"""Letters on a board: which of its models do not differ, by paired tests on the results of each query."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xmr.core.errors import DataError
from xmr.evaluation.results_file import MetricValues, metric_values, read_queries
from xmr.evaluation.significance import letters, pairwise
from xmr.reporting.board.board import Board, Row, lower_is_better
from xmr.reporting.records.runs import RunRecord

LEVEL = 0.05
TESTED = 30
"""How many models are tested, the best ones: n of them make n (n - 1) / 2 pairs."""


class NotTestedError(Exception):
    """Why a row takes no part in the tests."""


@dataclass(frozen=True, eq=False)
class Tested:
    """What the S finished runs of a row scored on Q queries: values (S, Q) by sorted id, clusters (Q,)."""

    ids: np.ndarray
    clusters: np.ndarray
    values: np.ndarray


def with_letters(board: Board, *, models: int = TESTED, level: float = LEVEL) -> Board:
    """The board with letters for the metric that it is sorted by, and notes of what was tested and how.

    Compared are the first `models` rows that have finished runs, each with a queries.parquet of the same
    queries as most others; Holm's correction is over all their pairs.
    """
    metric = board.sorted_by
    candidates = [row for row in board.rows if row.finished and metric in row.mean]
    if len(candidates) < 2:
        return board
    tested: dict[int, Tested] = {}
    why_not: dict[int, str] = {}
    for place, row in enumerate(candidates[:models]):
        try:
            tested[place] = _tested(row, metric)
        except NotTestedError as error:
            why_not[place] = str(error)
    _keep_comparable(tested, why_not)
    named = {candidates[place].label: reason for place, reason in why_not.items()}
    notes = [*board.notes, *_notes(named, len(candidates) - models, metric)]
    if len(tested) < 2:
        return replace(board, notes=tuple(notes))
    found = _letters([tested[place] for place in tested], level, lower=lower_is_better(metric))
    of_row = {id(candidates[place]): letter for place, letter in zip(tested, found, strict=True)}
    rows = [
        replace(row, letters={metric: of_row[id(row)]}) if id(row) in of_row else row for row in board.rows
    ]
    notes.insert(0, _what_letters_mean(tested, metric, level))
    return replace(board, rows=tuple(rows), notes=tuple(notes))


def _tested(row: Row, metric: str) -> Tested:
    """What the finished runs of a row scored for each query; raises `NotTestedError` where they can't be."""
    of_runs = [_sorted(_values(run, metric)) for run in row.finished]
    first = of_runs[0]
    for other in of_runs[1:]:
        if not np.array_equal(other.ids, first.ids):
            raise NotTestedError("its seeds have other queries")
    return Tested(first.ids, first.clusters, np.stack([of.values for of in of_runs]))


def _values(run: RunRecord, metric: str) -> MetricValues:
    if metric not in run.metrics:
        raise NotTestedError(f"{run.path} lacks the metric")
    if run.queries_file is None:
        raise NotTestedError("no queries.parquet")
    try:
        found = metric_values(read_queries(run.queries_file, figures_only=True), metric)
    except DataError as error:
        reason = str(error).removeprefix(str(run.queries_file))
        raise NotTestedError(f"{run.queries_file.name}{reason}") from error
    if found is None:
        raise NotTestedError("no values of single queries")
    if found.statistic != "mean":
        raise NotTestedError(f"{metric} is a median, and tests are of means")
    if not np.isclose(found.values.mean(), run.metrics[metric], rtol=1e-6, atol=1e-9):
        raise NotTestedError("no mean over its queries")
    return found


def _sorted(values: MetricValues) -> MetricValues:
    """The same in the order of the ids."""
    order = np.argsort(values.ids, kind="stable")
    return replace(
        values, ids=values.ids[order], values=values.values[order], clusters=values.clusters[order]
    )


def _keep_comparable(tested: dict[int, Tested], why_not: dict[int, str]) -> None:
    """Leave away those whose queries are not the ones that most have."""
    queries = {place: (tuple(of.ids), tuple(of.clusters)) for place, of in tested.items()}
    if not queries:
        return
    usual, _ = Counter(queries.values()).most_common(1)[0]
    for place, own in queries.items():
        if own != usual:
            del tested[place]
            why_not[place] = "other queries"


def _letters(tested: Sequence[Tested], level: float, *, lower: bool) -> list[str]:
    p = pairwise([of.values for of in tested], tested[0].clusters)
    means = np.array([of.values.mean() for of in tested])
    order = np.argsort(means if lower else -means, kind="stable")
    return letters(order.tolist(), p < level)


def _what_letters_mean(tested: Mapping[int, Tested], metric: str, level: float) -> str:
    first = next(iter(tested.values()))
    pairs = len(tested) * (len(tested) - 1) // 2
    over = "queries and seeds" if any(len(of.values) > 1 for of in tested.values()) else "queries alone"
    return (
        f"models that share a letter do not differ significantly in {metric}: paired tests over {over}, "
        f"{len(first.ids):,} queries, Holm's correction over {pairs:,} {'pair' if pairs == 1 else 'pairs'}, "
        f"level {level:g}"
    )


def _notes(why_not: Mapping[str, str], beyond: int, metric: str) -> list[str]:
    """One line a reason, with the rows that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for label, reason in why_not.items():
        by_reason.setdefault(reason, []).append(label)
    notes = [f"not tested in {metric}: {_some(rows)} ({reason})" for reason, rows in by_reason.items()]
    if beyond > 0:
        notes.append(f"not tested in {metric}: the {beyond:,} models below the best ones")
    return notes


def _some(names: Sequence[str], shown: int = 3) -> str:
    rest = len(names) - shown
    return "; ".join(names[:shown]) + (f" and {rest:,} more" if rest > 0 else "")
