"""Folds, exclusions, candidates, groups and similarities, each against a few lines that do it by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation import PerQuery, Protocol, evaluate, evaluate_both_directions, ready_protocol


def pairs(n_items=60, texts=3, dim=8, seed=0):
    """`n_items` images with `texts` texts each, alike enough that some are found."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(n_items, dim, generator=generator)
    text = image.repeat_interleave(texts, 0) + 1.5 * torch.randn(n_items * texts, dim, generator=generator)
    items = np.array([f"x{n:03d}" for n in range(n_items)])
    of_text = np.repeat(items, texts)
    return (
        Embeddings(normalize(image, dim=1), np.char.add("i-", items), items, Modality.IMAGE),
        Embeddings(
            normalize(text, dim=1),
            np.char.add(np.char.add("t-", of_text), np.char.mod("-%d", np.arange(len(of_text)) % texts)),
            of_text,
            Modality.TEXT,
        ),
    )


def first_ranks(queries, gallery, keep=lambda q, g: True, score=lambda q, g: q @ g):
    """The rank of each query's best relevant entry, sorted one by one."""
    ranks = []
    for q in range(len(queries)):
        kept = [g for g in range(len(gallery)) if keep(q, g)]
        scores = [float(score(queries.vectors[q].double(), gallery.vectors[g].double())) for g in kept]
        order = [kept[n] for n in np.argsort(-np.array(scores), kind="stable")]
        hits = [n for n, g in enumerate(order, 1) if gallery.item_ids[g] == queries.item_ids[q]]
        ranks.append(hits[0] if hits else None)
    return ranks


def test_five_folds_are_the_mean_over_consecutive_fifths_of_the_items():
    image, text = pairs()
    folded = evaluate_both_directions(image, text, Protocol(folds=5))
    for direction, result in folded.items():
        alone = []
        for fold in range(5):
            items = image.item_ids[12 * fold : 12 * (fold + 1)]
            alone.append(
                evaluate_both_directions(
                    image.take(np.isin(image.item_ids, items)), text.take(np.isin(text.item_ids, items))
                )[direction]
            )
        for name, value in result.metrics.items():
            assert value == pytest.approx(np.mean([one.metrics[name] for one in alone])), name
        assert result.query_ids.tolist() == [id_ for one in alone for id_ in one.query_ids]
        assert result.gallery_size == alone[0].gallery_size
        source, target = (image, text) if direction == "image_to_text" else (text, image)
        assert evaluate(source, target, Protocol(folds=5)).metrics == result.metrics
    whole = evaluate_both_directions(image, text)["text_to_image"]
    assert whole.metrics["recall@1"] < folded["text_to_image"].metrics["recall@1"]


def test_items_that_do_not_make_equal_folds_are_refused():
    image, text = pairs(n_items=61)
    with pytest.raises(DataError, match="61 items cannot be cut into 5 equal folds"):
        evaluate_both_directions(image, text, Protocol(folds=5))


def test_a_query_never_finds_itself_wherever_it_stands_in_the_gallery():
    image, _ = pairs(n_items=40)
    labels = np.array([f"class{n % 4}" for n in range(40)])
    image = Embeddings(image.vectors, image.ids, labels, Modality.IMAGE)
    shuffled = image.take(np.random.default_rng(0).permutation(40))
    result = evaluate(image, shuffled, Protocol(exclude="self"))
    expected = first_ranks(image, shuffled, keep=lambda q, g: image.ids[q] != shuffled.ids[g])
    assert result.per_query["first_rank"].tolist() == expected
    assert evaluate(image, shuffled).metrics["recall@1"] == 1 > result.metrics["recall@1"]


def test_a_query_whose_only_relevant_entry_is_itself_does_not_count():
    image, _ = pairs(n_items=6)
    labels = np.array(["a", "a", "b", "b", "b", "alone"])
    image = Embeddings(image.vectors, image.ids, labels, Modality.IMAGE)
    result = evaluate(image, image, Protocol(exclude="self"))
    assert result.excluded_queries.tolist() == [image.ids[5]]
    assert len(result.per_query["first_rank"]) == 5


