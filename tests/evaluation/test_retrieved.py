"""Which entries of a list are correct: by the gallery, or as far as the first correct rank tells."""

import dataclasses

import numpy as np

from tests.evaluation.made_results import made_queries
from xmr.evaluation.results_file import QueryResults
from xmr.evaluation.retrieved import Gallery, galleries_of, marks, relevant, texts_of


def composed(first_rank, scores):
    ids = np.array([["t1", "t2", "t3"]])
    return QueryResults(
        "composed_to_image",
        np.array(["q"]),
        np.array(["t2"]),
        ("the same, but red",),
        ("",),
        {"first_rank": np.array([first_rank])},
        ids,
        np.array([scores], dtype=np.float32),
    )


def test_each_direction_tells_the_gallery_of_the_other():
    queries = made_queries(items=12)
    galleries, texts = galleries_of(queries), texts_of(queries)
    for name, of in queries.items():
        for row in range(len(of.query_ids)):
            item = of.item_ids[row]
            expected = [str(id_).partition("#")[0] == item for id_ in of.retrieved[row]]
            assert marks(of, row, galleries[name]) == expected
            assert all(id_.partition("#")[0] == item for id_ in relevant(of, row, galleries[name]))
    assert len(relevant(queries["image_to_text"], 0, galleries["image_to_text"])) == 3
    first = queries["text_to_image"]
    assert texts["image_to_text"][first.query_ids[0]] == first.texts[0]
    assert texts["text_to_image"] == {}


def test_one_direction_alone_tells_no_gallery():
    only = {"composed_to_image": composed(2.0, [3, 2, 1])}
    assert galleries_of(only) == texts_of(only) == {}
    images = dataclasses.replace(composed(2.0, [3, 2, 1]), direction="image_to_image")
    assert galleries_of({"image_to_image": images}) == {}, "its gallery is another set of images"


def test_without_a_gallery_the_first_rank_tells_as_far_as_it_reaches():
    assert marks(composed(2.0, [3, 2, 1]), 0, None) == [False, True, None]
    assert marks(composed(7.0, [3, 2, 1]), 0, None) == [False, False, False]
    assert marks(composed(1.0, [3, 2, 1]), 0, None) == [True, None, None]
    assert relevant(composed(2.0, [3, 2, 1]), 0, None) == []


def test_ties_hide_which_entry_it_is():
    assert marks(composed(1.5, [3, 3, 1]), 0, None) == [None] * 3
    assert marks(composed(2.0, [3, 3, 3]), 0, None) == [None] * 3
    assert marks(composed(2.0, [3, 2, 2]), 0, None) == [None] * 3
    assert marks(composed(2.0, [3, 2, 1]), 0, Gallery({"t1": "t2", "t2": "t9"})) == [True, False, False]


def test_without_lists_there_are_no_marks():
    none = dataclasses.replace(composed(2.0, [3, 2, 1]), retrieved=None, scores=None)
    assert marks(none, 0, None) == []
