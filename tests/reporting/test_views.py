import numpy as np
import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Rankings
from xmr.reporting.views import PICTURE, View, choose_queries, first_rank_text, fit, ranked_queries

IDS = np.array([f"q{n}" for n in range(50)])
RANKS = np.arange(1.0, 51.0)


def rankings(k=3):
    shape = (2, k)
    gallery_ids = np.array([["g0", "g1", "g2"], ["g1", "g0", "g2"]])[:, :k]
    scores = np.linspace(0.9, 0.1, 2 * k).reshape(shape)
    return Rankings(np.array(["q0", "q1"]), gallery_ids, scores, gallery_ids == "g1")


def test_random_queries_are_the_same_whatever_the_model_and_the_order_of_rows():
    order = np.random.default_rng(0).permutation(50)
    chosen = IDS[choose_queries(IDS, RANKS, count=8)]
    shuffled = IDS[order][choose_queries(IDS[order], RANKS[::-1], count=8)]
    assert chosen.tolist() == shuffled.tolist()
    assert len(set(chosen)) == 8


def test_random_queries_differ_by_seed():
    assert set(choose_queries(IDS, RANKS, seed=0)) != set(choose_queries(IDS, RANKS, seed=1))


@pytest.mark.parametrize(("kind", "ranks"), [("hardest", [50, 49, 48]), ("easiest", [1, 2, 3])])
def test_hardest_and_easiest_go_by_first_rank(kind, ranks):
    order = np.random.default_rng(0).permutation(50)
    assert RANKS[order][choose_queries(IDS[order], RANKS[order], count=3, kind=kind)].tolist() == ranks


@pytest.mark.parametrize("kind", ["hardest", "easiest"])
def test_ties_do_not_depend_on_the_order_of_rows(kind):
    order = np.random.default_rng(0).permutation(50)
    tied = np.ones(50)
    assert set(IDS[choose_queries(IDS, tied, kind=kind)]) == set(
        IDS[order][choose_queries(IDS[order], tied, kind=kind)]
    )


@pytest.mark.parametrize("kind", ["hardest", "easiest"])
def test_queries_without_a_correct_entry_come_last(kind):
    assert choose_queries(IDS[:3], np.array([np.nan, 2.0, np.nan]), count=1, kind=kind).tolist() == [1]


def test_fewer_queries_than_asked_for_are_all_shown():
    assert sorted(choose_queries(IDS[:3], RANKS[:3], count=8)) == [0, 1, 2]
    assert len(choose_queries(IDS[:0], RANKS[:0])) == 0


def test_wrong_choices_are_refused():
    with pytest.raises(ConfigError, match="hardest"):
        choose_queries(IDS, RANKS, kind="hard")
    with pytest.raises(ConfigError, match="count=0"):
        choose_queries(IDS, RANKS, count=0)
    with pytest.raises(DataError, match="50 query ids, 49 first ranks"):
        choose_queries(IDS, RANKS[:-1])


def test_results_keep_their_order_scores_and_relevance():
    source = rankings()
    queries = ranked_queries(
        source,
        np.array([2.0, 1.0]),
        query_view=lambda i: View(text=i),
        gallery_view=lambda i: View(text=i),
        k=2,
    )
    assert [query.first_rank for query in queries] == [2.0, 1.0]
    assert [[result.view.text for result in query.results] for query in queries] == [
        ["g0", "g1"],
        ["g1", "g0"],
    ]
    assert [[result.relevant for result in query.results] for query in queries] == [
        [False, True],
        [True, False],
    ]
    assert [result.score for result in queries[0].results] == source.scores[0, :2].tolist()


def test_each_picture_is_opened_once_and_kept_small():
    opened = []

    def view(gallery_id):
        opened.append(gallery_id)
        return View(image=Image.new("RGB", (1200, 900)))

    queries = ranked_queries(rankings(), np.ones(2), query_view=lambda i: View(text=i), gallery_view=view)
    assert sorted(opened) == ["g0", "g1", "g2"]
    assert {result.view.image.size for query in queries for result in query.results} == {(PICTURE, 138)}


def test_ranks_must_belong_to_the_queries():
    with pytest.raises(DataError, match="2 query ids, 3 first ranks"):
        ranked_queries(rankings(), np.ones(3), query_view=View, gallery_view=View)


@pytest.mark.parametrize(
    ("size", "fitted"), [((50, 100), (92, 184)), ((400, 100), (184, 46)), ((1, 1000), (1, 184))]
)
def test_pictures_are_fitted_undistorted(size, fitted):
    assert fit(Image.new("RGB", size)).size == fitted


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "CMYK", "1"])
def test_pictures_of_any_mode_become_rgb_and_transparency_white(mode):
    picture = fit(Image.new("RGBA", (9, 9), (0, 0, 0, 0)).convert(mode))
    assert picture.mode == "RGB"
    if mode in ("RGBA", "LA"):
        assert picture.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("rank", "text"),
    [
        (37.0, "first correct: 37 of 1,400"),
        (1000.0, "first correct: 1,000 of 1,400"),
        (37.5, "first correct: 37.5 of 1,400"),
        (float("nan"), "no correct entry"),
    ],
)
def test_first_ranks_are_told_in_words(rank, text):
    assert first_rank_text(rank, 1400) == text
