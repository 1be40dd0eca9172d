"""The arrays of a composed split agree with the queries that they come from, looked up one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xmr.core.errors import DataError
from xmr.data.composed import composed_split
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.emoji import load_emoji
from xmr.data.images import FolderImages
from xmr.data.shapes import load_shapes

ITEMS = (
    Item("a", "a.png", ("one",), "train", "cat"),
    Item("b", "b.png", ("two",), "train", "dog"),
    Item("c", "c.png", ("two",), "train", "dog"),
    Item("v", "v.png", ("one",), "val", "cat"),
)
QUERIES = (
    ComposedQuery("1", "a", "a.png", "bark", "c", "c.png", "train"),
    ComposedQuery("2", "c", "c.png", "meow", "a", "a.png", "train"),
    ComposedQuery("3", "z", "z.png", "bark", "b", "b.png", "train"),
)


def toy(*queries: ComposedQuery, relevance: str = "item") -> RetrievalDataset:
    return RetrievalDataset("toy", ITEMS, FolderImages(Path()), queries, relevance=relevance)


@pytest.mark.parametrize("load", [lambda: load_shapes(size=200), load_emoji], ids=["shapes", "emoji"])
@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_rows_find_what_each_query_names(load, name):
    dataset = load()
    split = composed_split(dataset, name)
    queries = [query for query in dataset.composed_queries if query.split == name]
    assert split.query_ids.tolist() == [query.query_id for query in queries]
    assert split.texts == tuple(query.text for query in queries)
    assert split.gallery_ids[split.target_rows].tolist() == [query.target_id for query in queries]
    assert split.gallery_keys[split.target_rows].tolist() == [query.target for query in queries]
    assert split.gallery_ids[split.reference_rows].tolist() == [query.reference_id for query in queries]
    assert split.reference_keys.tolist() == [query.reference for query in queries]
    assert split.query_item_ids.tolist() == split.target_ids.tolist()
    images = {item.item_id for item in dataset.items if item.split == name}
    images |= {image for query in queries for image in (query.reference_id, query.target_id)}
    assert sorted(images) == sorted(split.gallery_ids.tolist())
    assert (split.candidates, split.groups) == (None, None)


def test_labels_make_all_images_of_the_class_relevant():
    split = composed_split(toy(*QUERIES, relevance="label"), "train")
    assert split.gallery_ids.tolist() == ["a", "b", "c", "z"]
    assert split.gallery_item_ids.tolist() == ["cat", "dog", "dog", "z"]
    assert split.query_item_ids.tolist() == ["dog", "cat", "dog"]
    assert split.target_index.tolist() == [1, 0, 1]
    assert split.target_rows.tolist() == [2, 0, 1]
    assert split.reference_rows.tolist() == [0, 2, 3]


def test_classes_are_counted_from_zero_without_gaps():
    index = composed_split(toy(*QUERIES), "train").target_index
    assert index.dtype == np.int64
    assert sorted(set(index.tolist())) == [0, 1, 2]


def test_candidates_and_groups_come_along():
    queries = (replace(QUERIES[0], candidates=("b", "c"), group="pets"), QUERIES[1])
    split = composed_split(toy(*queries), "train")
    assert split.candidates == (("b", "c"), ())
    assert split.groups.tolist() == ["pets", ""]


def test_fingerprint_changes_with_queries_and_gallery():
    changed = (
        toy(*QUERIES[:2]),
        toy(replace(QUERIES[0], text="other"), *QUERIES[1:]),
        toy(replace(QUERIES[0], group="pets"), *QUERIES[1:]),
        toy(replace(QUERIES[0], candidates=("c",)), *QUERIES[1:]),
        toy(*QUERIES, relevance="label"),
    )
    prints = {composed_split(dataset, "train").fingerprint for dataset in (toy(*QUERIES), *changed)}
    assert len(prints) == 6
    assert composed_split(toy(*QUERIES), "train").fingerprint in prints


def test_what_is_missing_is_named():
    with pytest.raises(DataError, match=r"split 'val' has no composed query \(train 3, val 0, test 0\)"):
        composed_split(toy(*QUERIES), "val")
    with pytest.raises(DataError, match="data set 'toy' has no composed query"):
        composed_split(toy(), "train")
    with pytest.raises(DataError, match="did you mean 'train'"):
        composed_split(toy(*QUERIES), "trian")
