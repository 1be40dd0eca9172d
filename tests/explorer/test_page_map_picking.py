"""The map page in a real Chromium: what is pointed at, outlined, listed, and linked between two models."""

from typing import Any

import numpy as np
import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, eventually, explorer_page, served, settle  # noqa: F401
from tests.explorer.plots import entry, lonely, middle, pixels, points, view_of
from tests.explorer.shapes import SHAPES, TRICKY

MAP = "#/map?c=colours-1a2b3c:exact"
TOTAL = 3 * len(SHAPES)
AT_ONCE = 48
"""How many entries the list shows before it is asked for more."""


def zoom(tab: Any) -> float:
    """How much the address says that the first map is enlarged."""
    return float(tab.url.split("view1=")[1].split("&")[0].split(":")[2])


def test_a_point_tells_what_it_is_unless_it_is_hidden(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        found = points(tab)
        row = lonely(found)
        what = entry(tab, row)
        tab.goto(f"{served.split('/?')[0]}/{MAP}&level=top&view1={view_of(found, row, 30)}")
        tab.reload()
        settle(tab)
        tab.mouse.move(*middle(tab))
        tab.wait_for_selector(".map-card:not([hidden])")
        card = tab.inner_text(".map-card")
        assert what["text"] in card
        assert what["id"] in card
        assert tab.locator(".map-card img").count() == 1
        eventually(tab, lambda: pixels(tab) > 40, "it is not ringed")
        tab.mouse.click(*middle(tab))
        tab.locator("dialog[open]", has_text=what["id"]).wait_for()
        tab.keyboard.press("Escape")
        tab.locator(".map-groups .map-entry", has_text=what["label"].split("/")[0]).click()
        tab.mouse.move(*middle(tab))
        tab.wait_for_timeout(300)
        assert tab.is_hidden(".map-card")


@pytest.mark.parametrize("by", ["Shift", "button"])
def test_what_an_outline_holds_is_listed_and_searched_with(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    by: str,
) -> None:
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        found = points(tab)
        box = tab.locator(".map-over").bounding_box()
        x, y = found["x"], -found["y"]
        scale = min((box["width"] - 52) / np.ptp(x), (box["height"] - 52) / np.ptp(y))
        across = box["x"] + box["width"] / 2 + scale * (x - (x.min() + x.max()) / 2)
        along = box["y"] + box["height"] / 2 + scale * (y - (y.min() + y.max()) / 2)
        left, top = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.35
        right, bottom = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7
        inside = (across > left) & (across < right) & (along > top) & (along < bottom)
        assert 3 < inside.sum() < TOTAL
        tab.keyboard.down("Shift") if by == "Shift" else tab.click("text=Lasso")
        tab.mouse.move(left, top)
        tab.mouse.down()
        for corner in ((right, top), (right, bottom), (left, bottom)):
            tab.mouse.move(*corner, steps=3)
        tab.mouse.up()
        tab.keyboard.up("Shift")
        tab.wait_for_selector(".map-chosen .card")
        assert f"{inside.sum()} points in the outline" in tab.inner_text(".map-chosen")
        becomes(tab.locator(".map-chosen .card"), min(int(inside.sum()), AT_ONCE))
        first = entry(tab, int(np.flatnonzero(inside)[0]))
        assert tab.get_attribute(".map-chosen .card >> nth=0", "data-key") == first["key"]
        assert tab.get_attribute('text="Lasso"', "aria-pressed") == "false"
        tab.click(".map-chosen .card-link >> nth=0")
        settle(tab)
        assert f"entry=image:colours-1a2b3c:{first['id']}" in tab.url
        assert "the query" in tab.inner_text(".map-foot")
        tab.keyboard.press("Escape")
        tab.wait_for_selector(".map-chosen", state="hidden")


def test_keys_do_what_a_pointer_does(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        found = points(tab)
        row = lonely(found)
        tab.goto(f"{served.split('/?')[0]}/{MAP}&view1={view_of(found, row, 30)}")
        tab.reload()
        settle(tab)
        tab.locator(".map-over").focus()
        tab.keyboard.press("+")
        tab.keyboard.press("ArrowLeft")
        eventually(tab, lambda: zoom(tab) == pytest.approx(45, rel=0.01))
        settle(tab)
        tab.keyboard.press("Tab")
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".map-chosen .card")
        assert "in view" in tab.inner_text(".map-chosen")
        keys = [card.get_attribute("data-key") for card in tab.locator(".map-chosen .card").all()]
        assert entry(tab, row)["key"] in keys
        tab.keyboard.press("Escape")
        tab.locator(".map-over").focus()
        tab.keyboard.press("0")
        tab.locator(".map-groups .map-list").first.focus()
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".map-chosen .card")
        assert f"{TOTAL // 4} points of" in tab.inner_text(".map-chosen"), "a label's entries"