def composed(seed=0):
    image, _ = pairs(n_items=30, seed=seed)
    rng = np.random.default_rng(seed)
    reference = np.arange(30)
    target = (reference + 1 + rng.integers(0, 5, 30)) % 30
    vectors = image.vectors[reference] + image.vectors[target] * torch.from_numpy(rng.random((30, 1)) * 1.5)
    queries = Embeddings(
        normalize(vectors.float(), dim=1),
        np.array([f"q{n}" for n in range(30)]),
        image.item_ids[target],
        Modality.COMPOSED,
    )
    return queries, image, reference, target, rng


def test_the_reference_of_a_composed_query_takes_no_part():
    queries, image, reference, _, _ = composed()
    result = evaluate(
        queries, image, ready_protocol("composed"), about=PerQuery(references=image.ids[reference])
    )
    assert result.direction == "composed_to_image"
    expected = first_ranks(queries, image, keep=lambda q, g: g != reference[q])
    assert result.per_query["first_rank"].tolist() == expected
    assert expected != first_ranks(queries, image)
    with pytest.raises(DataError, match="protocol composed needs the references"):
        evaluate(queries, image, ready_protocol("composed"))
    with pytest.raises(DataError, match=r"(?s)reference ids.*'nobody'"):
        evaluate(queries, image, ready_protocol("composed"), about=PerQuery(references=["nobody"] * 30))


def test_cirr_also_ranks_the_candidates_of_each_query_without_its_reference():
    queries, image, reference, target, rng = composed(1)
    groups = [
        [*rng.choice(np.setdiff1d(np.arange(30), [r, t]), 4, replace=False), r, t]
        for r, t in zip(reference, target, strict=True)
    ]
    about = PerQuery(
        references=image.ids[reference], candidates=[image.ids[group].tolist() for group in groups]
    )
    result = evaluate(queries, image, ready_protocol("cirr"), about=about)
    ranks = first_ranks(queries, image, keep=lambda q, g: g in groups[q] and g != reference[q])
    for k in (1, 2, 3):
        assert result.metrics[f"recall_subset@{k}"] == pytest.approx(np.mean([rank <= k for rank in ranks]))
    whole = evaluate(queries, image, ready_protocol("composed", ks=(1, 2, 3, 5, 10, 50)), about=about)
    assert result.metrics["recall@5"] == whole.metrics["recall@5"]
    with pytest.raises(DataError, match="protocol cirr needs the candidates"):
        evaluate(queries, image, ready_protocol("cirr"), about=replace(about, candidates=None))


def test_groups_count_the_same_however_many_queries_they_have():
    queries, image, _, _, _ = composed(2)
    groups = np.array(["dress"] * 4 + ["shirt"] * 20 + ["toptee"] * 6)
    result = evaluate(queries, image, ready_protocol("fashioniq"), about=PerQuery(groups=groups))
    ranks = np.array(first_ranks(queries, image))
    each = {name: np.mean(ranks[groups == name] <= 10) for name in ("dress", "shirt", "toptee")}
    assert {name: of_one["recall@10"] for name, of_one in result.groups.items()} == pytest.approx(each)
    assert result.metrics["recall@10"] == pytest.approx(np.mean(list(each.values())))


def test_scenes_are_found_by_distance_among_other_images():
    generator = torch.Generator().manual_seed(3)
    vectors = 3 + torch.randn(50, 4, generator=generator) * torch.rand(50, 1, generator=generator) * 4
    labels = np.array([f"c{n % 5}" for n in range(50)])
    every = Embeddings(vectors, np.array([f"s{n}" for n in range(50)]), labels, Modality.IMAGE)
    test, train = every.take(np.arange(15)), every.take(np.arange(15, 50))
    result = evaluate(test, train, ready_protocol("scenes"))
    expected = first_ranks(test, train, score=lambda q, g: -((q - g) ** 2).sum())
    assert result.per_query["first_rank"].tolist() == expected
    assert expected != first_ranks(test, train)


def test_class_names_as_queries_give_the_precision_of_their_first_hundred():
    generator = torch.Generator().manual_seed(0)
    names = normalize(torch.randn(3, 16, generator=generator), dim=1)
    labels = np.repeat(["cat", "dog", "owl"], 150)
    images = normalize(
        names.repeat_interleave(150, 0) + 0.5 * torch.randn(450, 16, generator=generator), dim=1
    )
    result = evaluate(
        (names.numpy(), ["cat", "dog", "owl"]),
        (images.numpy(), labels),
        ready_protocol("class_precision_at_100"),
    )
    assert result.direction == "text_to_image"
    order = (names.double() @ images.double().T).argsort(dim=1, descending=True)[:, :100].numpy()
    expected = (labels[order] == np.array(["cat", "dog", "owl"])[:, None]).mean(axis=1)
    assert result.per_query["precision@100"] == pytest.approx(expected)
    assert result.metrics["precision@100"] == pytest.approx(expected.mean())


