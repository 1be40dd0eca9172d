"""Whether the figures of an evaluation are xmr's, as far as float32 scores can tell."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from xmr.core.types import Embeddings, Modality
from xmr.evaluation.audit import figure
from xmr.evaluation.evaluator import EvaluationResult
from xmr.evaluation.ranks import positive_ranks, positive_ranks_both
from xmr.evaluation.relevance import relevance_by_item_id
from xmr.metrics.positive_ranks import PositiveRanks
from xmr.pipelines.bench.workload import Figures, Workload

ROUNDING = 1e-6
SWAPPED_QUERIES = 2
"""Scores that differ by less than float32 rounds off may be ranked either way: so many queries may change."""
RANK_ROUNDING = 1e-3
"""The same for mean and median ranks, as a share of them: deep down the ranking, near-ties are many."""


def as_embeddings(work: Workload) -> tuple[Embeddings, Embeddings]:
    """The images and the texts of a workload as xmr takes them."""

    def side(vectors: Tensor, item: np.ndarray, modality: Modality) -> Embeddings:
        ids = np.char.add(modality[0], np.arange(len(item)).astype(str))
        return Embeddings(vectors, ids, item.astype(str), modality)

    image = side(work.image, work.image_item, Modality.IMAGE)
    return image, side(work.text, work.text_item, Modality.TEXT)


def ranks_by_direction(work: Workload) -> dict[str, PositiveRanks]:
    """The ranks that xmr finds, from which its value of a peer's figure follows."""
    image, text = as_embeddings(work)
    there, back = relevance_by_item_id(image, text), relevance_by_item_id(text, image)
    if not work.both:
        return {"image_to_text": positive_ranks(image.vectors, text.vectors, there)}
    ranks = positive_ranks_both(image.vectors, text.vectors, (there, back))
    return dict(zip(("image_to_text", "text_to_image"), ranks, strict=True))


def figures_of(results: Mapping[str, EvaluationResult]) -> Figures:
    """The metrics of xmr's results by direction, under the names of the functions that they are means of."""
    return {
        f"{direction}/{_function_name(name)}": value
        for direction, result in results.items()
        for name, value in result.metrics.items()
    }


def expected_figures(ranks: Mapping[str, PositiveRanks], names: Figures) -> Figures:
    """The value that xmr has for each figure in `names`, such as `image_to_text/recall_at_5`."""
    split = {name: name.split("/") for name in names}
    return {name: figure(ranks[direction], measure) for name, (direction, measure) in split.items()}


def disagreements(figures: Figures, expected: Figures, work: Workload, *, exact: bool = False) -> list[str]:
    """A line for each figure that differs from the expected one.

    Unless `exact`, differences that the rounding of scores explains do not count.
    """
    lines = []
    for name, value in figures.items():
        queries = len(work.image if name.startswith("image") else work.text)
        is_rank = name.split("/")[1].startswith(("mean_rank", "median_rank"))
        share = RANK_ROUNDING * expected[name] if is_rank else SWAPPED_QUERIES / queries
        if not abs(value - expected[name]) <= ROUNDING + (0 if exact else share):
            lines.append(f"{name} is {value:.6f}, xmr's {expected[name]:.6f}")
    return lines


def _function_name(metric: str) -> str:
    """`mAP@5` -> `average_precision_at_5`."""
    if metric == "mAP@R":
        return "map_at_r"
    name, _, k = metric.partition("@")
    renamed = {"mAP": "average_precision", "mrr": "reciprocal_rank", "R_precision": "r_precision"}
    return renamed.get(name, name) + (f"_at_{k}" if k else "")
