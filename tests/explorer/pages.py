"""The explorer in a real Chromium, on the sources of `shapes`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.shapes import made_sources
from tests.explorer.worlds import served as serving
from xmr.explorer.service import Explorer

TWO = "c=colours-1a2b3c:exact&c=forms-1a2b3c:exact"
PATIENCE = 90
"""Seconds until what does not come is a failure: a machine may be busy, and first imports take long."""
RED_CIRCLE = f"#/search?q=a+large+red+circle&{TWO}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, with its token, of an explorer of `made_sources`."""
    with serving(Explorer(made_sources(tmp_path_factory.mktemp("explorer")))) as running:
        yield running.access.url


@contextmanager
def explorer_page(
    browser: Any,  # noqa: F811
    served: str,
    address: str = "",
    *,
    refused: str | None = None,
    **context: Any,
) -> Iterator[Any]:
    """A tab of the explorer at `address` (a hash); at the end nothing went wrong in it or left this server.

    `refused` is the end of the only address that the server may answer with an error.
    """
    started = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
    tab = started.new_page()
    tab.set_default_timeout(1000 * PATIENCE)
    wrong: list[str] = []
    asked: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))

    def hear(said: Any) -> None:
        if said.type == "error" and not (refused and said.location["url"].endswith(refused)):
            wrong.append(f"{said.text} ({said.location['url']})")

    tab.on("console", hear)
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(served + address)
    yield tab
    went_wrong = [*wrong]  # what closing a page in the midst of a load breaks off is no fault of it
    started.close()
    own = served.split("/?")[0] + "/"
    elsewhere = [url for url in asked if not url.startswith((own, "blob:", "data:"))]
    assert not elsewhere, elsewhere
    assert not went_wrong, went_wrong


def becomes(found: Any, count: int) -> None:
    """Wait until a locator finds `count` elements (the page's policy forbids `wait_for_function`)."""
    from playwright.sync_api import expect

    expect(found).to_have_count(count, timeout=1000 * PATIENCE)


def eventually(tab: Any, holds: Callable[[], Any], what: str = "") -> None:
    """Wait until `holds` is true of what the page has drawn."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, what or f"not so after {PATIENCE} s"
        tab.wait_for_timeout(50)


def column(tab: Any, number: int) -> Any:
    """The column of that number, from 1."""
    return tab.locator(".column").nth(number - 1)


def shown(tab: Any, number: int = 1) -> list[str]:
    """The ids of a column's results, once they are there, in their order."""
    cards = column(tab, number).locator(".column-results .card")
    cards.first.wait_for()
    return cards.evaluate_all("cards => cards.map((card) => card.dataset.id)")


def settle(tab: Any) -> None:
    """Wait until the page shows all of the state that its address tells."""
    until = time.monotonic() + PATIENCE
    while tab.evaluate("document.getElementById('page')?.dataset.shown !== location.hash"):
        assert time.monotonic() < until, f"not shown after {PATIENCE} s: {tab.url}"
        tab.wait_for_timeout(20)
