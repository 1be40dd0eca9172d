"""What a model embedded, as the explorer's rows: each task's queries, galleries, pictures and texts."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tests.pipelines.test_tasks import labelled
from xmr.core.types import Modality
from xmr.data.composed import composed_split
from xmr.data.shapes import load_shapes
from xmr.models.composed_encoder import ComposedEncoder
from xmr.models.dual_encoder import DualEncoder
from xmr.models.single_encoder import SingleEncoder
from xmr.pipelines.explore.rows import directions_of, rows_of
from xmr.pipelines.tasks import protocol_for, task_of

IMAGE, TEXT, COMPOSED = Modality.IMAGE, Modality.TEXT, Modality.COMPOSED


def made(model, dataset, *, split="val", protocol=None):
    """Plan, what was embedded, rows, searched positions and directions."""
    task = task_of(model.SIDES, dataset)
    plan = task.plan(split, protocol_for(task, dataset, split, name=protocol))
    found = []
    for of in plan.entries:
        # entries of equal ids, as of train in train, have equal vectors
        vectors = torch.randn(len(of.ids), 4, generator=torch.Generator().manual_seed(len(of.ids)))
        found.append(of.embeddings(normalize(vectors, dim=1), np.arange(len(of.ids))))
    rows, searched = rows_of(task, plan, found)
    return plan, found, rows, searched, directions_of(task, plan, found, rows)


def same_vectors(plan, found, rows, directions):
    """Each direction's queries have the vectors and item ids of the plan's own."""
    for name, (queries, _) in plan.sides(found).items():
        of = directions[name]
        assert torch.equal(rows[of.queries].embeddings.vectors[of.rows], queries.vectors)
        assert rows[of.queries].embeddings.item_ids[of.rows].tolist() == queries.item_ids.tolist()


def test_images_and_texts_know_each_other():
    dataset = load_shapes(size=40)
    plan, found, rows, searched, directions = made(DualEncoder, dataset)
    items = {item.item_id: item for item in dataset.items}
    assert set(directions) == {"image_to_text", "text_to_image"}
    same_vectors(plan, found, rows, directions)
    for row, id_ in enumerate(rows[IMAGE].embeddings.ids.tolist()):
        assert rows[IMAGE].keys[row] == items[id_].image
        assert rows[IMAGE].texts[row] == items[id_].texts[0]
        assert rows[IMAGE].pictures[row] == id_
    for row, item in enumerate(rows[TEXT].embeddings.item_ids.tolist()):
        assert rows[TEXT].texts[row] in items[item].texts
        assert rows[TEXT].pictures[row] == item
    assert len(searched[IMAGE]) == len(rows[IMAGE])
    assert len(searched[TEXT]) == len(rows[TEXT])


@pytest.mark.parametrize("split", ["val", "train"])
def test_images_of_classes_search_the_training_images(split):
    dataset = labelled(load_shapes(size=40))
    plan, found, rows, searched, directions = made(SingleEncoder, dataset, split=split)
    same_vectors(plan, found, rows, directions)
    training = [item.item_id for item in dataset.items if item.split == "train"]
    assert rows[IMAGE].embeddings.ids[searched[IMAGE]].tolist() == training
    assert torch.equal(rows[IMAGE].embeddings.vectors[searched[IMAGE]], found[1].vectors)
    assert directions["image_to_image"].protocol.exclude == ("self" if split == "train" else "nothing")


def test_class_names_are_queries_but_are_not_searched():
    dataset = labelled(load_shapes(size=40))
    plan, found, rows, searched, directions = made(DualEncoder, dataset, protocol="class_precision_at_100")
    same_vectors(plan, found, rows, directions)
    asked = directions["text_to_image"]
    names = rows[TEXT].embeddings.ids[asked.rows].tolist()
    assert sorted(names) == sorted({item.label for item in dataset.items if item.split == "val"})
    assert not set(asked.rows.tolist()) & set(searched[TEXT].tolist())
    assert all(picture == "" for picture in rows[TEXT].pictures)


def test_composed_queries_show_their_reference_and_leave_it_out():
    dataset = load_shapes(size=40)
    plan, found, rows, searched, directions = made(ComposedEncoder, dataset)
    same_vectors(plan, found, rows, directions)
    split = composed_split(dataset, "val")
    assert rows[COMPOSED].pictures.tolist() == split.reference_ids.tolist()
    assert rows[COMPOSED].texts.tolist() == list(split.texts)
    assert directions["composed_to_image"].references.tolist() == split.reference_ids.tolist()
    assert set(searched) == {IMAGE}
    assert rows[IMAGE].keys.tolist() == split.gallery_keys.tolist()
