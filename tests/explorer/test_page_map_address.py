"""The map's address reproduces what the legend hides and the outline whose points are listed."""

from typing import Any

import numpy as np
import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, eventually, explorer_page, served, settle  # noqa: F401
from tests.explorer.plots import points
from tests.explorer.shapes import SHAPES

MAP = "#/map?c=colours-1a2b3c:exact&level=all"
TOTAL = 3 * len(SHAPES)
MIDDLE = "0.3:0.3:0.7:0.3:0.7:0.7:0.3:0.7"


def pressed(tab: Any, where: str = ".map-groups") -> dict[str, bool]:
    """The names of a legend, and whether each is on."""
    found = tab.locator(f"{where} .map-entry")
    pairs = "all => all.map((each) => [each.title, each.getAttribute('aria-pressed') === 'true'])"
    return dict(found.evaluate_all(pairs))


def listed(tab: Any) -> str:
    """The title of the list of points."""
    return tab.locator(".map-chosen h3").inner_text()


def held(tab: Any, source: str = "colours-1a2b3c") -> int:
    """How many points lie in the outline MIDDLE, by the server's numbers."""
    found = points(tab, source)
    x, y = ((values - values.min()) / np.ptp(values) for values in (found["x"], -found["y"]))
    return int(((abs(x - 0.5) < 0.2) & (abs(y - 0.5) < 0.2)).sum())


