"""The frame of the explorer's pages: slow and absent answers, and the theme."""

from typing import Any

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import TWO, explorer_page, served, settle, shown  # noqa: F401


def test_a_slow_model_is_explained_and_an_older_query_gives_way(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{TWO}") as tab:
        tab.wait_for_selector(".start .chip")
        held: list[Any] = []
        given_up: list[Any] = []

        def hold(route: Any) -> None:
            slow = "slow" in route.request.post_data
            held.append(route) if slow else route.continue_()

        tab.route("**/api/search", hold)
        tab.on("requestfailed", lambda request: given_up.append(request))
        tab.fill("#query-text", "slow")
        tab.keyboard.press("Enter")
        tab.locator("text=the first query of a model reads its vectors and weights").first.wait_for()
        tab.fill("#query-text", "a large red circle")
        tab.keyboard.press("Enter")
        settle(tab)
        assert shown(tab, 1)[0] == shown(tab, 2)[0] == "large-red-circle"
        assert given_up == [route.request for route in held], (
            "what nobody waits for any more is not computed on"
        )


def test_a_server_that_is_gone_is_said_and_asked_again(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{TWO}", refused="/api/search") as tab:
        tab.wait_for_selector(".start .chip")
        tab.route("**/api/search", lambda route: route.abort())
        tab.fill("#query-text", "a large red circle")
        tab.keyboard.press("Enter")
        tab.locator("text=The server does not answer").first.wait_for()
        tab.unroute("**/api/search")
        tab.get_by_role("button", name="Try again").first.click()
        settle(tab)
        assert shown(tab, 1)[0] == "large-red-circle"


def test_the_theme_can_be_chosen_and_stays(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{TWO}", color_scheme="light") as tab:
        tab.wait_for_selector(".start .chip")
        for name in ("system", "light"):
            tab.get_by_role("button", name=f"Colours: {name}").click()
        paper = "getComputedStyle(document.body).backgroundColor"
        assert tab.evaluate(paper) == "rgb(20, 24, 30)"
        tab.reload()
        tab.wait_for_selector(".start .chip")
        assert tab.evaluate(paper) == "rgb(20, 24, 30)"


def test_keys_are_listed_by_page(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/metrics?{TWO}") as tab:
        settle(tab)
        tab.keyboard.press("?")
        dialog = tab.get_by_role("dialog", name="Keys")
        assert dialog.locator("h3").all_inner_texts() == ["All pages", "Search", "Graph", "Map"]
        of_map = dialog.get_by_role("region", name="Map").inner_text()
        for key in ("Shift", "+", "−", "0", "←", "draw an outline", "hide it"):
            assert key in of_map
        of_graph = dialog.get_by_role("region", name="Graph").inner_text()
        for key in ("Home", "End", "Tab", "its details"):
            assert key in of_graph
