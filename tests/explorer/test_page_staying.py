"""What is chosen in a drawer or a dialog is shown on the page one is on."""

import io
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import becomes, explorer_page, served, settle  # noqa: F401
from tests.explorer.shapes import SHAPES

ONE = "c=colours-1a2b3c:exact"
ENTRY = "entry=image:colours-1a2b3c:large-blue-square"


@pytest.mark.parametrize("page", ["search", "graph", "map"])
def test_a_query_of_the_drawer_is_shown_on_the_page_one_is_on(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    page: str,
) -> None:
    with explorer_page(browser, served, f"#/{page}?{ONE}") as tab:
        settle(tab)
        tab.get_by_role("button", name="Random").click()
        drawer = tab.get_by_role("dialog", name="Queries of the evaluation")
        drawer.locator(".card-link").first.click()
        tab.wait_for_url(f"**#/{page}?entry=text:colours-1a2b3c:**")
        settle(tab)
        becomes(drawer, 0)
        found = {"search": ".column .card", "graph": ".graph-node", "map": ".map-placed"}[page]
        assert tab.locator(found).count() > 0


@pytest.mark.parametrize("page", ["graph", "map"])
def test_the_drawer_has_the_queries_of_the_model_that_the_page_shows(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    page: str,
) -> None:
    own = {"graph": "gsource", "map": "first"}[page]
    with explorer_page(browser, served, f"#/{page}?{own}=forms-1a2b3c&{ONE}") as tab:
        settle(tab)
        tab.get_by_role("button", name="Hard").click()
        drawer = tab.get_by_role("dialog", name="Queries of the evaluation")
        assert drawer.locator(".source-select").input_value() == "forms-1a2b3c"


@pytest.mark.parametrize("page", ["search", "graph", "map"])
@pytest.mark.parametrize("way", ["entry", "caption", "words"])
def test_a_dialog_of_an_entry_leads_to_the_page_one_is_on(
    browser: Any,  # noqa: F811
    served: str,  # noqa: F811
    page: str,
    way: str,
) -> None:
    with explorer_page(browser, served, f"#/{page}?{ENTRY}&{ONE}") as tab:
        settle(tab)
        tab.locator(".query-entry").click()
        dialog = tab.get_by_role("dialog")
        if way == "words":
            dialog.get_by_label("Words to add").fill("red red circle")
            dialog.get_by_role("button", name="Search with both").click()
            tab.wait_for_url(f"**#/{page}?q=red+red+circle&{ENTRY}**")
        elif way == "caption":
            dialog.locator(".captions a").first.click()
            tab.wait_for_url(f"**#/{page}?q=a+large+blue+square&c=**")
        else:
            link = dialog.get_by_role("link", name="Search with this")
            assert link.get_attribute("href").startswith(f"#/{page}?{ENTRY}&")
            link.click()
        settle(tab)
        becomes(dialog, 0)


def test_from_the_metrics_a_picture_leads_to_the_search(browser: Any, served: str) -> None:  # noqa: F811
    drawn = io.BytesIO()
    SHAPES[0].draw().save(drawn, "PNG")
    file = {"name": "mine.png", "mimeType": "image/png", "buffer": drawn.getvalue()}
    with explorer_page(browser, served, f"#/metrics?{ONE}") as tab:
        settle(tab)
        tab.locator("input[type=file]").set_input_files(file)
        tab.wait_for_url("**#/search?upload=**")
        settle(tab)
