from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xmr.core.errors import DataError
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.images import FolderImages

ITEMS = (
    Item("b", "b.png", ("b one", "b two"), "train", "cat"),
    Item("a", "a.png", ("a one",), "train", "dog"),
    Item("v", "v.png", ("v one",), "val", "dog"),
    Item("c", "c.png", ("c one", "b one", "c three"), "train", "cat"),
)


def dataset(*items: Item, relevance: str = "item") -> RetrievalDataset:
    return RetrievalDataset("toy", items, FolderImages(Path()), relevance=relevance)


def test_a_split_has_its_own_images_and_texts():
    split = dataset(*ITEMS).split("train")
    assert split.image_ids.tolist() == split.image_item_ids.tolist() == ["b", "a", "c"]
    assert split.image_keys.tolist() == ["b.png", "a.png", "c.png"]
    assert split.labels.tolist() == ["cat", "dog", "cat"]
    assert split.texts == ("b one", "b two", "a one", "c one", "b one", "c three")
    assert split.text_item_ids.tolist() == ["b", "b", "a", "c", "c", "c"]
    assert split.text_ids.tolist() == ["b#0", "b#1", "a#0", "c#0", "c#1", "c#2"]


@pytest.mark.parametrize("relevance", ["item", "label"])
def test_texts_of_an_image_are_found_in_one_range(relevance):
    split = dataset(*ITEMS, relevance=relevance).split("train")
    for image, item in enumerate(split.image_item_ids):
        begin, count = split.first_text[image], split.text_counts[image]
        found = split.flat_texts[begin : begin + count]
        assert found.tolist() == np.flatnonzero(split.text_item_ids == item).tolist()


def test_labels_make_images_share_the_texts_of_their_class():
    split = dataset(*ITEMS, relevance="label").split("train")
    assert split.image_ids.tolist() == ["b", "a", "c"]
    assert split.image_item_ids.tolist() == ["cat", "dog", "cat"]
    assert split.texts == ("b one", "b two", "a one", "c one", "c three")  # each text of a class once
    assert split.text_item_ids.tolist() == ["cat", "cat", "dog", "cat", "cat"]
    assert len(set(split.text_ids)) == 5
    assert split.text_counts.tolist() == [4, 1, 4]


def test_one_text_may_describe_two_classes():
    items = [replace(item, texts=("an animal",)) for item in ITEMS]
    split = dataset(*items, relevance="label").split("train")
    assert split.texts == ("an animal", "an animal")
    assert split.text_item_ids.tolist() == ["cat", "dog"]


def test_item_index_is_equal_for_equal_items():
    split = dataset(*ITEMS, relevance="label").split("train")
    cat, dog, cat_again = split.image_item_index
    assert cat == cat_again != dog


def test_all_problems_are_listed_at_once():
    broken = (
        *ITEMS,
        Item("a", "other.png", ("fine",), "val", "dog"),
        Item("e", "e.png", (), "train", "dog"),
        Item("f", "f.png", ("fine", " \n"), "train", "dog"),
        Item("g", "g.png", ("fine",), "training", ""),
    )
    with pytest.raises(DataError) as error:
        dataset(*broken, relevance="label")
    assert str(error.value).splitlines() == [
        "data set 'toy': 5 problems",
        "  - item id 'a' appears more than once",
        "  - image 'e.png' (item 'e') has no caption, or an empty one",
        "  - image 'f.png' (item 'f') has no caption, or an empty one",
        "  - item 'g': split 'training' is none of train, val, test",
        "  - item 'g' has no label, which relevance=label needs",
        "Mend or remove these rows.",
    ]


def test_many_problems_are_counted():
    with pytest.raises(DataError, match=r"30 problems(?s:.)*\.\.\. and 10 more"):
        dataset(*(Item(f"{i}", f"{i}.png", (), "train") for i in range(30)))


def test_an_empty_split_says_what_there_is():
    with pytest.raises(DataError, match=r"split 'test' is empty \(train 3, val 1, test 0\)"):
        dataset(*ITEMS).split("test")
    with pytest.raises(DataError, match="is empty"):
        dataset().split("train")