def test_two_models_are_linked_by_what_they_show(browser: Any, served: str) -> None:  # noqa: F811
    two = MAP + "&second=forms-1a2b3c"
    with explorer_page(browser, served, two) as tab:
        settle(tab)
        becomes(tab.locator(".map-pane"), 2)
        assert all(f"{TOTAL} embeddings" in foot for foot in tab.locator(".map-foot").all_inner_texts())
        found, other = points(tab), points(tab, "forms-1a2b3c")
        row = lonely(found)
        there = next(
            n for n in range(TOTAL) if entry(tab, n, "forms-1a2b3c")["key"] == entry(tab, row)["key"]
        )
        views = f"&view1={view_of(found, row, 30)}&view2={view_of(other, there, 30)}"
        tab.goto(f"{served.split('/?')[0]}/{two}{views}")
        tab.reload()
        settle(tab)
        assert pixels(tab, 1) == 0
        tab.mouse.move(*middle(tab))
        tab.wait_for_selector(".map-card:not([hidden])")
        eventually(tab, lambda: pixels(tab, 1) > 40, "the same picture is not ringed on the other map")
        tab.mouse.move(5, 5)
        eventually(tab, lambda: pixels(tab, 1) == 0)


def test_hostile_captions_are_text(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        tab.click("text=List view")
        cards = tab.locator(".map-chosen .card")
        for listed in range(AT_ONCE, TOTAL, AT_ONCE):
            becomes(cards, listed)
            tab.locator(".map-chosen button", has_text="more of").click()
        becomes(cards, TOTAL)
        assert TRICKY in tab.locator(".map-chosen .card-caption").all_text_contents()
        assert tab.locator(".map-chosen b, .map-chosen img[src='x']").count() == 0


@pytest.mark.parametrize("count", [1, 7, 400])
def test_the_grid_finds_what_a_loop_finds(browser: Any, served: str, count: int) -> None:  # noqa: F811
    rng = np.random.default_rng(count)
    places = rng.normal(size=(count, 2)).round(1)
    places[count // 2 :, 0] = places[count // 2, 0]
    hidden = rng.random(count) < 0.2
    asked = rng.normal(size=(60, 2)).round(2)
    polygon = np.array([[-1.01, -0.83], [0.97, -1.21], [0.23, 0.11], [1.13, 0.87], [-0.77, 1.09]])
    with explorer_page(browser, served, "#/search") as tab:
        told = tab.evaluate(
            """async ([x, y, hidden, asked, polygon]) => {
              const {Grid} = await import("/assets/map-index.js");
              const box = [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
              const grid = new Grid(Float64Array.from(x), Float64Array.from(y), box);
              const shown = (at) => !hidden[at];
              return {nearest: asked.map(([x, y]) => grid.nearest(x, y, .5, shown)),
                      inside: grid.inside(polygon, shown), none: grid.inside(polygon.slice(0, 2))};
            }""",
            [*places.T.tolist(), hidden.tolist(), asked.tolist(), polygon.tolist()],
        )
    for (x, y), row in zip(asked, told["nearest"], strict=True):
        gaps = np.where(hidden, np.inf, (places[:, 0] - x) ** 2 + (places[:, 1] - y) ** 2)
        best = int(gaps.argmin())
        assert row == (best if gaps[best] <= 0.25 else None)
    inside = [n for n, (x, y) in enumerate(places) if not hidden[n] and _crossings(x, y, polygon) % 2]
    assert told["inside"] == inside
    assert told["none"] == []


def _crossings(x: float, y: float, polygon: np.ndarray) -> int:
    """How many sides of a polygon a ray from (x, y) to the right meets."""
    met = 0
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, 1, axis=0), strict=True):
        if min(ay, by) <= y < max(ay, by):
            met += x < ax + (bx - ax) * (y - ay) / (by - ay)
    return met
