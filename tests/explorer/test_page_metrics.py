"""The metrics page: board, classes and ledger show what the server computed, and lead on to a search."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.metrics_page import section, texts
from tests.explorer.pages import becomes, column, explorer_page, served, settle  # noqa: F401
from tests.explorer.shapes import Eye, Shapes
from tests.explorer.worlds import served as serving
from tests.reporting.synthetic_runs import config, finished, queries, result
from xmr.explorer.client import Explorer as Client
from xmr.explorer.service import Explorer
from xmr.explorer.sources import Source

METRIC = "text_to_image/recall@1"
SECTIONS = ("board", "classes", "compression", "words", "differences")


def run_of(folder: Path, name: str, right: np.ndarray, loss: str) -> Source:
    """A source with a run of that recall in each of its queries."""
    recall = float(right.mean())
    intervals = {"mean_recall": [recall - 0.05, recall + 0.05]}
    finished(folder / "runs" / name, recall, settings=config(loss=loss), intervals=intervals)
    queries(folder / "runs" / name, right)
    made = Shapes(folder, name, Eye((1, 1, 1), 0.1, seed=1))
    made.about = replace(made.about, run=folder / "runs" / name)
    return Source(made)


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an explorer of three runs with results, the last far behind, and an older one."""
    folder = tmp_path_factory.mktemp("ranked")
    good = np.arange(400) < 300
    nearly, far = good.copy(), np.arange(400) >= 280
    nearly[:2] = False
    sources = [
        run_of(folder, "far", far, "Triplet"),
        run_of(folder, "good", good, "InfoNCE"),
        run_of(folder, "nearly", nearly, "SigLIP"),
    ]
    old = Shapes(folder, "old", Eye((1, 1, 1), 0.1, seed=1))
    old.about = replace(old.about, run=result(folder / "runs" / "old", 0.5, schema_version=1))
    with serving(Explorer([*sources, Source(old)])) as running:
        yield running.access.url


def test_the_board_ranks_the_runs_and_says_what_the_letters_mean(browser: Any, ranked: str) -> None:  # noqa: F811
    with explorer_page(browser, ranked, "#/metrics") as tab:
        rows = tab.locator(".metrics-board tbody tr")
        models = rows.locator(".metrics-model > div:first-child")
        assert texts(models) == ["loss=InfoNCE", "loss=SigLIP", "loss=Triplet"]
        focus = rows.locator(".metrics-focus")
        assert texts(focus) == ["a 75.0 70.0 – 80.0", "a 74.5 69.5 – 79.5", "b 30.0 25.0 – 35.0"]
        said = tab.locator(".metrics-letters-said").inner_text()
        assert "loss=InfoNCE is first in mean recall. loss=SigLIP shares a letter with it" in said
        assert "800 queries" in said
        left = tab.locator(".metrics-left-out").inner_text()
        assert left.startswith("1 result is left out")
        assert "schema version 1" in left
        tab.get_by_role("button", name="Sort by model").click()
        tab.get_by_role("button", name="Sort by model").click()
        becomes(tab.locator('th[aria-sort="descending"]'), 1)
        assert texts(models) == ["loss=Triplet", "loss=SigLIP", "loss=InfoNCE"]
        assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "Sort by model"
        tab.get_by_label("ranked and tested by").select_option(METRIC)
        becomes(tab.locator(".metrics-letters"), 0)
        assert "Nothing could be tested here" in tab.locator(".metrics-letters-said").inner_text()
        assert texts(rows.locator(".metrics-focus")) == ["82.5", "82.0", "33.0"], (
            "without letters and intervals"
        )
        tab.locator(".metrics-model .chip").first.click()
        assert "good · 1a2b3c" in tab.locator("dialog").inner_text()


def test_without_results_the_board_says_how_to_get_them(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, "#/metrics") as tab:
        assert texts(tab.locator(".metrics-section .state h2")) == ["No results to rank"]
        assert "scripts/evaluate.py" in tab.locator(".metrics-section .state").inner_text()
        assert tab.locator(".metrics-left-out li").count() == 3


