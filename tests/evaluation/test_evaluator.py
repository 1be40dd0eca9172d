from dataclasses import replace
from fractions import Fraction
from itertools import groupby, permutations, product
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.evaluator import evaluate, evaluate_both_directions, flat_metrics
from xmr.evaluation.protocol import Protocol

PER_QUERY = ("recall@1", "recall@5", "recall@10", "average_precision", "first_rank")


def embeddings(vectors, items, modality=Modality.IMAGE, prefix=None):
    ids = np.array([f"{prefix or modality[0]}{n}" for n in range(len(items))])
    return Embeddings(
        torch.as_tensor(vectors, dtype=torch.float32), ids, np.array(items).astype(str), modality
    )


def random_embeddings(seed, n_images=9, n_texts=23, dim=6, n_items=9):
    """Tie-free, many-to-many: each image and text shows one of `n_items` items, some none of the others'."""
    rng = np.random.default_rng(seed)
    image = embeddings(
        normalize(torch.from_numpy(rng.normal(size=(n_images, dim)))), rng.integers(0, n_items, n_images)
    )
    text = embeddings(
        normalize(torch.from_numpy(rng.normal(size=(n_texts, dim)))),
        rng.integers(0, n_items, n_texts),
        Modality.TEXT,
    )
    return image, text


def loop_metrics(order):
    """The metrics of one ranking, a list of relevance, best first."""
    hits, total = 0, 0.0
    for rank, is_relevant in enumerate(order, 1):
        if is_relevant:
            hits += 1
            total += hits / rank
    recalls = {f"recall@{k}": float(any(order[:k])) for k in (1, 5, 10)}
    return {**recalls, "average_precision": total / hits, "first_rank": order.index(True) + 1}


def by_query(result):
    return {
        id_: {name: result.per_query[name][n] for name in PER_QUERY} for n, id_ in enumerate(result.query_ids)
    }


def assert_same(result, other, tolerance=1e-9):
    for found in ("metrics", "chance"):
        assert getattr(result, found) == pytest.approx(getattr(other, found), abs=tolerance)
    for rule in ("optimistic", "pessimistic"):
        assert result.ties[rule] == pytest.approx(other.ties[rule], abs=tolerance)
    queries, others = by_query(result), by_query(other)
    assert queries.keys() == others.keys()
    for id_, values in queries.items():
        assert values == pytest.approx(others[id_], abs=tolerance)
    assert set(result.excluded_queries) == set(other.excluded_queries)


@pytest.mark.parametrize("seed", range(10))
def test_without_ties_each_query_scores_what_sorting_says(seed):
    image, text = random_embeddings(seed)
    expected = {}
    for id_, item, query in zip(image.ids, image.item_ids, image.vectors.double(), strict=True):
        scores = [float(sum(query * gallery)) for gallery in text.vectors.double()]
        order = [bool(text.item_ids[g] == item) for g in sorted(range(len(scores)), key=lambda g: -scores[g])]
        if any(order):
            expected[id_] = loop_metrics(order)
    result = evaluate(image, text)
    found = by_query(result)
    assert found.keys() == expected.keys()
    for id_, values in expected.items():
        assert found[id_] == pytest.approx(values, abs=1e-12)
    assert result.metrics["mAP"] == pytest.approx(
        np.mean([v["average_precision"] for v in expected.values()])
    )
    assert result.metrics["median_rank"] == np.median([v["first_rank"] for v in expected.values()])
    assert result.metrics["mean_rank"] == pytest.approx(np.mean([v["first_rank"] for v in expected.values()]))
    assert result.ties["optimistic"] == result.ties["pessimistic"] == result.metrics


# --- ties ---------------------------------------------------------------------------------------------------


@st.composite
def integer_case(draw, max_gallery=6):
    """Small whole-number vectors, not zero: their cosines compare exactly, and often tie."""
    dim = draw(st.integers(1, 4))
    vector = st.lists(st.integers(-2, 2), min_size=dim, max_size=dim).filter(any)
    queries = draw(st.lists(st.tuples(vector, st.integers(0, 2)), min_size=1, max_size=4))
    gallery = draw(st.lists(st.tuples(vector, st.integers(0, 2)), min_size=1, max_size=max_gallery))
    gallery[0] = (gallery[0][0], queries[0][1])
    return queries, gallery


def as_embeddings(rows, modality, order=None):
    whole = embeddings([vector for vector, _ in rows], [item for _, item in rows], modality)
    return whole if order is None else whole.take(np.array(order))


