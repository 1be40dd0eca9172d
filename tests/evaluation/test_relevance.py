import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xmr.core.types import Embeddings, Modality
from xmr.evaluation.relevance import relevance_by_item_id

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

    some = np.array(random.choices(range(len(loop)), k=5) if loop else [], dtype=np.int64)
    assert as_sets(relevance.take(some)) == [loop[q] for q in some]