def test_precision_of_classes_is_drawn_beside_what_is_possible(browser: Any, served: str) -> None:  # noqa: F811
    found = Client(served).get("/api/metrics/classes", source="colours-1a2b3c", k=10)
    precision = {each["label"]: each["precision"] for each in found["classes"]}
    with explorer_page(browser, served, section("classes", "&mk=10")) as tab:
        rows = tab.locator(".metrics-classes-list > li")
        becomes(rows, 4)
        shown = rows.evaluate_all("rows => rows.map((row) => row.dataset.label)")
        assert shown == sorted(precision, key=lambda label: (-precision[label], label))
        for label, value in precision.items():
            row = tab.locator(f'.metrics-classes-list [data-label="{label}"]')
            assert float(row.locator(".metrics-value").inner_text().split("\u2009")[0]) == round(100 * value)
            bar, track = (row.locator(part).bounding_box() for part in (".metrics-bar", ".metrics-track"))
            assert bar["width"] / track["width"] == pytest.approx(value, abs=0.02)
        tab.get_by_label("precision at", exact=True).select_option("100")
        deep = Client(served).get("/api/metrics/classes", source="colours-1a2b3c", k=100)
        assert deep["k"] == 48
        mark = tab.locator(".metrics-possible").first
        tab.locator(".metrics-axis", has_text="30").wait_for()
        assert mark.evaluate("mark => mark.style.left") == f"{100 * 0.25 / 0.3:.4f}%"
        tab.get_by_text("Name", exact=True).click()
        becomes(tab.locator('.metrics-classes-list > li:first-child[data-label="angular/square"]'), 1)
        tab.locator(".metrics-class", has_text="square").focus()
        tab.keyboard.press("Enter")
        settle(tab)
        assert tab.locator("#query-text").input_value() == "square"
        assert tab.locator(".column").count() == 1


def test_two_models_stand_side_by_side_in_a_class(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, section("classes", "&mk=10&mother=forms-1a2b3c")) as tab:
        becomes(tab.locator(".metrics-bar.of-1"), 4)
        tab.get_by_text("Difference", exact=True).click()
        ask = Client(served).get
        both = [
            {
                each["label"]: each["precision"]
                for each in ask("/api/metrics/classes", source=source, k=10)["classes"]
            }
            for source in ("colours-1a2b3c", "forms-1a2b3c")
        ]
        order = sorted(both[0], key=lambda label: (-abs(both[0][label] - both[1][label]), label))
        tab.wait_for_url("**msort=difference**")
        rows = tab.locator(".metrics-classes-list > li")
        assert rows.evaluate_all("rows => rows.map((row) => row.dataset.label)") == order
        tab.get_by_label("Model of the classes").select_option("stored-1a2b3c")
        assert texts(tab.locator(".metrics-section .state h2")) == ["stored · 1a2b3c can't read words"]


def test_the_ledger_tells_the_bytes_of_each_index(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, section("compression")) as tab:
        cells = {
            row["index"]: tab.locator(f'tr[data-index="{row["index"]}"]')
            for row in Client(served).get("/api/metrics/compression", source="colours-1a2b3c")["rows"]
        }
        exact = cells["exact"]
        exact.wait_for()
        assert exact.locator('[data-key="bytes_per_vector"]').inner_text() == str(12 * 4)
        assert exact.locator('[data-key="bytes"]').get_attribute("title") == f"{48 * 12 * 4:,} bytes"
        assert exact.locator('[data-key="overlap"]').inner_text() == "100\u2009%"
        assert cells["binary"].locator('[data-key="ratio"]').inner_text() == "6.00 ×"
        assert "Not possible here" in cells["pq"].inner_text()
        names = set(tab.locator(".metrics-point-name").all_text_contents())
        assert {"exact", "binary"} <= names
        assert "pq" not in names, "what could not be built has no point"
        tab.get_by_role("button", name="Sort by bytes / vector").click()
        becomes(tab.locator('th[aria-sort="ascending"]'), 1)
        assert tab.locator("tbody tr").first.get_attribute("data-index") == "binary"
        cells["binary"].get_by_role("link").click()
        settle(tab)
        assert [column(tab, n).locator(".index-select").input_value() for n in (1, 2)] == ["exact", "binary"]


def test_an_answer_that_fails_is_said_and_asked_again(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, "#/search", refused="k=100") as tab:
        refusal = '{"error": {"kind": "internal", "message": "the disk is full"}}'
        asked = "**/api/metrics/classes*"
        tab.route(
            asked, lambda route: route.fulfill(status=500, content_type="application/json", body=refusal)
        )
        tab.goto(tab.url.split("#")[0] + section("classes"))
        tab.get_by_text("the disk is full").wait_for()
        tab.unroute(asked)
        tab.get_by_role("button", name="Try again").click()
        becomes(tab.locator(".metrics-classes-list > li"), 4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_in_both_themes(browser: Any, ranked: str, scheme: Any) -> None:  # noqa: F811
    narrow = {"width": 390, "height": 800}
    with explorer_page(browser, ranked, "#/metrics", color_scheme=scheme, viewport=narrow) as tab:
        for name in SECTIONS:
            tab.locator(".metrics-tabs a").nth(SECTIONS.index(name)).click()
            tab.locator(f'.metrics-section[data-section="{name}"] .metrics-body > *').wait_for()
            becomes(tab.locator(".metrics-body[aria-busy]"), 0)
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390, name
        light = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert light == (scheme == "light")
