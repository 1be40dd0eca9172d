import csv
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image, ImageColor

from xmr.core.errors import DataError
from xmr.core.types import Rankings
from xmr.data.images import FolderImages
from xmr.reporting.panels import CORRECT, GAP, draw_panel, save_png
from xmr.reporting.views import PICTURE, RankedQuery, Result, View, ranked_queries

RED, BLUE = (255, 0, 0), (0, 0, 255)


def query(*relevant, view=None, result_view=None, first_rank=1.0):
    view, result_view = view or View(text="a dog"), result_view or View(image=Image.new("RGB", (40, 30), RED))
    results = [Result(f"g{n}", result_view, 0.5 - n / 10, hit) for n, hit in enumerate(relevant)]
    return RankedQuery("q", view, first_rank, tuple(results))


def draw(*queries, **settings):
    return draw_panel(queries, gallery_size=280, title="text_to_image\nflickr8k-1k, test", **settings)


def pixels(panel, colour):
    return np.argwhere((np.asarray(panel) == colour).all(axis=2))


def box(panel, colour):
    """(width, height) of the area that holds `colour`."""
    found = pixels(panel, colour)
    height, width = found.max(axis=0) - found.min(axis=0) + 1
    return width, height


def green(panel):
    return len(pixels(panel, ImageColor.getrgb(CORRECT)))


def test_each_correct_result_adds_a_frame_and_a_tick():
    none, one, two = (green(draw(query(*hits))) for hits in ((0, 0, 0), (0, 1, 0), (1, 1, 0)))
    assert none < one < two
    assert two - one > 0.9 * 4 * 184 * 8


def test_correct_results_stand_out_without_colour():
    white = View(image=Image.new("RGB", (40, 30), "white"))
    dark = [(np.asarray(draw(query(0, hit, result_view=white)).convert("L")) < 130).sum() for hit in (0, 1)]
    assert dark[1] > 1.5 * dark[0]


def test_where_nothing_is_known_to_be_correct_nothing_is_said_of_it():
    unjudged, judged = draw(query(0, 0, first_rank=None)), draw(query(0, 0))
    assert unjudged.size == judged.size
    assert green(judged) > 0
    assert green(unjudged) == 0
    ink = [(np.asarray(panel.convert("L")) < 130).sum() for panel in (unjudged, judged)]
    assert ink[0] < ink[1]


@pytest.mark.parametrize(
    ("size", "shown"), [((50, 100), (92, 184)), ((200, 50), (184, 46)), ((70, 70), (184, 184))]
)
def test_query_pictures_are_letterboxed_not_distorted(size, shown):
    picture = View(image=Image.new("RGB", size, BLUE))
    width, height = box(draw(query(0, view=picture)), BLUE)
    # the frame may cover two pixels on each side
    assert shown[0] - 4 <= width <= shown[0]
    assert shown[1] - 4 <= height <= shown[1]


def test_a_composed_query_shows_its_picture_beside_its_text():
    picture = Image.new("RGB", (10, 10), BLUE)
    without, with_text = (draw(query(0, view=View(picture, text))) for text in ("", "but in red"))
    right_of_picture = pixels(with_text, BLUE)[:, 1].max() + 1
    changed = np.argwhere((np.asarray(without) != np.asarray(with_text)).any(axis=2))
    assert len(changed)
    assert changed[:, 1].min() > right_of_picture


def test_the_panel_has_a_row_a_query_and_a_column_a_result():
    small, wide, tall = draw(query(*[0] * 5)), draw(query(*[0] * 10)), draw(*[query(*[0] * 5)] * 3)
    assert wide.width - small.width == 5 * (PICTURE + GAP)
    assert tall.width == small.width
    assert wide.height == small.height < tall.height


