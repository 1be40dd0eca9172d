"""Retrieval panels of an evaluation: which queries, what they find, drawn and written."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xmr.core.protocols import Index
from xmr.core.types import Embeddings
from xmr.evaluation.evaluator import EvaluationResult
from xmr.pipelines.tasks import ComposedQueries, Task
from xmr.reporting.panels import draw_panel, save_png
from xmr.reporting.views import QueryKind, RankedQuery, choose_queries, ranked_queries
from xmr.training.evaluation import Evaluation


@dataclass(frozen=True)
class PanelWriter:
    """Draws what a model retrieves on one split into `folder`; the same queries for every model and epoch."""

    task: Task
    split: str
    index: Index
    folder: Path
    queries: int = 8
    k: int = 10

    def write(self, evaluation: Evaluation, *, kind: QueryKind = "random", note: str = "") -> dict[str, Path]:
        """One PNG a direction, named `<direction>-<kind><note>.png`: paths by `<direction>-<kind>`."""
        paths = {}
        for direction, result in evaluation.results.items():
            path = self.folder / f"{direction}-{kind}{note}.png"
            title = (
                f"{direction} · {self.task.dataset.name} · {self.split} · {kind} queries\n{_summary(result)}"
            )
            queries = self.ranked(evaluation, direction, kind)
            save_png(
                draw_panel(
                    queries, gallery_size=result.gallery_size, title=title, measures=self.index.measures
                ),
                path,
            )
            paths[f"{direction}-{kind}"] = path
        return paths

    def ranked(self, evaluation: Evaluation, direction: str, kind: QueryKind) -> list[RankedQuery]:
        """The chosen queries of a direction with their results."""
        result = evaluation.results[direction]
        queries, gallery = evaluation.sides[direction]
        first_ranks = result.per_query["first_rank"]
        chosen = choose_queries(result.query_ids, first_ranks, count=self.queries, kind=kind)
        self.index.add(gallery)
        asked = queries.take(_positions(queries, result.query_ids[chosen]))
        references = self._references(result)
        # one more where the reference takes no part
        rankings = self.index.search(asked, k=min(self.k + bool(references), len(gallery)))
        if references:
            rankings = rankings.without([references[id_] for id_ in asked.ids.tolist()])
        query_view, gallery_view = self.task.views(self.split, direction)
        return ranked_queries(
            rankings, first_ranks[chosen], query_view=query_view, gallery_view=gallery_view, k=self.k
        )

    def _references(self, result: EvaluationResult) -> dict[str, str]:
        """The reference of each query, where the protocol leaves it out of the ranking."""
        if result.protocol.exclude != "reference" or not isinstance(self.task, ComposedQueries):
            return {}
        return self.task.references(self.split)


def _positions(embeddings: Embeddings, ids: np.ndarray) -> np.ndarray:
    position = {id_: n for n, id_ in enumerate(embeddings.ids)}
    return np.array([position[id_] for id_ in ids])


def _summary(result: EvaluationResult) -> str:
    recalls = [
        f"{name} {100 * value:.1f} %" for name, value in result.metrics.items() if name.startswith("recall@")
    ]
    return " · ".join([*recalls, f"median rank {result.metrics['median_rank']:g} of {result.gallery_size:,}"])