def exact_orders(query, item, gallery):
    """Every ranking of the gallery that exact cosines allow, as lists of relevance."""

    def squared_cosine(vector):
        dot = sum(a * b for a, b in zip(query, vector, strict=True))
        return Fraction(dot * abs(dot), sum(b * b for b in vector))

    scored = sorted(((squared_cosine(v), other == item) for v, other in gallery), key=lambda pair: -pair[0])
    blocks = [[r for _, r in block] for _, block in groupby(scored, key=lambda pair: pair[0])]
    return [[r for b in orders for r in b] for orders in product(*(permutations(b) for b in blocks))]


@settings(max_examples=60, deadline=None)
@given(integer_case())
def test_tied_queries_score_the_mean_over_all_orders(case):
    queries, gallery = case
    result = evaluate(as_embeddings(queries, Modality.IMAGE), as_embeddings(gallery, Modality.TEXT))
    found = by_query(result)
    for n, (query, item) in enumerate(queries):
        orders = exact_orders(query, item, gallery)
        if not any(orders[0]):
            assert f"i{n}" in result.excluded_queries
            continue
        each = [loop_metrics(order) for order in orders]
        for name in PER_QUERY:
            mean = np.mean([metrics[name] for metrics in each])
            assert found[f"i{n}"][name] == pytest.approx(mean, abs=1e-12), name


@settings(max_examples=60, deadline=None)
@given(integer_case(max_gallery=30))
def test_breaking_ties_for_the_model_never_hurts_and_against_it_never_helps(case):
    result = evaluate(as_embeddings(case[0], Modality.IMAGE), as_embeddings(case[1], Modality.TEXT))
    best, worst = result.ties["optimistic"], result.ties["pessimistic"]
    for name, value in result.metrics.items():
        low, high = (best, worst) if name.endswith("rank") else (worst, best)
        assert low[name] - 1e-12 <= value <= high[name] + 1e-12, name