def test_more_than_ten_results_go_on_in_further_lines():
    ten, eleven, thirty = (draw(query(*[0] * n)) for n in (10, 11, 30))
    assert ten.width == eleven.width == thirty.width
    line = eleven.height - ten.height
    assert line > PICTURE
    assert thirty.height == ten.height + 2 * line
    hit = pixels(draw(query(*[0] * 11, 1)), ImageColor.getrgb(CORRECT))
    second_line = hit[hit[:, 0] > ten.height - line]
    first_column, second_column = (
        pixels(draw(query(*hits)), ImageColor.getrgb(CORRECT))[:, 1].max() for hits in ((1,), (0, 1))
    )
    assert first_column < second_line[:, 1].max() == second_column, "the 12th is below the 2nd"


def test_a_query_with_few_results_takes_one_line_beside_one_with_many():
    both, many, few = draw(query(*[0] * 25), query(0)), draw(query(*[0] * 25)), draw(query(0))
    two_short = draw(query(0), query(0))
    assert both.height - many.height == two_short.height - few.height


def test_the_legend_says_what_the_scores_are():
    cosine, hamming, long = (
        draw(query(0), measures=words) for words in ("cosine similarity", "Hamming", "so many words " * 12)
    )
    assert (np.asarray(cosine)[:-120] == np.asarray(hamming)[:-120]).all()
    assert (np.asarray(cosine) != np.asarray(hamming)).any()
    assert (np.asarray(long)[:, -40:] == 255).all()
    assert long.width > cosine.width


def test_the_legend_explains_the_sign_for_unreadable_characters():
    readable, unreadable = draw(query(0)), draw(query(0, result_view=View(text="\ue000")))
    assert unreadable.height > readable.height


@pytest.mark.parametrize(
    "queries",
    [
        [query(1)],
        [query()],
        [query(1, 0, 1), query(0)],
        [query(0, 0, first_rank=float("nan"))],
        [query(0, view=View())],
        [query(0, view=View(text=""), result_view=View(text=""))],
        [query(1, 0, view=View(text="long " * 500), result_view=View(text="w" * 900, label="label " * 90))],
        [query(0, result_view=View(text="なにか \ud800 👩‍👩‍👧\n\x00", label="العربية"))],
        [
            query(
                0, view=View(image=Image.new("RGBA", (1, 3000))), result_view=View(Image.new("L", (3000, 1)))
            )
        ],
    ],
    ids=[
        "one",
        "no-results",
        "uneven",
        "no-correct",
        "empty-view",
        "empty-text",
        "long",
        "unicode",
        "slivers",
    ],
)
def test_degenerate_queries_are_drawn(queries):
    panel = draw(*queries)
    assert np.asarray(panel.convert("L")).min() < 100
    margin = np.asarray(panel)[:, -40:]
    assert (margin == 255).all(), "something runs over the right margin"


def test_no_query_is_refused():
    with pytest.raises(DataError, match="at least one query"):
        draw()


def test_a_long_title_stays_on_the_panel():
    panel = draw_panel([query(0)], gallery_size=1, title="a title " * 100)
    assert (np.asarray(panel)[:, -40:] == 255).all()


def test_a_panel_of_photographs_is_a_small_file(shared_data, tmp_path):
    captions = defaultdict(list)
    with (shared_data / "flickr8k-1k" / "captions.txt").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            captions[row["image"]].append(row["caption"])
    names = np.array(sorted(captions))[:88]
    read = FolderImages(shared_data / "flickr8k-1k" / "images")
    gallery = names[8:].reshape(8, 10)
    rankings = Rankings(names[:8], gallery, np.full((8, 10), 0.25), np.zeros((8, 10), bool))
    queries = ranked_queries(
        rankings,
        np.arange(11.0, 19.0),
        query_view=lambda name: View(read(name), captions[name][0]),
        gallery_view=lambda name: View(read(name)),
    )
    path = tmp_path / "panels" / "composed_to_image.png"
    save_png(draw_panel(queries, gallery_size=1000, title="composed_to_image\nR@1 24.3"), path)
    assert path.stat().st_size < 1.5e6
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with Image.open(path) as written:
        assert written.width > 2000
        assert abs(np.asarray(written.convert("RGB")).astype(int) - 255)[:40].max() == 0, (
            "paper must stay white"
        )
