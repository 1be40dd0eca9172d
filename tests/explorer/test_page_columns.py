"""The columns of the search page: what each tells, what links and compares them, how one moves among them."""

import re
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import (  # noqa: F401
    RED_CIRCLE,
    TWO,
    becomes,
    column,
    eventually,
    explorer_page,
    served,
    settle,
    shown,
)


def test_the_same_thing_is_linked_across_columns(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"{RED_CIRCLE}&c=stored-1a2b3c:exact&k=10") as tab:
        tab.goto(tab.url.replace("q=a+large+red+circle", "entry=text:colours-1a2b3c:large-red-circle%230"))
        settle(tab)
        column(tab, 1).locator(".card").first.hover()
        linked = tab.locator(".card.linked")
        assert linked.evaluate_all("all => all.map((each) => each.dataset.id)") == ["large-red-circle"] * 3
        becomes(tab.locator(".links path"), 2)
        boxes = [linked.nth(n).bounding_box() for n in (0, 1)]
        ends = [tab.locator(".links circle").nth(n).bounding_box() for n in (0, 1)]
        from_x, to_x = (end["x"] + end["width"] / 2 for end in ends)
        assert from_x == pytest.approx(boxes[0]["x"] + boxes[0]["width"], abs=1), (
            "a line leaves the card's edge"
        )
        assert to_x == pytest.approx(boxes[1]["x"], abs=1)
        assert column(tab, 2).locator(".column-elsewhere").inner_text() == "The same is here at rank 1"
        alone = next(n for n, id_ in enumerate(shown(tab, 1)) if id_ not in shown(tab, 2))
        column(tab, 1).locator(".card-link").nth(alone).focus()
        assert (
            column(tab, 2).locator(".column-elsewhere").inner_text() == "The same is not in the first 10 here"
        )
        tab.mouse.move(5, 5)
        tab.locator("#query-text").focus()
        becomes(tab.locator(".links path"), 0)


def test_a_column_tells_how_good_and_how_sure_it_is(browser: Any, served: str) -> None:  # noqa: F811
    link = f"#/search?entry=text:colours-1a2b3c:large-red-circle%230&k=10&{TWO}&c=colours-1a2b3c:binary"
    with explorer_page(browser, served, link) as tab:
        settle(tab)
        first = column(tab, 1)
        assert "1 of 1 correct in the first 10 · first at rank 1" in first.inner_text()
        assert re.search(r"48 images · query vector at hand · searched in [\d.]+ ms", first.inner_text())
        assert re.search(r"finds \d+ % of the exact first 10", column(tab, 3).inner_text())
        assert first.locator(".card").first.get_attribute("class") == "card relevant"
        assert "correct" in first.locator(".card-link").first.get_attribute("aria-label"), (
            "not by colour alone"
        )
        charts = first.locator(".chart svg")
        assert charts.nth(0).get_attribute("aria-label").startswith("Similarities of 48 entries: mean 0.")
        assert first.locator(".chart .rug").count() == 10, "one mark for each result"
        assert first.locator(".chart").nth(0).locator("path.correct").count() == 1
        assert "at rank 48" in charts.nth(1).get_attribute("aria-label")
        tab.get_by_role("button", name="Charts").click()
        tab.wait_for_url("**charts=0*")
        assert not charts.first.is_visible()


def test_agreement_is_said_in_words(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"{RED_CIRCLE}&c=colours-1a2b3c:exact&k=10") as tab:
        settle(tab)
        said = tab.locator(".agreement li")
        becomes(said, 3)
        one, two = shown(tab, 1), shown(tab, 2)
        both = len(set(one) & set(two))
        assert said.nth(0).inner_text().startswith(f"1 and 2 share {both} results ({both}0 %)")
        assert said.nth(1).inner_text() == (
            "1 and 3 share 10 results (100 %), in the same order (ρ 1.00); "
            "over the whole gallery, the same order (ρ 1.00)"
        )


def test_one_column_fails_and_the_others_answer(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"{RED_CIRCLE}&c=stored-1a2b3c:exact&c=gone-000000:exact") as tab:
        settle(tab)
        assert shown(tab, 1)
        assert shown(tab, 2)
        for number, said in ((3, "no encoder"), (4, "gone-000000")):
            failed = column(tab, number).locator(".state.failed")
            failed.wait_for()
            assert said in failed.inner_text()
        assert "not open here" in column(tab, 4).locator(".source-select option:checked").inner_text()


