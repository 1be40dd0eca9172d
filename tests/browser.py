"""A real Chromium for tests of pages: `from tests.browser import browser, opened  # noqa: F401`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, where it and playwright are installed; else the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium on the PATH")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-quic"])
        yield started
        started.close()


@contextmanager
def opened(browser: Any, page: Path, address: str = "", **context: Any) -> Iterator[Any]:
    """A tab that shows the file `page`; at the end nothing went wrong in it, and it asked for files alone."""
    started = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
    tab = started.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    # a picture that is not beside the page is no error of the page
    tab.on(
        "console",
        lambda said: (
            wrong.append(said.text)
            if said.type == "error" and "ERR_FILE_NOT_FOUND" not in said.text
            else None
        ),
    )
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri() + address)
    yield tab
    started.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
