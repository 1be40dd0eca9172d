"""What a run's model embedded of a split, as the rows and the evaluations of the explorer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from xmr.core.types import Embeddings, Modality
from xmr.data.composed import ComposedSplit, composed_split
from xmr.data.dataset import RetrievalDataset
from xmr.evaluation.plans import Plan
from xmr.explorer.content import Direction, Rows
from xmr.pipelines.embed import Part, part_of
from xmr.pipelines.explore.about import captions, objects
from xmr.pipelines.tasks import Task


def rows_of(
    task: Task, plan: Plan, found: Sequence[Embeddings]
) -> tuple[dict[Modality, Rows], dict[Modality, np.ndarray]]:
    """All that was embedded by modality, and which of it is searched."""
    dataset = task.dataset
    if task.name == "composed":
        split = composed_split(dataset, plan.split)
        image = _composed_images(split, found[1])
        composed = Rows(found[0], _empty(found[0]), objects(split.texts), objects(split.reference_ids))
        return {Modality.COMPOSED: composed, Modality.IMAGE: image}, {Modality.IMAGE: np.arange(len(image))}
    parts = [part_of(dataset, dataset.split(plan.split), Modality.IMAGE)]
    if task.name == "image_image":
        images = _part_rows(dataset, parts[0], found[0].vectors)
        others = _part_rows(
            dataset, part_of(dataset, dataset.split("train"), Modality.IMAGE), found[1].vectors
        )
        if plan.split == "train":
            return {Modality.IMAGE: others}, {Modality.IMAGE: np.arange(len(others))}
        both = _joined(images, others)
        return {Modality.IMAGE: both}, {Modality.IMAGE: np.arange(len(images), len(both))}
    parts.append(part_of(dataset, dataset.split(plan.split), Modality.TEXT))
    image, text = (_part_rows(dataset, part, of.vectors) for part, of in zip(parts, found, strict=True))
    searched = {Modality.IMAGE: np.arange(len(image)), Modality.TEXT: np.arange(len(text))}
    if plan.protocol.prompts:
        classes = plan.sides(found)["text_to_image"][0]
        text = _joined(text, Rows(classes, objects(classes.ids), objects(classes.ids), _empty(classes)))
    return {Modality.IMAGE: image, Modality.TEXT: text}, searched


def directions_of(
    task: Task, plan: Plan, found: Sequence[Embeddings], rows: Mapping[Modality, Rows]
) -> dict[str, Direction]:
    """The plan's evaluations, each in one fold and without groups."""
    protocol = replace(plan.protocol, folds=1, groups=False, subset=False, images=0)
    directions = {}
    for name, (queries, gallery) in plan.sides(found).items():
        at = rows[queries.modality].positions
        # texts of classes bear the split's name in front
        ids = [id_ if id_ in at else f"{plan.split}/{id_}" for id_ in queries.ids.astype(str)]
        references = None
        if protocol.exclude == "reference":
            references = composed_split(task.dataset, plan.split).reference_ids
        directions[name] = Direction(
            queries.modality, np.array([at[id_] for id_ in ids]), gallery.modality, protocol, references
        )
    return directions


def _part_rows(dataset: RetrievalDataset, part: Part, vectors: torch.Tensor) -> Rows:
    """The rows of a part of a data set, with its vectors (N, D)."""
    embeddings = Embeddings(vectors, part.ids, part.item_ids, part.modality)
    about = part.metadata
    texts = captions(about["caption"])
    if part.modality is Modality.IMAGE:
        return Rows(embeddings, about["label"], texts, objects(part.ids), about["image_path"])
    pictures = objects(part.item_ids) if dataset.relevance == "item" else _empty(embeddings)
    return Rows(embeddings, about["label"], texts, pictures)


def _composed_images(split: ComposedSplit, found: Embeddings) -> Rows:
    none = np.full(len(found), None, object)
    ids, keys = objects(split.gallery_ids), objects(split.gallery_keys)
    return Rows(found, objects(split.gallery_labels), none, ids, keys)


def _joined(one: Rows, other: Rows) -> Rows:
    first, second = one.embeddings, other.embeddings
    keys = None
    if one.keys is not None and other.keys is not None:
        keys = np.concatenate([one.keys, other.keys])
    return Rows(
        Embeddings(
            torch.cat([first.vectors, second.vectors]),
            np.concatenate([first.ids, second.ids]),
            np.concatenate([first.item_ids, second.item_ids]),
            first.modality,
        ),
        np.concatenate([one.labels, other.labels]),
        np.concatenate([one.texts, other.texts]),
        np.concatenate([one.pictures, other.pictures]),
        keys,
    )


def _empty(embeddings: Embeddings) -> np.ndarray:
    return np.full(len(embeddings), "", object)
