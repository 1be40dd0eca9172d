"""The map page in a real Chromium: points and colours, the query's place, and what WebGL lacks."""

from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, eventually, explorer_page, served, settle  # noqa: F401
from tests.explorer.plots import drawn, middle, points
from tests.explorer.shapes import FORMS, SHAPES

MAP = "#/map?c=colours-1a2b3c:exact"
TOTAL = 3 * len(SHAPES)
BLUE, YELLOW = (63, 144, 218), (255, 169, 14)
"""The first two colours of groups."""
WITHOUT_WEBGL = """
const given = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : given.call(this, kind, ...more);
};"""

COUNTED = """
window.drawn = [];
const given = WebGL2RenderingContext.prototype.drawElements;
WebGL2RenderingContext.prototype.drawElements = function (kind, count, ...more) {
  window.drawn.push(count);
  return given.call(this, kind, count, ...more);
};"""

QUIET = """async () => {
  const before = window.drawn.length;
  await new Promise((done) => setTimeout(done, 200));
  return window.drawn.length === before;
}"""
"""Whether nothing was drawn for 200 ms."""


def test_all_embeddings_are_drawn_and_can_be_switched_off(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&level=all") as tab:
        settle(tab)
        assert f"{TOTAL} embeddings" in tab.inner_text(".map-foot")
        assert "of the variance" in tab.inner_text(".map-foot")
        names = tab.locator(".map-groups .map-name").all_text_contents()
        assert sorted(names) == sorted(FORMS.values())
        numbers = tab.locator(".map-groups .map-number").all_text_contents()
        assert sum(int(number) for number in numbers) == TOTAL
        assert tab.locator(".map-shapes .map-number").all_text_contents() == ["48", "96"]
        assert tab.get_attribute(".map-plot", "data-drawn") == "webgl2"
        eventually(tab, lambda: min(drawn(tab, BLUE), drawn(tab, YELLOW)) > 200)
        before = drawn(tab, BLUE), drawn(tab, YELLOW)
        tab.click(".map-groups .map-entry >> nth=0")
        eventually(tab, lambda: drawn(tab, BLUE) < 0.1 * before[0])
        assert drawn(tab, YELLOW) > 0.7 * before[1]
        tab.click("text=none")
        eventually(tab, lambda: drawn(tab, YELLOW) < 0.1 * before[1])
        tab.click(".map-legend-head button:text-is('all')")
        tab.click(".map-shapes .map-entry >> nth=1")
        eventually(tab, lambda: 0.1 * before[0] < drawn(tab, BLUE) < before[0], "the texts are gone")
        tab.click(".map-shapes .map-entry >> nth=0")
        eventually(tab, lambda: drawn(tab, BLUE) < 0.1 * before[0], "so are the images")


@pytest.mark.parametrize(
    ("color", "names"),
    [
        ("modality", ["image", "text"]),
        ("correct", ["correct", "not correct"]),
        ("label", ["angular", "round"]),
    ],
)
def test_colours_count_what_the_server_sends(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    color: str,
    names: list[str],
) -> None:
    with explorer_page(browser, served, f"{MAP}&color={color}&level=top") as tab:
        settle(tab)
        found = points(tab)
        told = dict(
            zip(
                tab.locator(".map-groups .map-name").all_text_contents(),
                [int(n) for n in tab.locator(".map-groups .map-number").all_text_contents()],
                strict=True,
            )
        )
        assert sorted(told) == sorted(names)
        if color == "label":
            assert told == {"angular": TOTAL // 2, "round": TOTAL // 2}
        elif color == "correct":
            assert told == {
                "correct": (found["correct"] == 1).sum(),
                "not correct": (found["correct"] == 0).sum(),
            }
            assert "first entry that it finds is correct" in tab.inner_text(".map-legend")
        else:
            assert told == {"image": len(SHAPES), "text": 2 * len(SHAPES)}


def test_the_query_is_marked_with_how_it_was_placed(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&q=a+large+red+circle") as tab:
        settle(tab)
        assert "the query, projected exactly" in tab.inner_text(".map-foot")
        with tab.expect_response("**/api/map/position") as answered:
            tab.click("text=t-SNE")
            tab.wait_for_selector("text=Computing: drawing tsne of colours")
        settle(tab)
        said = answered.value.json()["said"]
        assert "nearest points" in said
        assert said in tab.inner_text(".map-foot")
        assert "method=tsne" in tab.url
        tab.click('[aria-label="Clear the query"]')
        settle(tab)
        assert "query" not in tab.inner_text(".map-foot")
    stored = "#/map?q=a+red+circle&c=stored-1a2b3c:exact"
    with explorer_page(browser, served, stored, refused="/api/map/position") as tab:
        settle(tab)
        assert "the query is not on this map" in tab.inner_text(".map-foot")
        assert f"{TOTAL} embeddings" in tab.inner_text(".map-foot"), "the map itself is there"


def test_without_webgl_the_points_are_drawn_all_the_same(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served) as tab:
        tab.add_init_script(WITHOUT_WEBGL)
        tab.goto(f"{served.split('/?')[0]}/{MAP}&level=all")
        tab.reload()
        settle(tab)
        assert "without WebGL 2" in tab.inner_text(".map-foot")
        eventually(tab, lambda: drawn(tab, BLUE) > 200)
        before = drawn(tab, BLUE)
        tab.click(".map-groups .map-entry >> nth=0")
        eventually(tab, lambda: drawn(tab, BLUE) < 0.1 * before)


def test_moving_draws_all_points_in_one_call_and_pointing_none(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served) as tab:
        tab.add_init_script(COUNTED)
        tab.goto(f"{served.split('/?')[0]}/{MAP}")
        tab.reload()
        settle(tab)
        x, y = middle(tab)
        tab.mouse.move(x, y)
        tab.mouse.move(x + 9, y + 9, steps=5)
        eventually(tab, lambda: tab.evaluate(QUIET), "the page goes on drawing")
        tab.evaluate("drawn.splice(0)")
        tab.mouse.move(x - 40, y + 30, steps=10)
        tab.wait_for_timeout(100)
        assert tab.evaluate("drawn") == [], "rings lie on a canvas of their own"
        tab.mouse.down()
        tab.mouse.move(x + 60, y, steps=8)
        tab.mouse.up()
        eventually(tab, lambda: tab.evaluate("drawn.at(-1)") == TOTAL)
        eventually(tab, lambda: tab.evaluate(QUIET), "the page goes on drawing")
        calls = tab.evaluate("drawn")
        assert 1 <= len(calls) <= 8 + 2
        assert calls[-1] == TOTAL


def test_a_lost_graphics_context_comes_back(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&level=all") as tab:
        settle(tab)
        eventually(tab, lambda: drawn(tab, BLUE) > 200)
        before = drawn(tab, BLUE)
        tab.evaluate(
            """async () => {
              const canvas = document.querySelector(".map-base");
              const lost = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
              const told = new Promise((done) => canvas.addEventListener("webglcontextrestored", done));
              lost.loseContext();
              await new Promise((done) => setTimeout(done, 50));
              lost.restoreContext();
              await told;
            }"""
        )
        eventually(tab, lambda: drawn(tab, BLUE) == pytest.approx(before, rel=0.05))


def test_colours_follow_light_and_dark(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&level=all", color_scheme="dark") as tab:
        settle(tab)
        eventually(tab, lambda: drawn(tab, BLUE) > 100)
        dark, light = (27, 32, 40), (246, 247, 249)
        assert drawn(tab, dark) > 10 * drawn(tab, light)
        tab.emulate_media(color_scheme="light")
        eventually(tab, lambda: drawn(tab, light) > 10 * drawn(tab, dark))
        eventually(tab, lambda: drawn(tab, BLUE) > 100)


def test_what_can_not_be_shown_is_said(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, "#/map?first=gone&c=colours-1a2b3c:exact") as tab:
        settle(tab)
        assert "gone is not open here" in tab.inner_text(".map-plot")
        tab.select_option('[aria-label="Model of the map"]', "colours-1a2b3c")
        settle(tab)
        assert f"{TOTAL} embeddings" in tab.inner_text(".map-foot")


def test_a_phone_shows_it_all(browser: Any, served: str) -> None:  # noqa: F811
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with explorer_page(browser, served, MAP + "&second=forms-1a2b3c", **phone) as tab:
        settle(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        boxes = [plot.bounding_box() for plot in tab.locator(".map-plot").all()]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"], "one below the other"
        assert all(box["width"] > 340 for box in boxes)
