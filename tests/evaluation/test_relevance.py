import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.relevance import Pairs, entries_named, relevance_by_item_id, same_id

item_ids = st.lists(st.sampled_from(["a", "b", "aa", "é", "1", "01", ""]), max_size=8)


def embeddings(items):
    ids = np.array([f"{n}" for n in range(len(items))])
    return Embeddings(torch.ones(len(items), 2), ids, np.array(items, dtype=str), Modality.TEXT)


def as_sets(relevance):
    return [set(relevance.gallery[a:b]) for a, b in zip(relevance.start, relevance.start[1:], strict=False)]


@settings(max_examples=100, deadline=None)
@given(item_ids, item_ids, st.randoms(use_true_random=False))
def test_relevant_is_whoever_has_the_same_item_id(query_items, gallery_items, random):
    relevance = relevance_by_item_id(embeddings(query_items), embeddings(gallery_items))
    loop = [{g for g, b in enumerate(gallery_items) if a == b} for a in query_items]
    assert as_sets(relevance) == loop
    assert relevance.counts.tolist() == [len(found) for found in loop]
    assert relevance.gallery_size == len(gallery_items)

    assert relevance.sizes.tolist() == [len(gallery_items)] * len(query_items)

    chosen = [{g for g in range(len(gallery_items)) if random.random() < 0.4} for _ in query_items]
    pairs = Pairs(
        np.concatenate([[0], np.cumsum([len(one) for one in chosen])]).astype(int),
        np.array([g for one in chosen for g in sorted(one)], dtype=int),
    )
    without, among = relevance.without(pairs), relevance.only_among(pairs)
    assert as_sets(without) == [found - out for found, out in zip(loop, chosen, strict=True)]
    assert as_sets(among) == [found & own for found, own in zip(loop, chosen, strict=True)]
    assert without.sizes.tolist() == [len(gallery_items) - len(out) for out in chosen]
    assert among.sizes.tolist() == [len(own) for own in chosen]


def test_entries_are_found_by_their_ids():
    gallery = embeddings(["a", "b", "c"])
    found = entries_named([["2", "0"], [], ["1"]], gallery, role="candidate")
    assert as_sets(found) == [{0, 2}, set(), {1}]
    assert as_sets(entries_named(["1", "1", "0"], gallery, role="reference")) == [{1}, {1}, {0}]
    with pytest.raises(DataError, match=r"(?s)candidate ids that the gallery does not have.*'9'.*'x'"):
        entries_named([["x", "0"], ["9"]], gallery, role="candidate")


def test_an_entry_is_the_query_itself_by_its_id_alone():
    queries, gallery = embeddings(["a", "a", "a"]).take(np.array([2, 0])), embeddings(["b", "b"])
    assert as_sets(same_id(queries, gallery)) == [set(), {0}]
