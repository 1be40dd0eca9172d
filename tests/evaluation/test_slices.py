"""Where two models fail: every query in its group, and only groups that can tell something."""

import numpy as np
import pytest

from tests.evaluation.made_results import made_queries
from xmr.evaluation.slices import (
    MOST,
    label_groups,
    length_groups,
    most_changed,
    sliced,
    word_groups,
    words,
)


def test_words_are_letters_digits_and_what_joins_them():
    assert words("A dog's  semi-open MOUTH, 2nd_try! naïve 犬 --") == [
        "a", "dog's", "semi-open", "mouth", "2nd", "try", "naïve", "犬"
    ]  # fmt: skip


def test_lengths_are_about_equal_groups_that_cover_every_text():
    texts = [" ".join(["w"] * n) for n in (1, 1, 2, 3, 3, 4, 5, 6, 7, 20)]
    groups = length_groups(texts, bins=4)
    at = np.concatenate(list(groups.values()))
    assert sorted(at.tolist()) == list(range(10))
    assert list(groups) == ["1–2 words", "3 words", "4–6 words", "7–20 words"]
    for name, positions in groups.items():
        low, _, high = name.removesuffix(" words").partition("–")
        assert all(int(low) <= len(texts[n].split()) <= int(high or low) for n in positions)


def test_lengths_of_one_kind_or_none_are_no_groups():
    assert length_groups(["a b", "c d"]) == {}
    assert length_groups([None, None]) == {}
    assert length_groups([]) == {}
    assert {name: at.tolist() for name, at in length_groups([None, "a", "b c"]).items()} == {
        "1 word": [1],
        "2 words": [2],
    }


def test_labels_with_levels_are_groups_of_each_level():
    groups = label_groups(["b/x", "a", "b/y", "", "b/x"])
    assert {name: at.tolist() for name, at in groups.items()} == {
        "a": [1],
        "b": [0, 2, 4],
        "b/x": [0, 4],
        "b/y": [2],
    }


def test_a_word_said_twice_counts_once():
    assert word_groups(["Cat cat", None, "a cat"])["cat"].tolist() == [0, 2]


def test_slices_are_means_of_their_queries():
    a, b = (made_queries(items=30, seed=seed)["text_to_image"] for seed in (1, 2))
    groups = word_groups(a.texts)
    values = tuple(of.values["recall@5"][None] for of in (a, b))
    found = sliced(groups, values, a.item_ids, enough=15)
    assert found.slices
    assert len(found.slices) + found.too_few == len(groups)
    for one in found.slices:
        has = [n for n, text in enumerate(a.texts) if one.name in text.split()]
        assert one.queries == len(has)
        assert one.items == len({a.item_ids[n] for n in has}) >= 15
        for value, of in zip(one.values, (a, b), strict=True):
            assert value == pytest.approx(sum(of.values["recall@5"][n] for n in has) / len(has))
        assert one.judgement.difference.difference == pytest.approx(one.values[1] - one.values[0])
        assert one.judgement.adjusted_p >= one.judgement.difference.p


def test_few_items_tell_nothing_however_many_queries_they_have():
    clusters = np.repeat(["one", "two"], 50)
    values = (np.zeros((1, 100)), np.ones((1, 100)))
    found = sliced({"word": np.arange(100)}, values, clusters)
    assert found.slices == ()
    assert found.too_few == 1


def test_no_more_than_the_most_frequent_are_tested_and_the_rest_is_counted():
    groups = {f"w{n}": np.arange(12 + n % 3) for n in range(MOST + 5)}
    values = (np.zeros((1, 20)), np.zeros((1, 20)))
    found = sliced(groups, values, np.arange(20).astype(str))
    assert len(found.slices) == MOST
    assert found.beyond == 5
    assert min(one.queries for one in found.slices) <= max(len(at) for at in groups.values())
    assert {one.judgement.verdict for one in found.slices} == {"equal"}
    assert most_changed(found.slices, 5) == []


def test_the_surest_changes_come_first_and_gains_stand_beside_losses():
    rng = np.random.default_rng(0)
    a = np.zeros((1, 60))
    b = np.concatenate([np.ones(20), -np.ones(20), rng.normal(size=20) / 10])[None]
    groups = {"gained": np.arange(20), "lost": np.arange(20, 40), "noise": np.arange(40, 60)}
    found = sliced(groups, (a, b), np.arange(60).astype(str))
    assert {one.name: one.judgement.verdict for one in found.slices} == {
        "gained": "better", "lost": "worse", "noise": "noise"
    }  # fmt: skip
    assert {one.name for one in most_changed(found.slices, 2)} == {"gained", "lost"}