@settings(max_examples=60, deadline=None)
@given(integer_case(max_gallery=30), st.data())
def test_the_order_of_queries_and_gallery_does_not_matter(case, data):
    queries, gallery = case
    permuted = [data.draw(st.permutations(range(len(rows)))) for rows in case]
    assert_same(
        evaluate(as_embeddings(queries, Modality.IMAGE), as_embeddings(gallery, Modality.TEXT)),
        evaluate(
            as_embeddings(queries, Modality.IMAGE, permuted[0]),
            as_embeddings(gallery, Modality.TEXT, permuted[1]),
        ),
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("codes", [True, False])
def test_the_order_does_not_matter_for_unit_vectors_either(seed, codes):
    """+-1 codes scaled to unit norm: many cosines are equal, none of them exactly so in float32."""
    rng = np.random.default_rng(seed)
    image, text = random_embeddings(seed, n_images=37, n_texts=61, dim=31)
    if codes:
        image, text = (
            Embeddings(normalize(e.vectors.sign()), e.ids, e.item_ids, e.modality) for e in (image, text)
        )
    shuffled = [e.take(rng.permutation(len(e))) for e in (image, text)]
    assert_same(evaluate(image, text), evaluate(*shuffled))


@pytest.mark.parametrize("dim", [1, 2, 512])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_model_that_says_the_same_of_everything_scores_chance(dim, size):
    point = normalize(torch.randn(1, dim, generator=torch.Generator().manual_seed(size)), dim=1)
    items = np.arange(size)
    result = evaluate(
        embeddings(point.repeat(size, 1), items), embeddings(point.repeat(size, 1), items, Modality.TEXT)
    )
    for k in (1, 5, 10):
        assert result.metrics[f"recall@{k}"] == pytest.approx(min(k / size, 1), abs=1e-14)
        assert result.ties["optimistic"][f"recall@{k}"] == 1
        assert result.ties["pessimistic"][f"recall@{k}"] == float(k >= size)
    assert result.metrics["median_rank"] == result.metrics["mean_rank"] == (size + 1) / 2
    assert result.metrics["mAP"] == pytest.approx(np.mean(1 / np.arange(1, size + 1)))
    assert result.metrics == result.chance


def test_chance_with_several_relevant_entries_a_query():
    items = np.repeat(np.arange(20), 5)
    image, text = random_embeddings(0, n_images=20, n_texts=100)
    result = evaluate(
        embeddings(image.vectors, np.arange(20)), embeddings(text.vectors, items, Modality.TEXT)
    )
    for k in (1, 5, 10):
        assert result.chance[f"recall@{k}"] == pytest.approx(1 - comb(95, k) / comb(100, k), abs=1e-14)
    assert result.chance["median_rank"] == pytest.approx(101 / 6)


# --- other libraries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_hit_rate_and_map_agree_with_torchmetrics_and_scikit_learn(seed):
    # here, as they take longer to import than all other tests of this file to run
    from sklearn.metrics import average_precision_score
    from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP

    image, text = random_embeddings(seed, n_images=30, n_texts=80, n_items=12)
    result = evaluate(image, text)
    # torchmetrics takes scores of 0 and below for "not retrieved"
    scores = (image.vectors.double() @ text.vectors.double().T + 1) / 2
    target = torch.from_numpy(image.item_ids[:, None] == text.item_ids)
    scored = target.any(dim=1)
    assert result.query_ids.tolist() == image.ids[scored.numpy()].tolist()
    scores, target = scores[scored], target[scored]
    indexes = torch.arange(len(scores))[:, None].expand(scores.shape)
    flat = scores.flatten(), target.flatten(), indexes.flatten()
    for k in (1, 5, 10):
        assert result.metrics[f"recall@{k}"] == pytest.approx(
            float(RetrievalHitRate(top_k=k)(*flat[:2], indexes=flat[2])), abs=1e-6
        )
    assert result.metrics["mAP"] == pytest.approx(float(RetrievalMAP()(*flat[:2], indexes=flat[2])), abs=1e-6)
    sklearn = [average_precision_score(t, s) for t, s in zip(target.numpy(), scores.numpy(), strict=True)]
    assert result.per_query["average_precision"] == pytest.approx(sklearn, abs=1e-6)


# --- input --------------------------------------------------------------------------------------------------


def test_queries_without_a_relevant_entry_are_listed_and_do_not_count():
    eye = torch.eye(3)
    text = embeddings(eye, ["a", "b", "c"], Modality.TEXT)
    result = evaluate(embeddings(eye[[0, 1, 2, 1]], ["a", "nowhere", "b", "B"]), text)
    assert result.query_ids.tolist() == ["i0", "i2"]
    assert result.excluded_queries.tolist() == ["i1", "i3"]
    assert result.metrics["recall@1"] == 0.5
    assert result.gallery_size == 3
    assert all(len(values) == 2 for values in result.per_query.values())


def test_a_k_above_the_gallery_finds_everything():
    image, text = random_embeddings(0)
    result = evaluate(image, text, Protocol(ks=(1, 23, 1000)))
    assert result.metrics["recall@23"] == result.metrics["recall@1000"] == 1
    assert result.chance["recall@1000"] == 1


@pytest.mark.parametrize("ks", [(), (0,), (1, -5), (1, 2.5), (1, "5")])
def test_ks_must_be_whole_numbers_from_1(ks):
    image, text = random_embeddings(0)
    with pytest.raises(ConfigError, match=r"whole numbers of at least 1"):
        evaluate(image, text, Protocol(ks=ks))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 0.0])
@pytest.mark.parametrize("role", ["query", "gallery"])
def test_vectors_without_a_direction_are_all_named(value, role):
    image, text = random_embeddings(0)
    bad = (image if role == "query" else text).vectors
    bad[1], bad[4] = value, value
    with pytest.raises(DataError, match=rf"{role} embeddings.*2 problems") as error:
        evaluate(image, text)
    prefix = "i" if role == "query" else "t"
    assert f"'{prefix}1' (row 1)" in str(error.value)
    assert f"'{prefix}4' (row 4)" in str(error.value)


def test_one_bad_component_is_enough():
    image, text = random_embeddings(0)
    text.vectors[20, 3] = float("nan")
    with pytest.raises(DataError, match=r"'t20' \(row 20\): norm nan"):
        evaluate(image, text)


def test_empty_and_unfitting_input_is_refused():
    image, text = random_embeddings(0)
    nothing = text.take(np.array([], dtype=np.int64))
    with pytest.raises(DataError, match="no gallery embedding"):
        evaluate(image, nothing)
    with pytest.raises(DataError, match="no query embedding"):
        evaluate(nothing, image)
    with pytest.raises(DataError, match="dimension 6, the gallery 5"):
        evaluate(image, Embeddings(text.vectors[:, :5], text.ids, text.item_ids, Modality.TEXT))
    with pytest.raises(DataError, match="none of 9 queries has its item id in the gallery of 2"):
        evaluate(image, embeddings(text.vectors[:2], ["x", "y"], Modality.TEXT))


