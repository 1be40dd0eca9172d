"""Retrieval panels of an evaluation: which queries, what they find, drawn and written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xmr.core.protocols import Index
from xmr.core.types import Embeddings
from xmr.data.dataset import RetrievalDataset, Split
from xmr.evaluation.evaluator import EvaluationResult
from xmr.reporting.panels import draw_panel, save_png
from xmr.reporting.views import QueryKind, RankedQuery, View, choose_queries, ranked_queries
from xmr.training.evaluation import Evaluation


@dataclass(frozen=True)
class PanelWriter:
    """Draws what a model retrieves on one split into `folder`; the same queries for every model and epoch."""

    dataset: RetrievalDataset
    split: Split
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
                f"{direction} · {self.dataset.name} · {self.split.name} · {kind} queries\n{_summary(result)}"
            )
            queries = self.ranked(evaluation, direction, kind)
            save_png(draw_panel(queries, gallery_size=result.gallery_size, title=title), path)
            paths[f"{direction}-{kind}"] = path
        return paths

    def ranked(self, evaluation: Evaluation, direction: str, kind: QueryKind) -> list[RankedQuery]:
        """The chosen queries of a direction with their results."""
        result = evaluation.results[direction]
        image_first = direction == "image_to_text"
        queries, gallery = (evaluation.image, evaluation.text)[:: 1 if image_first else -1]
        first_ranks = result.per_query["first_rank"]
        chosen = choose_queries(result.query_ids, first_ranks, count=self.queries, kind=kind)
        self.index.add(gallery)
        rankings = self.index.search(
            queries.take(_positions(queries, result.query_ids[chosen])), k=min(self.k, len(gallery))
        )
        views = (self._image_view(), self._text_view())[:: 1 if image_first else -1]
        return ranked_queries(
            rankings, first_ranks[chosen], query_view=views[0], gallery_view=views[1], k=self.k
        )

    def _image_view(self) -> Callable[[str], View]:
        position = {image_id: n for n, image_id in enumerate(self.split.image_ids)}

        def view(image_id: str) -> View:
            row = position[image_id]
            key, label = str(self.split.image_keys[row]), str(self.split.labels[row])
            # of a label with levels (animals-nature/animal-bug) there is room for the last alone
            return View(image=self.dataset.read_image(key), label=label.rpartition("/")[2])

        return view

    def _text_view(self) -> Callable[[str], View]:
        text = dict(zip(self.split.text_ids, self.split.texts, strict=True))
        return lambda text_id: View(text=text[text_id])


def _positions(embeddings: Embeddings, ids: np.ndarray) -> np.ndarray:
    position = {id_: n for n, id_ in enumerate(embeddings.ids)}
    return np.array([position[id_] for id_ in ids])


def _summary(result: EvaluationResult) -> str:
    recalls = [
        f"{name} {100 * value:.1f} %" for name, value in result.metrics.items() if name.startswith("recall@")
    ]
    return " · ".join([*recalls, f"median rank {result.metrics['median_rank']:g} of {result.gallery_size:,}"])