def test_ranking_as_deep_as_there_are_relevant_entries_gives_the_same_figures_and_no_others():
    generator = torch.Generator().manual_seed(0)
    labels = np.array([f"c{n % 20}" for n in range(1200)])
    centers = torch.randn(20, 16, generator=generator).repeat(60, 1)
    image = normalize(centers + 1.5 * torch.randn(1200, 16, generator=generator), dim=1)
    ids = np.array([f"i{n}" for n in range(1200)])
    every = Embeddings(image, ids, labels, Modality.IMAGE)
    protocol = Protocol(exclude="self", ks=(1, 10))
    whole = evaluate(every, every, protocol).metrics
    limited = evaluate(every, every, replace(protocol, depth="relevant")).metrics
    assert set(whole) - set(limited) == {"mAP", "mrr", "median_rank", "mean_rank"}
    assert limited == {name: whole[name] for name in limited}
    assert 0.1 < limited["mAP@R"] < 0.9


def test_a_protocol_for_a_number_of_images_refuses_another():
    image, text = pairs()
    with pytest.raises(DataError, match="protocol flickr30k_1k is for 1000 images, but there are 60"):
        evaluate_both_directions(image, text, ready_protocol("flickr30k_1k"))


def test_ids_that_name_two_vectors_are_refused():
    image, text = pairs(n_items=5)
    twice = Embeddings(image.vectors, image.ids[[0, 1, 2, 2, 2]], image.item_ids, Modality.IMAGE)
    with pytest.raises(DataError, match=r"(?s)gallery ids must be unique.*'i-x002' \(3 times\)"):
        evaluate(text, twice)


@pytest.mark.parametrize("rule", ["optimistic", "pessimistic"])
def test_the_headline_follows_the_tie_rule_of_the_protocol(rule):
    image, text = pairs(n_items=20)
    collapsed = Embeddings(torch.ones_like(image.vectors), image.ids, image.item_ids, Modality.IMAGE)
    result = evaluate(text, collapsed, Protocol(tie_rule=rule))
    plain = evaluate(text, collapsed)
    assert result.metrics == plain.ties[rule] != plain.metrics
    assert plain.metrics["recall@5"] == pytest.approx(5 / 20)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_backends_give_the_same_figures(backend):
    image, text = pairs(seed=4)
    assert (
        evaluate_both_directions(image, text, backend=backend)["text_to_image"].metrics
        == evaluate(text, image).metrics
    )


# --- what a distrustful reader tried ------------------------------------------------------------------------


@pytest.mark.parametrize("similarity", ["dot", "l2"])
@pytest.mark.parametrize("value", [0.0, 1e-42, 1e-25, 1.0, 1e18])
def test_a_collapsed_model_scores_chance_at_any_scale(similarity, value):
    same, items = np.full((50, 8), value, dtype=np.float32), np.arange(50)
    metrics = evaluate((same, items), (same, items), Protocol(similarity=similarity)).metrics
    assert metrics["recall@1"] == pytest.approx(0.02, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1e20])
def test_cosines_do_not_depend_on_the_length_of_vectors(scale):
    image, text = pairs()
    scaled = Embeddings(image.vectors * scale, image.ids, image.item_ids, Modality.IMAGE)
    assert evaluate(text, scaled).metrics == pytest.approx(evaluate(text, image).metrics, abs=1e-3)


@pytest.mark.parametrize("similarity", ["dot", "l2"])
def test_one_long_vector_does_not_tie_the_others(similarity):
    image, text = pairs()
    image.vectors[7] *= 1e6
    score = {"dot": lambda q, g: q @ g, "l2": lambda q, g: -((q - g) ** 2).sum()}[similarity]
    result = evaluate(text, image, Protocol(similarity=similarity))
    assert result.per_query["first_rank"].tolist() == first_ranks(text, image, score=score)


