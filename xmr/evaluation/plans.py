"""What an evaluation embeds and how it ranks: images and texts, images of classes, or composed queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import normalize

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.data.composed import ComposedSplit
from xmr.data.dataset import Split
from xmr.evaluation.evaluator import (
    EvaluationResult,
    evaluate,
    evaluate_both_directions,
    mean_of_results,
)
from xmr.evaluation.inputs import PerQuery
from xmr.evaluation.protocol import Protocol

Sides = Mapping[str, tuple[Embeddings, Embeddings]]
"""The queries and the gallery of each direction."""


@dataclass(frozen=True)
class Entries:
    """N inputs of one modality to embed, with the id (N,) and item id (N,) of each."""

    modality: Modality
    ids: np.ndarray
    item_ids: np.ndarray

    def embeddings(self, vectors: torch.Tensor, rows: np.ndarray) -> Embeddings:
        """Vectors (n, D) of the entries at `rows` (n,), with their ids."""
        return Embeddings(vectors, self.ids[rows], self.item_ids[rows], self.modality)


@dataclass(frozen=True)
class Plan:
    """All entries that an evaluation on `split` embeds, how they are ranked, and who searches whom.

    `rank` takes the embeddings of all entries, and whether several processes share the work; `sides` gives
    queries and gallery by direction.
    """

    split: str
    protocol: Protocol
    entries: tuple[Entries, ...]
    sides: Callable[[Sequence[Embeddings]], Sides]
    rank: Callable[[Sequence[Embeddings], bool], dict[str, EvaluationResult]]


def images(split: Split) -> Entries:
    """The images of a split."""
    return Entries(Modality.IMAGE, split.image_ids, split.image_item_ids)


def texts(split: Split) -> Entries:
    """The texts of a split."""
    return Entries(Modality.TEXT, split.text_ids, split.text_item_ids)


def image_text_plan(split: Split, protocol: Protocol) -> Plan:
    """Images find texts and texts find images, by one product."""

    def sides(embedded: Sequence[Embeddings]) -> Sides:
        image, text = embedded
        return {"image_to_text": (image, text), "text_to_image": (text, image)}

    def rank(embedded: Sequence[Embeddings], distributed: bool) -> dict[str, EvaluationResult]:
        image, text = embedded
        return evaluate_both_directions(image, text, protocol, distributed=distributed)

    return Plan(split.name, protocol, (images(split), texts(split)), sides, rank)


def class_name_plan(split: Split, protocol: Protocol) -> Plan:
    """Class names find images: a class is the mean of the embeddings of its prompts, as in CLIP.

    Radford et al. 2021, section 3.1.4. Every text of the split that has a class is a prompt of it.
    """

    def sides(embedded: Sequence[Embeddings]) -> Sides:
        image, text = embedded
        return {"text_to_image": (_class_embeddings(text), image)}

    def rank(embedded: Sequence[Embeddings], distributed: bool) -> dict[str, EvaluationResult]:
        queries, gallery = sides(embedded)["text_to_image"]
        return {"text_to_image": evaluate(queries, gallery, protocol, distributed=distributed)}

    return Plan(split.name, protocol, (images(split), texts(split)), sides, rank)


def image_image_plan(queries: Split, gallery: Split, protocol: Protocol) -> Plan:
    """Images of a split find images of their class in another; in the same one, others than themselves."""
    if queries.name == gallery.name:
        protocol = replace(protocol, exclude="self", gallery=gallery.name)

    def sides(embedded: Sequence[Embeddings]) -> Sides:
        return {"image_to_image": (embedded[0], embedded[1])}

    def rank(embedded: Sequence[Embeddings], distributed: bool) -> dict[str, EvaluationResult]:
        found, among = embedded
        return {"image_to_image": evaluate(found, among, protocol, distributed=distributed)}

    return Plan(queries.name, protocol, (images(queries), images(gallery)), sides, rank)


def composed_plan(split: ComposedSplit, protocol: Protocol) -> Plan:
    """Image + text finds the image that the text makes of the reference.

    Where the protocol has groups (FashionIQ's categories), each ranks its own images: those labelled so, and
    the references and targets of its queries. Metrics are means over the groups.
    """
    about = PerQuery(
        references=split.reference_ids.tolist() if protocol.exclude == "reference" else None,
        candidates=split.candidates if protocol.subset else None,
    )

    def sides(embedded: Sequence[Embeddings]) -> Sides:
        return {"composed_to_image": (embedded[0], embedded[1])}

    def rank(embedded: Sequence[Embeddings], distributed: bool) -> dict[str, EvaluationResult]:
        queries, gallery = embedded
        if protocol.groups:
            return {"composed_to_image": _by_group(split, queries, gallery, protocol, distributed)}
        return {
            "composed_to_image": evaluate(queries, gallery, protocol, about=about, distributed=distributed)
        }

    entries = (
        Entries(Modality.COMPOSED, split.query_ids, split.query_item_ids),
        Entries(Modality.IMAGE, split.gallery_ids, split.gallery_item_ids),
    )
    return Plan(split.name, protocol, entries, sides, rank)


def _by_group(
    split: ComposedSplit, queries: Embeddings, gallery: Embeddings, protocol: Protocol, distributed: bool
) -> EvaluationResult:
    """Each group's queries in the group's own gallery, and the mean over the groups."""
    if split.groups is None:
        raise DataError(
            f"protocol {protocol.name} is a mean over groups of queries, which split '{split.name}' of this "
            f"data set does not have; use protocol=composed"
        )
    own = replace(protocol, groups=False)
    results = {}
    for name in np.unique(split.groups).tolist():
        at = np.flatnonzero(split.groups == name)
        rows = np.array([name in label.split("|") for label in split.gallery_labels.tolist()])
        rows[split.reference_rows[at]] = rows[split.target_rows[at]] = True
        results[name] = evaluate(queries.take(at), gallery.take(rows), own, distributed=distributed)
    metrics = {name: result.metrics for name, result in results.items()}
    return replace(mean_of_results(list(results.values()), queries), protocol=protocol, groups=metrics)


def _class_embeddings(prompts: Embeddings) -> Embeddings:
    """The mean of the unit-norm embeddings of each class's prompts, at unit norm again."""
    names, rows = np.unique(prompts.item_ids, return_inverse=True)
    sums = torch.zeros(len(names), prompts.dim)
    sums.index_add_(0, torch.from_numpy(rows), normalize(prompts.vectors.float().cpu(), dim=1))
    return Embeddings(normalize(sums, dim=1), names, names, Modality.TEXT)
