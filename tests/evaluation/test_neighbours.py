import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.evaluator import evaluate
from xmr.evaluation.neighbours import knn_accuracy
from xmr.evaluation.protocol import Protocol


def embeddings(vectors, items, modality=Modality.IMAGE):
    ids = np.array([f"{modality}-{n}" for n in range(len(items))])
    return Embeddings(vectors, ids, np.array(items).astype(str), modality)


def case(seed, size=30, dim=4):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(size + 12, dim, generator=generator)
    items = torch.randint(0, 6, (size + 12,), generator=generator).tolist()
    queries = embeddings(vectors[size:], items[size:], Modality.COMPOSED)
    return queries, embeddings(vectors[:size], items[:size])


def loop_accuracy(queries, gallery, k, references):
    """Sort by Euclidean distance in float64, take the reference out, look for a target."""
    hits = []
    for q, vector in enumerate(queries.vectors.double()):
        distance = [float(((vector - other) ** 2).sum() ** 0.5) for other in gallery.vectors.double()]
        order = [g for g in np.argsort(distance) if references is None or gallery.ids[g] != references[q]]
        if not any(gallery.item_ids[g] == queries.item_ids[q] for g in order):
            continue
        hits.append(any(gallery.item_ids[g] == queries.item_ids[q] for g in order[:k]))
    return sum(hits) / len(hits)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("with_reference", [True, False])
def test_accuracy_is_that_of_sorted_distances(seed, with_reference):
    queries, gallery = case(seed)
    references = None
    if with_reference:  # the nearest of all, which takes a place that is missed
        nearest = torch.cdist(queries.vectors, gallery.vectors).argmin(1)
        references = gallery.ids[nearest.numpy()].tolist()
    found = knn_accuracy(queries, gallery, ks=(1, 3, 10), references=references)
    for k, accuracy in found.accuracy.items():
        assert accuracy == pytest.approx(loop_accuracy(queries, gallery, k, references))
    assert list(found.accuracy) == list(found.chance) == [1, 3, 10]


def test_lengths_count_where_cosines_ignore_them():
    gallery = embeddings(torch.tensor([[10.0, 0.0], [1.0, 0.2]]), ["target", "other"])
    queries = embeddings(torch.tensor([[1.0, 0.0]]), ["target"], Modality.COMPOSED)
    assert evaluate(queries, gallery, Protocol(ks=(1,))).metrics["recall@1"] == 1
    assert knn_accuracy(queries, gallery, ks=(1,)).accuracy == {1: 0}


def test_of_unit_vectors_it_is_hit_at_k():
    queries, gallery = case(5, size=100)
    queries, gallery = (
        Embeddings(normalize(side.vectors, dim=1), side.ids, side.item_ids, side.modality)
        for side in (queries, gallery)
    )
    cosine = evaluate(queries, gallery, Protocol(ks=(1, 5))).metrics
    assert knn_accuracy(queries, gallery, ks=(1, 5)).accuracy == pytest.approx(
        {1: cosine["recall@1"], 5: cosine["recall@5"]}
    )


def test_a_collapsed_model_scores_chance():
    gallery = embeddings(torch.ones(20, 3), [str(n) for n in range(20)])
    queries = embeddings(torch.ones(5, 3), [str(n) for n in range(5)], Modality.COMPOSED)
    found = knn_accuracy(queries, gallery, ks=(1, 5))
    assert found.accuracy == pytest.approx({1: 1 / 20, 5: 5 / 20})
    assert found.chance == pytest.approx(found.accuracy)


def test_queries_without_a_target_are_counted():
    gallery = embeddings(torch.eye(3), ["a", "b", "c"])
    queries = embeddings(torch.eye(3)[:2], ["a", "nowhere"], Modality.COMPOSED)
    found = knn_accuracy(queries, gallery, ks=(1,))
    assert (found.accuracy[1], found.queries, found.left_out) == (1.0, 1, 1)


def test_unknown_references_are_named():
    gallery = embeddings(torch.eye(3), ["a", "b", "c"])
    queries = embeddings(torch.eye(3)[:1], ["a"], Modality.COMPOSED)
    with pytest.raises(DataError, match="gone"):
        knn_accuracy(queries, gallery, references=["gone"])
