"""The map page in a real Chromium: its points, what is picked, outlined and compared, and where the query lies."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, explorer_page, served, settle  # noqa: F401
from tests.explorer.shapes import FORMS, SHAPES, TRICKY

MAP = "#/map?c=colours-1a2b3c:exact"
TOTAL = 3 * len(SHAPES)
BLUE, YELLOW, RED = (63, 144, 218), (255, 169, 14), (189, 31, 1)
"""The first three colours of groups."""
WITHOUT_WEBGL = """
const given = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === "webgl2" ? null : given.call(this, kind, ...more);
};"""


def points(tab: Any, source: str = "colours-1a2b3c", method: str = "pca") -> dict[str, np.ndarray]:
    """The numbers of a map as the server sends them; y points up."""
    numbers = tab.evaluate(
        "(path) => fetch(path).then((said) => said.arrayBuffer()).then((all) => [...new Float32Array(all)])",
        f"/api/map/points?source={source}&method={method}",
    )
    names = ("x", "y", "label", "modality", "correct", "cluster")
    return dict(zip(names, np.array(numbers).reshape(6, -1), strict=True))


def entry(tab: Any, row: int, source: str = "colours-1a2b3c") -> dict[str, Any]:
    """What a point is."""
    return tab.evaluate(
        """([source, row]) => fetch("/api/map/entries", {method: "POST",
             body: JSON.stringify({source, method: "pca", rows: [row]}),
             headers: {"Content-Type": "application/json"}}).then((said) => said.json())""",
        [source, row],
    )["entries"][0]


def lonely(found: dict[str, np.ndarray]) -> int:
    """The row of an image that lies farthest from all other points."""
    places = np.column_stack([found["x"], found["y"]])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    return int(np.where(found["modality"] == 0, gaps.min(axis=1), -1).argmax())


def view_of(found: dict[str, np.ndarray], row: int, zoom: float) -> str:
    """The address's words for a view with a point in the middle."""
    x, y = found["x"], -found["y"]
    return f"{(x[row] - x.min()) / np.ptp(x):.6f}:{(y[row] - y.min()) / np.ptp(y):.6f}:{zoom}"


def middle(tab: Any, number: int = 0) -> tuple[float, float]:
    """The pixel in the middle of a map."""
    box = tab.locator(".map-over").nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drawn(tab: Any, colour: tuple[int, int, int], number: int = 0) -> int:
    """How many pixels of a map have about this colour; pale ones are mixed with the page's."""
    tab.wait_for_timeout(120)
    shot = Image.open(io.BytesIO(tab.locator(".map-plot").nth(number).screenshot())).convert("RGB")
    return int((np.abs(np.asarray(shot, int)[50:] - colour).max(axis=2) < 60).sum())


def pixels(tab: Any, number: int = 0) -> int:
    """How many pixels near the middle of a map have a ring or a mark over them."""
    tab.wait_for_timeout(120)
    return tab.evaluate(
        """(number) => {
          const canvas = document.querySelectorAll(".map-over")[number], {width, height} = canvas;
          const near = canvas.getContext("2d").getImageData(width / 2 - 20, height / 2 - 20, 40, 40).data;
          return near.filter((value, at) => at % 4 === 3 && value > 0).length;
        }""",
        number,
    )


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
        before = drawn(tab, BLUE), drawn(tab, YELLOW)
        assert min(before) > 200
        tab.click(".map-groups .map-entry >> nth=0")
        assert drawn(tab, BLUE) < 0.1 * before[0]
        assert drawn(tab, YELLOW) > 0.7 * before[1]
        tab.click("text=none")
        assert drawn(tab, YELLOW) < 0.1 * before[1]
        tab.click(".map-legend-head button:text-is('all')")
        tab.click(".map-shapes .map-entry >> nth=1")
        assert 0 < drawn(tab, BLUE) < 0.8 * before[0], "the texts are gone"