def test_arrow_keys_move_among_results_and_columns(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED_CIRCLE) as tab:
        settle(tab)
        in_focus = """() => {
          const focused = document.activeElement, column = focused.closest(".column");
          return [Number(column.dataset.at) + 1, focused.querySelector(".rank").textContent];
        }"""
        tops = (
            column(tab, 1)
            .locator(".card")
            .evaluate_all("all => all.map((each) => each.offsetParent && each.getBoundingClientRect().top)")
        )
        wide = tops.count(tops[0])
        column(tab, 1).locator(".card-link").first.focus()
        moves = [
            ("ArrowRight", [1, "2"]),
            ("ArrowLeft", [1, "1"]),
            ("ArrowDown", [1, str(wide + 1)]),
            ("ArrowUp", [1, "1"]),
        ]
        for key, expected in [*moves, ("End", [1, "30"]), ("Home", [1, "1"])]:
            tab.keyboard.press(key)
            assert tab.evaluate(in_focus) == expected, key
        for _ in range(wide):
            tab.keyboard.press("ArrowRight")
        assert tab.evaluate(in_focus) == [2, "1"], "past the edge of a column comes the next one"
        tab.keyboard.press("Enter")
        tab.wait_for_url("**entry=image:forms-1a2b3c:*")


def test_columns_come_and_go(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, "#/search?q=a+large+red+circle&c=colours-1a2b3c:exact") as tab:
        settle(tab)
        assert tab.get_by_role("button", name=re.compile("Remove column")).count() == 0
        add = tab.get_by_role("button", name="Column", exact=True)
        for number in (2, 3, 4):
            add.click()
            becomes(tab.locator(".column"), number)
        assert add.is_disabled()
        sources = tab.locator(".source-select").evaluate_all("all => all.map((each) => each.value)")
        assert sources == ["colours-1a2b3c", "forms-1a2b3c", "stored-1a2b3c", "stored-1a2b3c"]
        column(tab, 4).locator(".source-select").select_option("colours-1a2b3c")
        column(tab, 4).locator(".card").first.wait_for()
        tab.get_by_role("button", name="Remove column 3").click()
        becomes(tab.locator(".column"), 3)
        assert "c=stored" not in tab.url
        settle(tab)
        assert len(shown(tab, 3)) == 30


def test_a_column_that_went_during_a_search_is_not_asked_for(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED_CIRCLE) as tab:
        settle(tab)
        held: list[Any] = []
        tab.route("**/api/sources", lambda route: held.append(route))
        # of a source that can't read the text, which is why the page reads the list of sources again
        tab.get_by_role("button", name="Column", exact=True).click()
        eventually(tab, lambda: held)
        tab.get_by_role("button", name="Remove column 3").click()
        becomes(tab.locator(".column"), 2)
        held[0].continue_()
        settle(tab)
        tab.wait_for_timeout(300)
        assert len(shown(tab, 2)) == 30


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_in_both_themes(browser: Any, served: str, scheme: Any) -> None:  # noqa: F811
    small = {"width": 390, "height": 844}
    with explorer_page(browser, served, RED_CIRCLE, viewport=small, color_scheme=scheme) as tab:
        settle(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 30)")
        assert column(tab, 1).locator(".card").first.bounding_box()["width"] > 90


@pytest.mark.parametrize(("columns", "wide"), [(1, 390), (2, 1280), (4, 1280)])
def test_tags_are_cut_at_whole_lines(browser: Any, served: str, columns: int, wide: int) -> None:  # noqa: F811
    link = "#/search?entry=image:colours-1a2b3c:large-blue-square" + "&c=colours-1a2b3c:exact" * columns
    with explorer_page(browser, served, link, viewport={"width": wide, "height": 844}) as tab:
        settle(tab)
        cut = """(box, top) => {
          box.scrollTop = top;
          const {top: from, bottom: to} = box.getBoundingClientRect();
          const chips = [...box.querySelectorAll(".chip")].map((chip) => chip.getBoundingClientRect());
          const cut = chips.filter(({top, bottom}) => Math.min(bottom, to) - Math.max(top, from) > .6
                                                      && (top < from - .6 || bottom > to + .6));
          return {cut: cut.length, hidden: chips.filter(({bottom}) => bottom > to).length, at: box.scrollTop};
        }"""
        tags = column(tab, 1).locator(".column-tags")
        found = tags.evaluate(cut, 0)
        assert found["cut"] == 0
        if columns == 4:
            assert found["hidden"] > 0, "else nothing is tested"
        eventually(tab, lambda: tags.evaluate(cut, 13)["cut"] == 0, "a scroll ends at whole lines")
