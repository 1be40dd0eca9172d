"""The graph page in a real Chromium: what its lines and rings tell, and where its pictures lead."""

import colorsys
import re
from itertools import combinations, pairwise
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, eventually, explorer_page, served, settle  # noqa: F401
from tests.explorer.plots import circles, graph_of
from tests.explorer.shapes import SHAPES

RED = "#/graph?q=a+large+red+circle&c=colours-1a2b3c:exact"
CAPTION = "#/graph?entry=text:colours-1a2b3c:large-red-circle%230&c=colours-1a2b3c:exact"


def test_edges_are_thicker_and_less_saturated_the_more_similar(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        found = tab.evaluate(
            """() => [...document.querySelectorAll(".graph-svg .graph-edge")].map((line) => {
              const {stroke, strokeWidth} = getComputedStyle(line);
              return [Number(line.style.getPropertyValue("--weight")), parseFloat(strokeWidth), stroke];
            })"""
        )
        said = graph_of(tab, query={"text": "a large red circle"})
        assert sorted(edge["weight"] for edge in said["edges"]) == sorted(weight for weight, _, _ in found)
        by_weight = sorted(found)
        widths = [width for _, width, _ in by_weight]
        saturations = [
            colorsys.rgb_to_hls(*(float(part) / 255 for part in re.findall(r"[\d.]+", stroke)[:3]))[2]
            for _, _, stroke in by_weight
        ]
        assert widths == sorted(widths)
        assert widths[-1] > 3 * widths[0]
        assert all(later <= earlier + 0.02 for earlier, later in pairwise(saturations))
        assert saturations[0] > 0.7 > 0.2 > saturations[-1]
        ends = tab.inner_text(".graph-ends")
        assert f"{said['scale']['low']:.2f}" in ends
        assert f"{said['scale']['high']:.2f}" in ends


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, {"width": 390, "height": 844}])
def test_no_picture_covers_another_or_the_query_in_the_middle(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    viewport: dict[str, int],
) -> None:
    with explorer_page(browser, served, RED, viewport=viewport) as tab:
        settle(tab)
        found = circles(tab)
        assert len(found) == len(SHAPES) + 1
        for one, other in combinations(found, 2):
            far = ((one["x"] - other["x"]) ** 2 + (one["y"] - other["y"]) ** 2) ** 0.5
            assert far > one["radius"] + other["radius"] - 2, (one, other)
        query = found[-1]
        assert query["x"] == pytest.approx(query["across"] / 2, abs=1)
        assert query["y"] == pytest.approx(query["along"] / 2, abs=1)
        assert all(c["radius"] <= c["x"] + 2 and c["x"] + c["radius"] <= c["across"] + 2 for c in found)
        assert all(c["radius"] <= c["y"] + 2 and c["y"] + c["radius"] <= c["along"] + 2 for c in found)
        tab.reload()
        settle(tab)
        assert circles(tab) == found, "the same query, the same picture"
        assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_a_picture_tells_its_scores_and_leads_to_what_resembles_it(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        said = graph_of(tab, query={"text": "a large red circle"})
        first = said["nodes"][0]
        tab.hover('.graph-node[data-at="0"]')
        card = tab.inner_text(".graph-card")
        assert first["text"] in card
        assert f"{first['similarity']:.3f}" in card
        own = [edge for edge in said["edges"] if 0 in (edge["a"], edge["b"])]
        becomes(tab.locator(".graph-edge.lit"), len(own))
        becomes(tab.locator(".graph-node.lit"), len(own) + 1)
        numbers = tab.locator(".graph-says text").all_text_contents()
        wanted = [f"{edge['similarity']:.2f}" for edge in own] + [f"{first['similarity']:.2f}"]
        assert sorted(numbers) == sorted(wanted)
        tab.click('.graph-node[data-at="0"]')
        settle(tab)
        assert f"entry=image:colours-1a2b3c:{first['id']}" in tab.url
        becomes(tab.locator(".graph-node"), len(SHAPES) - 1)
        assert tab.locator(".graph-query image").count() == 1, "the picture is the query now"
        tab.go_back()
        settle(tab)
        assert tab.inner_text(".graph-query .graph-words") == "a large red circle"


def test_keys_go_from_picture_to_picture_and_search(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        assert tab.locator('.graph-node[tabindex="0"]').count() == 1, "one stop of the tab key"
        tab.locator('.graph-node[tabindex="0"]').focus()
        before = circles(tab)[0]
        tab.keyboard.press("ArrowLeft" if before["x"] > before["across"] / 2 else "ArrowRight")
        at = int(tab.evaluate("document.activeElement.dataset.at"))
        after = circles(tab)[at]
        assert (after["x"] < before["x"]) == (before["x"] > before["across"] / 2)
        name = tab.evaluate("document.activeElement.getAttribute('aria-label')")
        assert f"rank {at + 1}" in name
        assert "similarity" in name
        assert "cluster" in name
        assert tab.inner_text(".graph-card-name") in name
        tab.keyboard.press("i")
        tab.wait_for_selector("dialog[open]")
        tab.keyboard.press("Escape")
        id_ = tab.evaluate("document.activeElement.dataset.key").split(":")[-1]
        tab.keyboard.press("Enter")
        settle(tab)
        assert f":{id_}&" in tab.url


def test_clusters_are_chosen_or_set_and_stay_lit_by_the_address(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        said = graph_of(tab, query={"text": "a large red circle"})
        becomes(tab.locator(".graph-clusters li"), said["clusters"]["count"])
        assert "have the best" in tab.inner_text(".graph-clusters")
        tab.select_option('[aria-label="How many clusters"]', "3")
        settle(tab)
        assert "gk=3" in tab.url
        sizes = [int(text.split()[0]) for text in tab.locator(".graph-cluster .tabular").all_text_contents()]
        assert len(sizes) == 3
        assert sum(sizes) == len(SHAPES)
        rings = tab.evaluate(
            "[...document.querySelectorAll('.graph-node')].map((node) => [node.dataset.cluster, "
            "getComputedStyle(node.querySelector('.graph-ring')).stroke])"
        )
        assert len({stroke for _, stroke in rings}) == len({tuple(ring) for ring in rings}) == 3
        tab.click(".graph-cluster >> nth=1")
        settle(tab)
        assert "gc=2" in tab.url
        tab.mouse.move(5, 5)
        tab.reload()
        settle(tab)
        becomes(tab.locator(".graph-node.lit"), sizes[1])
        assert tab.locator(".graph-node.lit:not([data-cluster='1'])").count() == 0
        assert tab.get_attribute(".graph-cluster >> nth=1", "aria-pressed") == "true"
        tab.hover(".graph-cluster >> nth=2")
        becomes(tab.locator(".graph-node.lit[data-cluster='2']"), sizes[2])


def test_what_is_correct_bears_a_tick(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, CAPTION) as tab:
        settle(tab)
        becomes(tab.locator(".graph-tick"), 1)
        name = tab.get_attribute(".graph-node:has(.graph-tick)", "aria-label")
        assert "a large red circle" in name
        assert "correct" in name
        assert "1 correct" in tab.inner_text(".graph-tools")
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        assert tab.locator(".graph-tick").count() == 0, "nobody knows what is correct for free text"


def test_texts_are_words_in_circles(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED + "&among=text&gn=20") as tab:
        settle(tab)
        becomes(tab.locator(".graph-node"), 20)
        assert tab.locator(".graph-node image").count() == 0
        assert "a large red circle" in tab.locator(".graph-node .graph-words").all_inner_texts()


def test_the_plot_is_moved_and_zoomed_without_searching(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        url, before = tab.url, circles(tab)
        frame = tab.locator(".graph-svg").bounding_box()
        x, y = frame["x"] + before[0]["x"], frame["y"] + before[0]["y"]
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x + 30, y + 20, steps=4)
        tab.mouse.up()
        assert tab.url == url, "a drag that began on a picture is no click on it"
        assert circles(tab)[0]["x"] == pytest.approx(before[0]["x"] + 30, abs=1)
        tab.mouse.move(x + 30, y + 20)
        tab.mouse.wheel(0, -300)
        eventually(tab, lambda: circles(tab)[0]["radius"] > 1.3 * before[0]["radius"])
        zoomed = circles(tab)[0]
        assert zoomed["x"] == pytest.approx(before[0]["x"] + 30, abs=2), "the pointer's place stays"
        tab.click('[aria-label="See all (0)"]')
        assert circles(tab)[0] == before[0]


def test_a_finger_sees_the_scores_first(browser: Any, served: str) -> None:  # noqa: F811
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with explorer_page(browser, served, RED, **phone) as tab:
        settle(tab)
        url = tab.url
        tab.tap('.graph-node[data-at="1"]')
        tab.wait_for_selector(".graph-card .facts")
        assert tab.url == url
        tab.tap('.graph-node[data-at="1"]')
        settle(tab)
        assert "entry=image" in tab.url


def test_another_model_and_index_leave_the_columns_alone(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED) as tab:
        settle(tab)
        assert "red" in tab.get_attribute('.graph-node[data-at="3"]', "aria-label")
        tab.select_option('[aria-label="Model of the graph"]', "forms-1a2b3c")
        settle(tab)
        assert "circle" in tab.get_attribute('.graph-node[data-at="3"]', "aria-label")
        tab.select_option('[aria-label="Index of the graph"]', "binary")
        settle(tab)
        assert "gindex=binary" in tab.url
        assert "c=colours-1a2b3c:exact" in tab.url


def test_what_can_not_be_drawn_is_said(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, "#/graph?c=colours-1a2b3c:exact") as tab:
        settle(tab)
        assert "Nothing is asked yet" in tab.inner_text(".graph-notice")
        assert not tab.is_visible(".graph-body")
    with explorer_page(browser, served, RED + "&label=no/such") as tab:
        settle(tab)
        assert "no/such" in tab.inner_text(".graph-notice")
        tab.click("text=Search in all labels")
        settle(tab)
        becomes(tab.locator(".graph-node"), len(SHAPES))
    stored = "#/graph?q=a+red+circle&c=stored-1a2b3c:exact"
    with explorer_page(browser, served, stored, refused="/api/graph") as tab:
        settle(tab)
        assert "no encoder" in tab.inner_text(".graph-notice")
        tab.select_option('[aria-label="Model of the graph"]', "colours-1a2b3c")
        settle(tab)
        becomes(tab.locator(".graph-node"), len(SHAPES))


def test_few_results_make_one_cluster(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED + "&gn=1") as tab:
        settle(tab)
        becomes(tab.locator(".graph-node"), 1)
        assert "there is nothing to divide" in tab.inner_text(".graph-clusters")
        assert tab.locator(".graph-scale").count() == 0, "no edges, no scale of edges"
