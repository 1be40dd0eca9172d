"""Saved indexes on the pages: offered by name where they belong, or left out with the reason."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, column, explorer_page, settle, shown
from tests.explorer.shapes import Eye, Shapes
from tests.explorer.worlds import served as serving
from xmr.core.errors import DataError
from xmr.core.protocols import Index
from xmr.core.types import Modality
from xmr.explorer.service import Explorer
from xmr.explorer.sources import SavedIndex, Source
from xmr.index.binary import BinaryIndex

COLOURS = "c=colours-1a2b3c"
QUERY = "q=a+large+red+circle"
STALE = "index 'old' is stale: the image vectors have changed since it was built"


def sources(folder: Path) -> list[Source]:
    """A source with saved indexes, good and bad ones, and one without."""
    of, other = (Shapes(folder, name, Eye((2, 1, 0.7), 0.15, seed=1)) for name in ("colours", "forms"))

    def bits() -> Index:
        index = BinaryIndex(rescore=10)
        index.add(of.load().rows[Modality.IMAGE].embeddings)
        return index

    def damaged() -> Index:
        raise DataError("index 'torn': faiss.index has changed: its SHA-256 is not the recorded one")

    saved = (
        SavedIndex("by-bits", bits, Modality.IMAGE, "approximate, of 48 image vectors"),
        SavedIndex("torn", damaged, Modality.IMAGE, "approximate, of 48 image vectors"),
        SavedIndex("words", bits, Modality.TEXT, "exact, of 96 text vectors"),
        SavedIndex("old", bits, error=STALE),
    )
    of.about = replace(of.about, indexes=saved)
    return [Source(of), Source(other)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(Explorer(sources(tmp_path_factory.mktemp("explorer")))) as running:
        yield running.access.url


def options(tab: Any, number: int = 1) -> dict[str, bool]:
    """The texts of a column's indexes, and whether each can be chosen."""
    found = column(tab, number).locator(".index-select option")
    return dict(found.evaluate_all("all => all.map((each) => [each.textContent, !each.disabled])"))


def test_a_saved_index_is_a_column_by_its_name(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{QUERY}&{COLOURS}:exact&c=forms-1a2b3c:exact") as tab:
        settle(tab)
        built = dict.fromkeys(("exact", "ivf", "pq", "binary"), True)
        own = {"by-bits": True, "torn": True, "words: of texts": False, "old: can't be used": False}
        assert options(tab) == {**built, **own}
        assert options(tab, 2) == built, "another source has none"
        column(tab, 1).locator(".index-select").select_option(label="by-bits")
        tab.wait_for_url(f"**{COLOURS}:saved/by-bits*")
        settle(tab)
        assert "finds" in column(tab, 1).locator(".badge").last.inner_text()
        assert "index opened in" in column(tab, 1).inner_text()
        assert len(shown(tab)) == 30
        tab.reload()
        settle(tab)
        assert column(tab, 1).locator(".index-select option:checked").inner_text() == "by-bits"
        column(tab, 1).locator(".source-select").select_option("forms-1a2b3c")
        tab.wait_for_url("**c=forms-1a2b3c:exact&c=forms*")


def test_among_texts_the_indexes_of_texts_are_offered(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{QUERY}&among=text&{COLOURS}:exact") as tab:
        settle(tab)
        found = options(tab)
        assert found["words"]
        assert not found["by-bits: of images"]


def test_why_an_index_is_left_out_is_said(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{QUERY}&{COLOURS}:exact&{COLOURS}:saved/torn") as tab:
        settle(tab)
        assert "SHA-256" in column(tab, 2).locator(".state.failed").inner_text()
        assert not options(tab, 1)["torn: can't be used"], "what was found damaged is offered no more"
        tab.get_by_role("button", name="About colours").first.click()
        said = tab.get_by_role("dialog").inner_text()
        assert STALE in said
        assert "SHA-256" in said
        assert "exact, of 96 text vectors" in said


def test_an_index_of_a_link_that_is_not_here_is_said(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{QUERY}&{COLOURS}:saved/gone") as tab:
        settle(tab)
        assert column(tab, 1).locator(".index-select option:checked").inner_text() == "saved/gone (not here)"
        assert "saved/gone" in column(tab, 1).locator(".state.failed").inner_text()


def test_a_new_column_takes_the_next_index(browser: Any, served: str) -> None:  # noqa: F811
    link = f"#/search?{QUERY}&c=forms-1a2b3c:exact&{COLOURS}:saved/by-bits"
    with explorer_page(browser, served, link) as tab:
        settle(tab)
        tab.get_by_role("button", name="Column", exact=True).click()
        becomes(tab.locator(".column"), 3)
        assert tab.url.endswith(f"{COLOURS}:saved/by-bits&{COLOURS}:exact")


def test_the_graph_is_drawn_by_a_saved_index(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/graph?{QUERY}&{COLOURS}:saved/by-bits") as tab:
        settle(tab)
        becomes(tab.locator(".graph-node"), 48)
        assert tab.locator(".index-select option:checked").inner_text() == "by-bits"
        tab.locator(".source-select").select_option("forms-1a2b3c")
        tab.wait_for_url("**gindex=exact**")
        settle(tab)
        becomes(tab.locator(".graph-node"), 48)