@pytest.mark.parametrize(
    ("color", "names"),
    [("modality", ["image", "text"]), ("correct", ["correct", "not correct"]), ("label", ["angular", "round"])],
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
            assert told == {"correct": (found["correct"] == 1).sum(), "not correct": (found["correct"] == 0).sum()}
            assert "first entry that it finds is correct" in tab.inner_text(".map-legend")
        else:
            assert told == {"image": len(SHAPES), "text": 2 * len(SHAPES)}


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
        assert pixels(tab) > 40, "it is ringed"
        tab.mouse.click(*middle(tab))
        tab.wait_for_selector("dialog[open]")
        assert what["id"] in tab.inner_text("dialog[open]")
        tab.keyboard.press("Escape")
        tab.locator(".map-groups .map-entry", has_text=what["label"].split("/")[0]).click()
        tab.mouse.move(*middle(tab))
        tab.wait_for_timeout(300)
        assert tab.is_hidden(".map-card")


def test_what_an_outline_holds_is_listed_and_searched_with(browser: Any, served: str) -> None:  # noqa: F811
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
        tab.keyboard.down("Shift")
        tab.mouse.move(left, top)
        tab.mouse.down()
        for corner in ((right, top), (right, bottom), (left, bottom)):
            tab.mouse.move(*corner, steps=3)
        tab.mouse.up()
        tab.keyboard.up("Shift")
        tab.wait_for_selector(".map-chosen .card")
        assert f"{inside.sum()} points in the outline" in tab.inner_text(".map-chosen")
        becomes(tab.locator(".map-chosen .card"), min(int(inside.sum()), 48))
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
        tab.wait_for_timeout(700)
        settle(tab)
        zoom = float(tab.url.split("view1=")[1].split("&")[0].split(":")[2])
        assert zoom == pytest.approx(45, rel=0.01)
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
        there = next(n for n in range(TOTAL) if entry(tab, n, "forms-1a2b3c")["key"] == entry(tab, row)["key"])
        views = f"&view1={view_of(found, row, 30)}&view2={view_of(other, there, 30)}"
        tab.goto(f"{served.split('/?')[0]}/{two}{views}")
        tab.reload()
        settle(tab)
        assert pixels(tab, 1) == 0
        tab.mouse.move(*middle(tab))
        tab.wait_for_selector(".map-card:not([hidden])")
        assert pixels(tab, 1) > 40, "the same picture is ringed on the other map"
        tab.mouse.move(5, 5)
        assert pixels(tab, 1) == 0


def test_the_query_is_marked_with_how_it_was_placed(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&q=a+large+red+circle") as tab:
        settle(tab)
        assert "the query, projected exactly" in tab.inner_text(".map-foot")
        with tab.expect_response("**/api/map/position") as answered:
            tab.click("text=t-SNE")
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


def test_hostile_captions_are_text(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        tab.click("text=List view")
        tab.wait_for_selector(".map-chosen .card")
        while tab.locator(".map-chosen button", has_text="more of").count():
            tab.locator(".map-chosen button", has_text="more of").click()
            tab.wait_for_timeout(150)
        becomes(tab.locator(".map-chosen .card"), TOTAL)
        assert TRICKY in tab.locator(".map-chosen .card-caption").all_text_contents()
        assert tab.locator(".map-chosen b, .map-chosen img[src='x']").count() == 0


def test_without_webgl_the_points_are_drawn_all_the_same(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served) as tab:
        tab.add_init_script(WITHOUT_WEBGL)
        tab.goto(f"{served.split('/?')[0]}/{MAP}&level=all")
        tab.reload()
        settle(tab)
        assert "without WebGL 2" in tab.inner_text(".map-foot")
        before = drawn(tab, BLUE)
        assert before > 200
        tab.click(".map-groups .map-entry >> nth=0")
        assert drawn(tab, BLUE) < 0.1 * before


def test_a_lost_graphics_context_comes_back(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&level=all") as tab:
        settle(tab)
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
        assert drawn(tab, BLUE) == pytest.approx(before, rel=0.05)


def test_colours_follow_light_and_dark(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP + "&level=all", color_scheme="dark") as tab:
        settle(tab)
        assert drawn(tab, BLUE) > 100
        dark, light = (27, 32, 40), (246, 247, 249)
        assert drawn(tab, dark) > 10 * drawn(tab, light)
        tab.emulate_media(color_scheme="light")
        assert drawn(tab, light) > 10 * drawn(tab, dark)
        assert drawn(tab, BLUE) > 100


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
              const grid = new Grid(Float64Array.from(x), Float64Array.from(y), box), shown = (at) => !hidden[at];
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
