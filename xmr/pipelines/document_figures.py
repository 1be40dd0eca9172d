"""The figures that source documents give under definitions of their own, beside the standard ones."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from xmr.core.errors import XmrError
from xmr.core.types import Modality
from xmr.data.sources import Source
from xmr.evaluation.audit import figure
from xmr.evaluation.cluster_svm import WARNING, cluster_svm_accuracy
from xmr.evaluation.neighbours import knn_accuracy
from xmr.metrics.recall import recall_at_k
from xmr.metrics.variants import macro_average
from xmr.pipelines.build import Components
from xmr.pipelines.features import to_device
from xmr.pipelines.tasks import ComposedQueries
from xmr.training.evaluation import Evaluation

SCENES_KS = (1, 5)
SHOWN_WARNINGS = 2


@dataclass(frozen=True)
class DocumentFigures:
    """Figures in [0, 1] by name, and what must be said beside them."""

    figures: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As stored in results.json."""
        return {"figures": self.figures, "notes": list(self.notes)}


def document_figures(components: Components, evaluation: Evaluation) -> DocumentFigures:
    """What seed 003 says of images of classes, and seed 002 of composed queries; nothing of other tasks."""
    if "image_to_image" in evaluation.results:
        return _scenes(evaluation)
    if "composed_to_image" in evaluation.results:
        return _composed(components, evaluation)
    return DocumentFigures()


def _scenes(evaluation: Evaluation) -> DocumentFigures:
    result = evaluation.results["image_to_image"]
    queries, _ = evaluation.sides["image_to_image"]
    label = dict(zip(queries.ids.tolist(), queries.item_ids.tolist(), strict=True))
    labels = np.array([label[id_] for id_ in result.query_ids.tolist()])
    figures = {}
    if result.ranks is not None:
        for k in SCENES_KS:
            figures[f"prec@{k} (hit@{k}, macro-averaged)"] = macro_average(
                recall_at_k(result.ranks, k), labels
            )
            figures[f"map@{k} (as in the code: mrr@{k})"] = figure(result.ranks, f"reciprocal_rank_at_{k}")
            figures[f"map@{k} (as written: mean of P@i)"] = figure(
                result.ranks, f"seed_average_precision_at_{k}"
            )
    return DocumentFigures(figures)


def _composed(components: Components, evaluation: Evaluation) -> DocumentFigures:
    queries, gallery = evaluation.sides["composed_to_image"]
    result = evaluation.results["composed_to_image"]
    task = components.task
    named = task.references(result.protocol.split) if isinstance(task, ComposedQueries) else {}
    neighbours = knn_accuracy(
        queries, gallery, ks=result.protocol.ks, references=[named[id_] for id_ in queries.ids.tolist()]
    )
    figures = {f"KNN hit@{k}, Euclidean": value for k, value in neighbours.accuracy.items()}
    train = _embed_queries(components)
    try:
        svm = cluster_svm_accuracy(train, queries.vectors, seed=components.config.seed)
    except XmrError as error:
        return DocumentFigures(figures, (f"no SVM accuracy: {error}",))
    figures |= {
        "SVM accuracy on 15 k-means clusters": svm.mean,
        "SVM accuracy, deviation of 10 repeats": svm.deviation,
        "SVM accuracy, the largest cluster alone": svm.chance,
    }
    more = len(svm.warnings) - SHOWN_WARNINGS
    left = (f"and {more} more such warnings",) if more > 0 else ()
    return DocumentFigures(figures, (WARNING, *svm.warnings[:SHOWN_WARNINGS], *left))


def _embed_queries(components: Components) -> torch.Tensor:
    """The embeddings (Q, D) of the training split's composed queries."""
    sources: list[tuple[Modality, Source]] = components.task.sources("train", components.maker)
    modality, source = sources[0]
    module, size = components.module.eval(), components.config.eval_batch_size
    chunks = np.split(np.arange(len(source)), range(size, len(source), size))
    with torch.inference_mode():
        rows = [module.embed(modality, to_device(source.fetch(at), module.device)) for at in chunks]
    return torch.cat(rows).cpu()