def test_a_link_hides_what_was_hidden(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        names = list(pressed(tab))
        tab.click(".map-groups .map-entry >> nth=1")
        tab.click(".map-shapes .map-entry >> nth=1")
        tab.wait_for_url("**off=**")
        tab.wait_for_url("**without=text**")
        tab.reload()
        settle(tab)
        assert pressed(tab) == {name: name != names[1] for name in names}
        assert pressed(tab, ".map-shapes") == {"image": True, "text": False}
        tab.click("#nav >> text=Graph")
        settle(tab)
        tab.go_back()
        settle(tab)
        assert not pressed(tab)[names[1]]
        tab.click(".map-groups .map-entry >> nth=1")
        tab.click(".map-shapes .map-entry >> nth=1")
        settle(tab)
        assert "off=" not in tab.url
        assert "without=" not in tab.url


def test_of_many_hidden_ones_the_address_names_the_others(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        names = list(pressed(tab))
        tab.click(".map-legend-head button:text-is('none')")
        tab.wait_for_url("**off=-&**")
        tab.reload()
        settle(tab)
        assert not any(pressed(tab).values())
        tab.click(".map-groups .map-entry >> nth=2")
        settle(tab)
        tab.reload()
        settle(tab)
        assert pressed(tab) == {name: name == names[2] for name in names}
        tab.click(".map-legend-head button:text-is('all')")
        settle(tab)
        assert "off=" not in tab.url


def test_who_switches_by_keys_keeps_the_focus(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        first = tab.locator(".map-groups .map-entry").first
        first.focus()
        for on in ("false", "true", "false"):
            tab.keyboard.press("Enter")
            settle(tab)
            assert tab.evaluate("document.activeElement.getAttribute('aria-pressed')") == on
            assert ("off=" in tab.url) == (on == "false")


def test_other_colours_hide_nothing(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        tab.click(".map-groups .map-entry >> nth=0")
        tab.click(".map-shapes .map-entry >> nth=0")
        tab.wait_for_url("**without=image**")
        tab.get_by_role("radio", name="modality").check(force=True)
        tab.wait_for_url("**color=modality**")
        settle(tab)
        assert pressed(tab) == {"image": True, "text": True}
        assert "off=" not in tab.url
        assert "without=" not in tab.url


def test_a_link_lists_what_was_outlined(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, MAP) as tab:
        settle(tab)
        many = held(tab)
        box = tab.locator(".map-over").bounding_box()
        tab.keyboard.down("Shift")
        tab.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.3 * box["height"])
        tab.mouse.down()
        for x, y in ((0.7, 0.25), (0.75, 0.7), (0.5, 0.8), (0.3, 0.7)):
            tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=20)
        tab.mouse.up()
        tab.keyboard.up("Shift")
        tab.wait_for_url("**lasso=1:**")
        tab.locator(".map-chosen .card").first.wait_for()
        cards = "all => all.map((each) => each.dataset.key)"
        before = listed(tab), tab.locator(".map-chosen .card").evaluate_all(cards)
        outline = tab.url.split("lasso=")[1].split("&")[0].split(":")
        assert len(outline) == 11, "five corners, without those on straight lines"
        tab.reload()
        tab.locator(".map-chosen .card").first.wait_for()
        becomes(tab.locator(".map-chosen .card"), len(before[1]))
        assert (listed(tab), tab.locator(".map-chosen .card").evaluate_all(cards)) == before
        tab.go_back()
        tab.wait_for_selector(".map-chosen", state="hidden")
        assert "lasso=" not in tab.url
        tab.go_forward()
        tab.wait_for_selector(".map-chosen .card")
        assert listed(tab) == before[0]
        tab.goto(f"{served.split('/?')[0]}/{MAP}&lasso=1:{MIDDLE}")
        eventually(tab, lambda: listed(tab) == f"{many} points in the outline", "another outline by its link")


def test_an_outline_follows_the_legend_and_gives_way(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"{MAP}&lasso=1:{MIDDLE}") as tab:
        settle(tab)
        assert listed(tab) == f"{held(tab)} points in the outline"
        tab.click(".map-legend-head button:text-is('none')")
        eventually(tab, lambda: listed(tab) == "0 points in the outline", "what is hidden is not listed")
        tab.click(".map-legend-head button:text-is('all')")
        eventually(tab, lambda: listed(tab) == f"{held(tab)} points in the outline")
        tab.locator(".map-groups .map-list").first.click()
        eventually(tab, lambda: listed(tab).startswith(f"{TOTAL // 4} points of "))
        settle(tab)
        assert "lasso=" not in tab.url
        assert listed(tab).startswith(f"{TOTAL // 4} points of "), "another list stays"
        tab.goto(f"{served.split('/?')[0]}/{MAP}&lasso=1:{MIDDLE}")
        eventually(tab, lambda: "in the outline" in listed(tab))
        tab.keyboard.press("Escape")
        tab.wait_for_selector(".map-chosen", state="hidden")
        settle(tab)
        assert "lasso=" not in tab.url


def test_an_outline_is_drawn_and_moves_with_the_map(browser: Any, served: str) -> None:  # noqa: F811
    painted = """() => {
      const {width, height} = document.querySelector(".map-over");
      const pen = document.querySelector(".map-over").getContext("2d");
      const {data} = pen.getImageData(0, 0, width, height);
      return data.filter((value, at) => at % 4 === 3 && value > 0).length;
    }"""
    with explorer_page(browser, served, f"{MAP}&lasso=1:{MIDDLE}") as tab:
        settle(tab)
        eventually(tab, lambda: tab.evaluate(painted) > 500, "it is painted")
        before = tab.evaluate(painted)
        tab.locator(".map-over").focus()
        tab.keyboard.press("-")
        tab.keyboard.press("-")
        eventually(tab, lambda: tab.evaluate(painted) < 0.7 * before, "it becomes smaller with the map")
        tab.keyboard.press("Escape")
        eventually(tab, lambda: tab.evaluate(painted) == 0, "it goes with the list")


def test_an_outline_may_lie_on_the_second_map(browser: Any, served: str) -> None:  # noqa: F811
    two = f"{MAP}&second=forms-1a2b3c&lasso=2:{MIDDLE}"
    with explorer_page(browser, served, two) as tab:
        settle(tab)
        becomes(tab.locator(".map-pane"), 2)
        assert listed(tab) == f"{held(tab, 'forms-1a2b3c')} points in the outline"
        tab.select_option('[aria-label="Compared with"]', "")
        tab.wait_for_selector(".map-chosen", state="hidden")
        assert "lasso=" not in tab.url


@pytest.mark.parametrize(
    "hostile",
    [
        "off=<img src=x onerror=alert(1)>",
        "off=--aaaaaa",
        "off=aaaaa",
        "without=sound.__proto__",
        "lasso=1",
        "lasso=3:0:0:1:0:1:1",
        "lasso=1:0:0:1:0:1",
        "lasso=1:0:0:1:0:1:1e999",
        "lasso=1:0:0:1:0:1:Infinity",
        "lasso=1:0:0:1:0:1:0x10",
        "lasso=1:0:0:1:0:1:-101",
        "lasso=1:" + ":".join(["0.5"] * 82),
        "lasso=__proto__:0:0:1:0:1:1",
        "lasso=2:0:0:1:0:1:1",
        "lasso=1:" + "9" * 5000,
    ],
)
def test_what_no_page_wrote_hides_and_lists_nothing(browser: Any, served: str, hostile: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"{MAP}&{hostile}") as tab:
        settle(tab)
        assert f"{TOTAL} embeddings" in tab.inner_text(".map-foot")
        assert all(pressed(tab).values())
        assert all(pressed(tab, ".map-shapes").values())
        assert tab.is_hidden(".map-chosen")


@pytest.mark.parametrize("size", [1e-4, 0.3, 1.5])
def test_an_outline_of_many_corners_is_simplified_and_keeps_its_shape(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    size: float,
) -> None:
    turn = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    star = size * (1 + 0.3 * np.cos(5 * turn)) * [np.cos(turn), np.sin(turn)] + 0.4
    with explorer_page(browser, served, "#/search") as tab:
        text, found, again = tab.evaluate(
            """async (polygon) => {
              const {readOutline, writeOutline} = await import("/assets/map-outline.js");
              const text = writeOutline(0, polygon), found = readOutline(text);
              return [text, found, writeOutline(0, found.corners)];
            }""",
            star.T.tolist(),
        )
    corners = np.array(found["corners"])
    assert found["pane"] == 0
    assert 5 <= len(corners) <= 40
    assert len(text) < 1000
    assert text == again, "what is read is written as it was"
    assert _area(corners) == pytest.approx(_area(star.T), rel=0.03)
    gaps = np.linalg.norm(corners[:, None] - star.T[None], axis=2).min(axis=1)
    assert gaps.max() < 0.002 * size, "each corner was one"


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