def test_an_unknown_split_is_named():
    with pytest.raises(DataError, match=r"unknown split 'trian'; did you mean 'train'\?"):
        dataset(*ITEMS).split("trian")


@pytest.mark.parametrize(
    "change",
    [{"item_id": "z"}, {"image": "z"}, {"texts": ("z",)}, {"split": "test"}, {"label": "z"}],
    ids=lambda change: next(iter(change)),
)
def test_fingerprint_changes_with_every_part_of_an_item(change):
    changed = dataset(replace(ITEMS[0], **change), *ITEMS[1:])
    assert changed.fingerprint != dataset(*ITEMS).fingerprint == dataset(*ITEMS).fingerprint


def test_fingerprint_changes_with_relevance_and_order():
    prints = {dataset(*ITEMS).fingerprint, dataset(*ITEMS, relevance="label").fingerprint}
    assert len(prints | {dataset(*reversed(ITEMS)).fingerprint}) == 3


QUERY = ComposedQuery("q", "b", "b.png", "make it two", "x", "x.png", "train", candidates=(), group="animals")


def composed(*queries: ComposedQuery, items: tuple[Item, ...] = ITEMS, relevance: str = "item"):
    return RetrievalDataset("toy", items, FolderImages(Path()), queries, relevance=relevance)


def test_composed_queries_are_checked_all_at_once():
    broken = (
        QUERY,
        replace(QUERY, text=" "),
        replace(QUERY, query_id="r", target_id="b", target="b.png"),
        replace(QUERY, query_id="s", target_id="v", target="v.png"),
        replace(QUERY, query_id="t", target="other.png"),
        replace(QUERY, query_id="u", target_id="a", target="a.png", candidates=("c", "v", "nothing")),
        replace(QUERY, query_id="w", split="val", reference_id="v", reference="v.png"),
    )
    with pytest.raises(DataError) as error:
        composed(*broken)
    assert str(error.value).splitlines() == [
        "data set 'toy': 9 problems",
        "  - composed query 'q' appears more than once",
        "  - composed query 'q' has no text",
        "  - composed query 'r': 'b' is its reference and its target",
        "  - composed query 's' is in split 'train', but its image 'v' in 'val'",
        "  - composed query 't': image id 'x' names 'other.png' here, but 'x.png' elsewhere",
        "  - composed query 'u': target 'a' is not among its 3 candidates",
        "  - composed query 'u': candidate 'v' is no item of split 'train'",
        "  - composed query 'u': candidate 'nothing' is no item of split 'train'",
        "  - composed query 'w' is in split 'val', but its image 'x' in 'train'",
        "Mend or remove these rows.",
    ]


def test_the_target_of_a_label_has_one():
    assert composed(replace(QUERY, target_id="c", target="c.png"), relevance="label").composed_queries
    with pytest.raises(DataError, match="target 'x' is no item, so it has no label"):
        composed(QUERY, relevance="label")
    with pytest.raises(DataError, match="split 'dev' is none of train, val, test"):
        composed(replace(QUERY, split="dev", reference_id="y", reference="y.png"))


def test_images_need_no_text_where_queries_are_composed():
    items = tuple(replace(item, texts=()) for item in ITEMS)
    split = composed(QUERY, items=items).split("train")
    assert split.image_ids.tolist() == ["b", "a", "c"]
    assert split.texts == ()
    with pytest.raises(DataError, match="images without captions, whose queries are image \\+ text"):
        _ = split.text_counts
    with pytest.raises(DataError, match="has no caption"):
        dataset(*items)
    with pytest.raises(DataError, match=r"'a\.png'.* has no caption"):  # some have: the others lack theirs
        composed(QUERY, items=(ITEMS[0], items[1]))


def test_fingerprint_is_of_items_alone():
    assert composed(QUERY).fingerprint == dataset(*ITEMS).fingerprint