def test_only_the_direction_of_a_vector_counts():
    """As bfloat16 leaves norms some tenths of a percent off 1, an inner product would rank otherwise."""
    image, text = random_embeddings(3, n_images=40, n_texts=200)
    factor = torch.exp(torch.randn(200, 1, generator=torch.Generator().manual_seed(0)))
    scaled = Embeddings(text.vectors * factor, text.ids, text.item_ids, Modality.TEXT)
    assert_same(evaluate(image, text), evaluate(image, scaled))


@pytest.mark.parametrize(
    "change", [torch.Tensor.double, lambda v: v.clone().requires_grad_(), lambda v: v.T.contiguous().T]
)
def test_vectors_of_another_type_layout_or_with_a_gradient_score_the_same(change):
    image, text = random_embeddings(1)
    others = [Embeddings(change(e.vectors), e.ids, e.item_ids, e.modality) for e in (image, text)]
    assert_same(evaluate(image, text), evaluate(*others))


def test_half_precision_scores_as_its_float32_values():
    for half in (torch.bfloat16, torch.float16):
        image, text = random_embeddings(1)
        halves = [Embeddings(e.vectors.to(half), e.ids, e.item_ids, e.modality) for e in (image, text)]
        wide = [Embeddings(e.vectors.float(), e.ids, e.item_ids, e.modality) for e in halves]
        assert_same(evaluate(*halves), evaluate(*wide))


# --- both directions ----------------------------------------------------------------------------------------


def test_both_directions_and_their_flat_names():
    image, text = random_embeddings(2)
    results = evaluate_both_directions(image, text, Protocol(ks=(1, 3)))
    assert {name: result.direction for name, result in results.items()} == {
        "image_to_text": "image_to_text", "text_to_image": "text_to_image",
    }  # fmt: skip
    assert results["text_to_image"].metrics == evaluate(text, image, Protocol(ks=(1, 3))).metrics
    flat, chance = flat_metrics(results), flat_metrics(results, "chance")
    at_k = ("recall", "fraction_recall", "precision", "ndcg", "mAP")
    names = [f"{name}@{k}" for name in at_k for k in (1, 3)]
    names += ["mAP", "mAP@R", "R_precision", "mrr", "median_rank", "mean_rank"]
    assert set(flat) == set(chance) == {f"{d}/{n}" for d in results for n in names} | {"mean_recall"}
    recalls = [results[d].metrics[f"recall@{k}"] for d in results for k in (1, 3)]
    assert flat["mean_recall"] == pytest.approx(np.mean(recalls))
    assert flat["text_to_image/mAP"] == results["text_to_image"].metrics["mAP"]
    assert chance["mean_recall"] == pytest.approx(
        np.mean([results[d].chance[f"recall@{k}"] for d in results for k in (1, 3)])
    )


@pytest.mark.parametrize("labels", [["cat", np.nan, "dog"], ["cat", None, "dog"], [1.0, np.nan, 2.0]])
@pytest.mark.parametrize("as_array", [list, lambda labels: np.array(labels, dtype=object)])
def test_a_missing_label_is_refused_with_its_row(labels, as_array):
    good = (np.eye(3), ["cat", "dog", "1.0"])
    for sides in ((good, (np.eye(3), as_array(labels))), ((np.eye(3), as_array(labels)), good)):
        with pytest.raises(DataError, match=r"(?s)item ids or labels .* are missing: 1 problem.*row 1: "):
            evaluate(*sides)


def test_missing_ids_of_embeddings_are_refused_too():
    image = Embeddings(torch.eye(3), np.array(["a", "b", "c"]), np.array([1.0, np.nan, 2.0]), Modality.IMAGE)
    text = Embeddings(torch.eye(3), np.array(["d", "e", "f"]), np.array([1.0, 2.0, 3.0]), Modality.TEXT)
    with pytest.raises(DataError, match=r"(?s)labels of query embeddings are missing.*row 1: nan"):
        evaluate_both_directions(image, text)
    nameless = Embeddings(torch.eye(3), np.array(["d", None, "f"]), text.item_ids, Modality.TEXT)
    with pytest.raises(DataError, match=r"(?s)ids of gallery embeddings are missing.*row 1: None"):
        evaluate(text, nameless)
    assert evaluate_both_directions(replace(image, item_ids=text.item_ids), text)


def test_a_class_may_be_called_nan():
    assert evaluate((np.eye(2), ["nan", "None"]), (np.eye(2), ["nan", "None"])).metrics["recall@1"] == 1.0