def test_distances_far_from_the_origin_are_those_of_the_differences():
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(300, 8, generator=generator)
    items = np.arange(300)
    query, gallery = (1e4 + centers + 0.3 * torch.randn(300, 8, generator=generator) for _ in range(2))
    result = evaluate((query.numpy(), items), (gallery.numpy(), items), Protocol(similarity="l2"))
    distance = torch.cdist(query.double(), gallery.double(), compute_mode="donot_use_mm_for_euclid_dist")
    rank = (distance < distance.diagonal()[:, None]).sum(dim=1) + 1
    assert (rank[:, None] == 1).float().mean() > 0.2
    tied = (distance == distance.diagonal()[:, None]).sum(dim=1)
    assert result.per_query["first_rank"] == pytest.approx((rank + (tied - 1) / 2).numpy())


@pytest.mark.parametrize("dim", [256, 384, 768, 1024])
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_roundings_that_all_go_one_way_do_not_change_a_rank(dim, backend):
    """One large value first, then addends just too small: the worst a float32 sum can meet."""
    generator = torch.Generator().manual_seed(0)
    gallery = normalize(torch.randn(400, dim, generator=generator), dim=1)
    queries = normalize(torch.randn(200, dim, generator=generator), dim=1)
    hidden = torch.full((dim,), 1.68e-4)
    hidden[0], hidden[-1] = 0.72, 0.0
    hidden[-2] = (1 - (hidden**2).sum()).sqrt()
    queries[77] = hidden
    rival = hidden.clone()
    rival[-2], rival[-1] = 0.0, (1 - (hidden[:-2] ** 2).sum()).sqrt()
    gallery[100:110] = rival
    positive = torch.zeros(dim)
    target = float((hidden.double() * rival.double()).sum()) - 1e-6
    positive[0], positive[-1] = target / 0.72, (1 - (target / 0.72) ** 2) ** 0.5
    gallery[11] = positive
    items = np.array([f"g{n}" for n in range(400)])
    query_items = items[:200].copy()
    query_items[77] = "g11"
    result = evaluate(
        (queries.numpy(), query_items), (gallery.numpy(), items), Protocol(similarity="dot"), backend=backend
    )
    scores = gallery.double() @ queries[77].double()
    assert result.per_query["first_rank"][77] == int((scores > scores[11]).sum()) + 1 == 11


def test_autocast_around_an_evaluation_changes_nothing():
    image, text = pairs()
    plain = evaluate(text, image, backend="torch").metrics
    with torch.autocast("cpu", torch.bfloat16):
        assert evaluate(text, image, backend="torch").metrics == plain


def test_arrays_without_ids_cannot_leave_themselves_out():
    image, _ = pairs()
    source = image.vectors.numpy(), image.item_ids
    with pytest.raises(DataError, match="tells entries apart by their ids"):
        evaluate(source, source, Protocol(exclude="self"))


def test_what_is_said_of_each_query_must_be_said_of_all():
    queries, image, reference, _, _ = composed()
    references = image.ids[reference]
    with pytest.raises(DataError, match="29 references for 30 queries"):
        evaluate(queries, image, ready_protocol("composed"), about=PerQuery(references=references[:29]))
    with pytest.raises(DataError, match="needs the groups"):
        evaluate(queries, image, ready_protocol("fashioniq"))
    with pytest.raises(DataError, match="has no groups"):
        evaluate(queries, image, about=PerQuery(groups=["a"] * 30))
    about = PerQuery(references=references, candidates=[[image.ids[0]]] * 30)
    with pytest.raises(DataError, match="target is not among their candidates"):
        evaluate(queries, image, ready_protocol("cirr"), about=about)


def test_sides_in_the_wrong_order_are_refused():
    image, text = pairs()
    with pytest.raises(DataError, match="in this order, got text and image"):
        evaluate_both_directions(text, image)


def test_queries_of_items_in_no_fold_are_listed():
    image, text = pairs(n_items=62)
    fewer = image.take(np.arange(60))
    result = evaluate_both_directions(fewer, text, Protocol(folds=5))["text_to_image"]
    assert result.excluded_queries.tolist() == text.ids[180:].tolist()


def test_ranks_that_are_not_known_to_the_end_are_not_given_out():
    image, text = pairs()
    assert evaluate(text, image, Protocol(depth="relevant")).ranks is None
    assert evaluate(text, image).ranks is not None
