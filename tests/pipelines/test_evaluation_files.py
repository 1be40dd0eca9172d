"""What a run leaves for boards and comparisons: that it is whole, and true to what was ranked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.pipelines.tiny_run import train_tiny_run
from xmr.core.types import Embeddings, Modality
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.evaluation.evaluator import evaluate
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import metric_values, read_queries, read_results
from xmr.pipelines.evaluation_files import intervals, query_results
from xmr.pipelines.tasks import ComposedQueries, Queries
from xmr.training.evaluation import Evaluation


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny_run(tmp_path_factory.mktemp("evaluation_files"))


def test_a_run_leaves_whole_results_and_its_protocol(run):
    results = read_results(run / "results.json")
    assert results["protocol"] == json.loads((run / "protocol.json").read_text())["protocol"]
    assert results["run"] == {"id": run.name, "name": "tiny"}
    assert set(results["cost"]["embed_seconds_per_item"]) == {"image", "text"}
    assert min(results["cost"]["embed_seconds_per_item"].values()) > 0
    assert results["cost"]["index_bytes"] == 8 * 16 * 4  # the larger gallery: 8 texts of 16 numbers
    assert not (run / "running.json").exists()


def test_each_metric_is_that_of_its_queries_and_lies_in_its_interval(run):
    results, queries = read_results(run / "results.json"), read_queries(run / "queries.parquet")
    for name, value in results["metrics"].items():
        of = metric_values(queries, name)
        own = np.mean(of.values) if of.statistic == "mean" else np.median(of.values)
        assert own == pytest.approx(value)
        low, high = results["intervals"][name]
        assert low <= value + 1e-12
        assert value <= high + 1e-12


def test_what_was_retrieved_agrees_with_the_ranks(run):
    queries = read_queries(run / "queries.parquet")
    for of in queries.values():
        item = {"image_to_text": lambda id_: id_.partition("#")[0], "text_to_image": str}[of.direction]
        for n, first_rank in enumerate(of.values["first_rank"].tolist()):
            relevant = [item(id_) == of.item_ids[n] for id_ in of.retrieved[n].tolist()]
            assert np.all(np.diff(of.scores[n]) <= 0)
            if first_rank.is_integer() and first_rank <= len(relevant):
                assert relevant.index(True) == first_rank - 1
    assert all(text and ("picture" in text or "[" in text) for text in queries["text_to_image"].texts)
    assert set(queries["image_to_text"].texts) == {None}
    assert all(queries["image_to_text"].labels)


def composed(tmp_path, **changes):
    items = tuple(Item(f"i{n}", f"{n}.png", (f"no {n}",), "val") for n in range(6))
    asked = tuple(
        ComposedQuery(f"q{n}", f"i{n}", f"{n}.png", "the next one", f"i{n + 1}", f"{n + 1}.png", "val")
        for n in range(5)
    )
    dataset = RetrievalDataset(
        name="toy", items=items, read_image=FolderImages(tmp_path), composed_queries=asked
    )
    return ComposedQueries(dataset), Protocol(
        name="composed", data="toy", split="val", gallery="images", exclude="reference", **changes
    )


def test_a_composed_query_never_retrieves_its_reference(tmp_path):
    task, protocol = composed(tmp_path)
    plan = task.plan("val", protocol)
    gallery_ids = plan.entries[1].ids
    vectors = torch.eye(len(gallery_ids))
    # each query is nearest to its reference
    rows = [gallery_ids.tolist().index(task.references("val")[id_]) for id_ in plan.entries[0].ids.tolist()]
    embedded = [
        plan.entries[0].embeddings(vectors[rows], np.arange(len(rows))),
        plan.entries[1].embeddings(vectors, np.arange(len(gallery_ids))),
    ]
    results = plan.rank(embedded, False)
    evaluation = Evaluation(plan.sides(embedded), results, {}, 0, 0)
    of = query_results(evaluation, "composed_to_image", task)
    references = task.references("val")
    assert of.retrieved.shape == (5, len(gallery_ids) - 1)
    for id_, found in zip(of.query_ids.tolist(), of.retrieved.tolist(), strict=True):
        assert references[id_] not in found
    assert of.texts == ("the next one",) * 5


def test_means_over_groups_of_queries_have_no_interval():
    ids = np.array(["a", "b", "c"])
    sides = Embeddings(torch.eye(3), ids, ids, Modality.IMAGE)
    result = evaluate(sides, sides)
    evaluation = Evaluation({"image_to_image": (sides, sides)}, {"image_to_image": result}, {}, 0, 0)
    of = query_results(evaluation, "image_to_image", Unlabelled())
    recall = {"image_to_image/recall@1": 1.0}
    assert intervals({"image_to_image": of}, recall) == {"image_to_image/recall@1": [1.0, 1.0]}
    assert not intervals({"image_to_image": of}, {"image_to_image/recall@1": 0.9})


class Unlabelled:
    def queries(self, split, direction):
        return Queries()
