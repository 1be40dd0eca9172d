"""Plans: what is embedded, who searches whom, and that the ranks are those of the protocol."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.data.composed import composed_split
from xmr.data.dataset import Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.shapes import load_shapes
from xmr.evaluation.evaluator import evaluate
from xmr.evaluation.inputs import PerQuery
from xmr.evaluation.plans import class_name_plan, composed_plan, image_image_plan, image_text_plan
from xmr.evaluation.protocols import READY


def embedded(plan, dim=8, seed=0):
    """Random embeddings of all that a plan embeds."""
    generator = torch.Generator().manual_seed(seed)
    return [
        entries.embeddings(
            normalize(torch.randn(len(entries.ids), dim, generator=generator), dim=1),
            np.arange(len(entries.ids)),
        )
        for entries in plan.entries
    ]


def classes(tmp_path, *, prompts=2) -> RetrievalDataset:
    """3 classes with 4 training and 2 test images each, described by several prompts."""
    items = [
        Item(
            f"{split}/{label}/{n}",
            f"{label}{n}.png",
            tuple(f"{p} {label}" for p in range(prompts)),
            split,
            label,
        )
        for split, count in (("train", 4), ("val", 1), ("test", 2))
        for label in ("cat", "dog", "owl")
        for n in range(count)
    ]
    return RetrievalDataset("classes", tuple(items), FolderImages(tmp_path), relevance="label")


def test_images_and_texts_find_each_other():
    split = load_shapes(size=30).split("val")
    plan = image_text_plan(split, READY["standard"])
    both = embedded(plan)
    results = plan.rank(both, False)
    assert list(plan.sides(both)) == list(results) == ["image_to_text", "text_to_image"]
    for direction, (queries, gallery) in plan.sides(both).items():
        alone = evaluate(queries, gallery, READY["standard"])
        assert results[direction].metrics == pytest.approx(alone.metrics)


def test_images_of_a_split_find_training_images_of_their_class(tmp_path):
    data = classes(tmp_path)
    plan = image_image_plan(data.split("test"), data.split("train"), READY["scenes"])
    assert [len(entries.ids) for entries in plan.entries] == [6, 12]
    queries, gallery = embedded(plan)
    # a gallery where each image stands at its class's corner, and queries beside those
    corner = {"cat": 0, "dog": 1, "owl": 2}
    gallery = replace(gallery, vectors=torch.eye(8)[[corner[c] for c in gallery.item_ids]])
    queries = replace(queries, vectors=torch.eye(8)[[corner[c] for c in queries.item_ids]] + 0.1)
    found = plan.rank([queries, gallery], False)["image_to_image"]
    assert found.metrics["mAP"] == 1
    assert found.gallery_size == 12


def test_a_class_is_the_mean_of_its_prompts(tmp_path):
    data = classes(tmp_path)
    protocol = replace(READY["class_precision_at_100"], ks=(1, 4))
    plan = class_name_plan(data.split("train"), protocol)
    images, texts = embedded(plan)
    queries, gallery = plan.sides([images, texts])["text_to_image"]
    assert queries.ids.tolist() == ["cat", "dog", "owl"]
    assert gallery is images
    for row, label in enumerate(queries.ids):
        mean = sum(v / v.norm() for v in texts.vectors[torch.from_numpy(texts.item_ids == label)].double())
        torch.testing.assert_close(queries.vectors[row].double(), mean / mean.norm(), atol=1e-6, rtol=0)
    found = plan.rank([images, texts], False)["text_to_image"]
    scores = queries.vectors @ images.vectors.T
    top = scores.topk(4).indices.numpy()
    expected = np.mean(images.item_ids[top] == queries.item_ids[:, None])
    assert found.metrics["precision@4"] == pytest.approx(expected)


def test_composed_queries_do_not_find_their_reference():
    split = composed_split(load_shapes(size=60), "val")
    plan = composed_plan(split, READY["composed"])
    queries, gallery = embedded(plan)
    # a model that answers each query with its reference, and with nothing of the target
    queries = replace(queries, vectors=gallery.vectors[torch.from_numpy(split.reference_rows)])
    found = plan.rank([queries, gallery], False)["composed_to_image"]
    alone = evaluate(
        queries, gallery, READY["composed"], about=PerQuery(references=split.reference_ids.tolist())
    )
    assert found.metrics == alone.metrics
    kept = Embeddings(queries.vectors, queries.ids, split.reference_ids, Modality.COMPOSED)
    with_reference = evaluate(kept, gallery, replace(READY["composed"], exclude="nothing"))
    assert with_reference.metrics["recall@1"] == 1  # the reference itself would come first


def test_each_group_of_queries_searches_its_own_gallery():
    split = composed_split(load_shapes(size=60), "val")
    groups = np.array(["dress", "shirt"])[np.arange(len(split.query_ids)) % 2]
    labels = np.array(["dress", "shirt", "toptee"])[np.arange(len(split.gallery_ids)) % 3]
    split = replace(split, groups=groups, gallery_labels=labels)
    plan = composed_plan(split, READY["fashioniq"])
    queries, gallery = embedded(plan)
    found = plan.rank([queries, gallery], False)["composed_to_image"]
    of_groups = []
    for name in ("dress", "shirt"):
        hits = []
        own = np.flatnonzero(groups == name)
        among = (
            set(np.flatnonzero(labels == name)) | set(split.target_rows[own]) | set(split.reference_rows[own])
        )
        rows = np.array(sorted(among))
        for q in own:
            order = rows[np.argsort(-(gallery.vectors[rows] @ queries.vectors[q]).numpy())]
            hits.append(split.target_rows[q] in order[:10])
        of_groups.append(np.mean(hits))
        assert found.groups[name]["recall@10"] == pytest.approx(np.mean(hits))
    assert found.metrics["recall@10"] == pytest.approx(np.mean(of_groups))
    assert len(found.query_ids) == len(queries)
    with pytest.raises(DataError, match="use protocol=composed"):
        composed_plan(replace(split, groups=None), READY["fashioniq"]).rank([queries, gallery], False)


def test_candidates_reach_the_evaluator():
    split = composed_split(load_shapes(size=60), "val")
    ids = split.gallery_ids.tolist()
    candidates = tuple(
        (str(t), *[i for i in ids if i not in (t, r)][:4])
        for t, r in zip(split.target_ids, split.reference_ids, strict=True)
    )
    split = replace(split, candidates=candidates)
    plan = composed_plan(split, READY["cirr"])
    found = plan.rank(embedded(plan), False)["composed_to_image"]
    assert 0 <= found.metrics["recall_subset@1"] <= found.metrics["recall_subset@3"] <= 1
