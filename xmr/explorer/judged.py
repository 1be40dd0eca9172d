"""The evaluation of a source in the explorer: at which rank each query finds its first correct entry."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from xmr.core.errors import ConfigError, DataError, check_whole, did_you_mean
from xmr.evaluation.evaluator import evaluate
from xmr.evaluation.inputs import PerQuery
from xmr.evaluation.projection import chosen_rows
from xmr.evaluation.results_file import QueryResults
from xmr.explorer.content import Rows
from xmr.explorer.once import Once
from xmr.explorer.queries import entry_json
from xmr.explorer.sources import Source
from xmr.reporting.views import choose_queries

Kind = Literal["random", "hard", "failed"]
MOST_QUERIES = 10_000
"""Queries that are evaluated; of more, so many drawn at random."""
MOST_SHOWN = 200


@dataclass(frozen=True, eq=False)
class Judged:
    """Q queries of a direction, as positions in `rows`, with their values by metric (Q,).

    `first_rank` is the rank from 1 of the first correct entry, in expectation over ties. Queries without a
    correct entry in the gallery are not among them.
    """

    rows: Rows
    positions: np.ndarray
    results: QueryResults

    @property
    def first_rank(self) -> np.ndarray:
        """(Q,) float64."""
        return self.results.values["first_rank"]


class Judge:
    """Evaluates the directions of sources, each once."""

    def __init__(self) -> None:
        self._once: Once[Judged] = Once()

    def __call__(self, source: Source, direction: str) -> Judged:
        """The evaluation of a direction; raises `ConfigError` for one that the source does not have."""
        return self._once((source.about.id, direction), lambda: _judged(source, direction))


def _judged(source: Source, direction: str) -> Judged:
    directions = source.content.directions
    if direction not in directions:
        known = did_you_mean(direction, directions) if directions else "it has no evaluation"
        raise ConfigError(f"direction={direction} of {source.about.title}: {known}")
    of = directions[direction]
    rows, gallery = source.content.rows[of.queries], source.gallery(of.gallery)
    at = chosen_rows(len(of.rows), limit=MOST_QUERIES)
    references = None if of.references is None else of.references[at].astype(str).tolist()
    queries = rows.embeddings.take(of.rows[at])
    result = evaluate(queries, gallery.embeddings, of.protocol, about=PerQuery(references=references))
    where = {str(id_): row for id_, row in zip(queries.ids, of.rows[at], strict=True)}
    positions = np.array([where[str(id_)] for id_ in result.query_ids])
    if "first_rank" not in result.per_query:
        raise DataError(f"the protocol {of.protocol.name} of {source.about.title} ranks too few entries")
    return Judged(
        rows,
        positions,
        QueryResults(
            direction=direction,
            query_ids=result.query_ids,
            item_ids=rows.embeddings.item_ids[positions],
            texts=tuple(rows.texts[positions].tolist()),
            labels=tuple(rows.labels[positions].astype(str).tolist()),
            values=result.per_query,
        ),
    )


@dataclass(frozen=True)
class Choice:
    """Which queries of an evaluation to show: failed ones have no correct entry among the first `k`."""

    kind: Kind = "random"
    count: int = 12
    seed: int = 0
    k: int = 10
    label: str = ""


def queries_json(source: Source, judged: Judged, direction: str, choice: Choice) -> dict[str, Any]:
    """The chosen queries with the ranks of their first correct entries; raises `ConfigError`."""
    if choice.kind not in get_args(Kind):
        raise ConfigError(f"kind={choice.kind}; {did_you_mean(choice.kind, get_args(Kind))}")
    check_whole(1, count=choice.count, k=choice.k)
    check_whole(0, seed=choice.seed)
    ranks = judged.first_rank
    of_kind = ranks > choice.k if choice.kind == "failed" else np.ones(len(ranks), bool)
    if choice.label:
        labels = np.array(judged.results.labels)
        of_kind &= (labels == choice.label) | np.char.startswith(labels, f"{choice.label}/")
    at = np.flatnonzero(of_kind)
    chosen = at
    if len(at):
        order = choose_queries(
            judged.results.query_ids[at],
            ranks[at],
            count=min(choice.count, MOST_SHOWN),
            seed=choice.seed,
            kind="hardest" if choice.kind == "hard" else "random",
        )
        chosen = at[order]
    modality = source.content.directions[direction].queries
    return {
        "direction": direction,
        "kind": choice.kind,
        "total": len(at),
        "evaluated": len(ranks),
        "queries": [
            {
                "entry": entry_json(source, modality, judged.rows, int(judged.positions[row])),
                "first_rank": float(ranks[row]),
            }
            for row in chosen
        ],
    }
