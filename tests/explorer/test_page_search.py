"""The search page in a real Chromium: every way to ask, and what leads on from there."""

import io
import re
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401
from tests.explorer.pages import (  # noqa: F401
    RED_CIRCLE,
    TWO,
    becomes,
    column,
    explorer_page,
    served,
    settle,
    shown,
)
from tests.explorer.shapes import PICTURES, SHAPES, TRICKY


def png(id_: str) -> bytes:
    """The picture of a shape, as a file's bytes."""
    file = io.BytesIO()
    PICTURES[id_].draw().save(file, "PNG")
    return file.getvalue()


def give(tab: Any, event: str, id_: str) -> None:
    """Drop or paste the picture of a shape onto the page."""
    tab.evaluate(
        """([event, bytes]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], "mine.png", {type: "image/png"}));
          const init = {bubbles: true, cancelable: true};
          document.body.dispatchEvent(event === "drop"
            ? new DragEvent("drop", {...init, dataTransfer: transfer})
            : new ClipboardEvent("paste", {...init, clipboardData: transfer}));
        }""",
        [event, list(png(id_))],
    )


def test_a_text_is_searched_in_all_columns_and_history_leads_back(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served) as tab:
        tab.wait_for_selector(".start .chip")
        tab.keyboard.press("/")
        tab.keyboard.type("a large red circle")
        tab.keyboard.press("Enter")
        settle(tab)
        assert shown(tab, 1)[0] == shown(tab, 2)[0] == "large-red-circle"
        assert all("red" in id_ for id_ in shown(tab, 1)[:4]), "this model looks at colours"
        assert all("circle" in id_ for id_ in shown(tab, 2)[:4]), "this one at forms"
        assert "q=a+large+red+circle" in tab.url
        assert tab.url.count("&c=") == 2
        assert tab.title().startswith("a large red circle")
        tab.go_back()
        tab.wait_for_selector(".start .chip")
        assert tab.input_value("#query-text") == ""
        tab.go_forward()
        assert shown(tab, 2)[0] == "large-red-circle"
        assert tab.input_value("#query-text") == "a large red circle"


def test_a_link_reproduces_all_of_the_state(browser: Any, served: str) -> None:  # noqa: F811
    columns = "c=forms-1a2b3c:binary&c=colours-1a2b3c:exact&c=stored-1a2b3c:exact"
    link = f"#/search?entry=image:colours-1a2b3c:small-blue-square&among=text&k=10&label=angular&{columns}"
    with explorer_page(browser, served, link) as tab:
        settle(tab)
        assert tab.url.endswith(link), "the page finds nothing to change in a full link"
        assert tab.locator(".source-select").evaluate_all("all => all.map((each) => each.value)") == [
            "forms-1a2b3c",
            "colours-1a2b3c",
            "stored-1a2b3c",
        ]
        assert column(tab, 1).locator(".index-select").input_value() == "binary"
        assert tab.get_by_label("How many results").input_value() == "10"
        assert tab.get_by_role("radio", name="texts").is_checked()
        assert tab.locator(".query-picture img").get_attribute("src").endswith("id=small-blue-square&size=96")
        for number in (1, 2, 3):
            assert len(shown(tab, number)) == 10
            assert all(re.search("square|triangle", id_) for id_ in shown(tab, number))
        assert "48 of 96 texts" in column(tab, 2).inner_text()


def test_a_result_becomes_the_next_query(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, RED_CIRCLE) as tab:
        settle(tab)
        column(tab, 2).locator(".card-link").nth(1).click()
        tab.wait_for_url("**entry=image:forms-1a2b3c:large*")
        becomes(tab.locator(".crumb"), 2)
        query = re.search("entry=image:forms-1a2b3c:([a-z-]+)", tab.url)[1]
        settle(tab)
        assert query not in shown(tab, 1), "a query is no result of itself"
        tab.locator(".crumb", has_text="a large red circle").click()
        tab.wait_for_url("**q=a+large+red+circle*")
        settle(tab)
        assert shown(tab)[0] == "large-red-circle"
        becomes(tab.locator(".crumb"), 2)  # going back to a query does not list it twice


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_a_picture_of_ones_own_is_a_query(browser: Any, served: str, way: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{TWO}") as tab:
        tab.wait_for_selector(".start .chip")
        if way == "choose":
            file = {"name": "mine.png", "mimeType": "image/png", "buffer": png("large-blue-square")}
            tab.locator("input[type=file]").set_input_files(file)
        else:
            give(tab, way, "large-blue-square")
        tab.wait_for_url("**upload=*")
        settle(tab)
        assert all("blue" in id_ for id_ in shown(tab)[:8]), "all blue shapes come first"
        assert tab.locator(".query-picture img").is_visible()
        assert "no ground truth" in column(tab, 1).inner_text()


def test_words_go_with_a_picture(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?entry=image:forms-1a2b3c:large-blue-square&{TWO}") as tab:
        settle(tab)
        tab.fill("#query-text", "red red circle")
        tab.keyboard.press("Enter")
        tab.wait_for_url("**q=red+red+circle&entry=image:forms-1a2b3c:large-blue-square*")
        settle(tab)
        assert "both embeddings" in column(tab, 1).inner_text(), "how they are put together is said"
        assert "blue" in " ".join(shown(tab)[:6])
        assert "red" in " ".join(shown(tab)[:6])


def test_what_is_no_picture_is_refused_in_words(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{TWO}", refused="/api/uploads") as tab:
        tab.wait_for_selector(".start .chip")
        tab.locator("input[type=file]").set_input_files(
            {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
        )
        tab.locator(".query-problem").wait_for()
        assert "picture" in tab.locator(".query-problem").inner_text()
        assert "upload=" not in tab.url


def test_queries_of_the_evaluation_are_one_click_away(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"#/search?{TWO}") as tab:
        tab.wait_for_selector(".start .chip")
        tab.get_by_role("button", name="Hard").click()
        drawer = tab.get_by_role("dialog", name="Queries of the evaluation")
        drawer.locator(".card").first.wait_for()
        ranks = [int(found) for found in re.findall(r"first correct: rank (\d+)", drawer.inner_text())]
        assert len(ranks) == 24
        assert ranks == sorted(ranks, reverse=True)
        drawer.get_by_role("radio", name="image → text").check(force=True)
        drawer.locator(".card-picture").first.wait_for()
        drawer.get_by_role("radio", name="Random").check(force=True)
        drawer.locator("text=Drawn from 48 evaluated queries").wait_for()
        drawer.locator(".card-link").first.click()
        tab.wait_for_url("**entry=image:colours-1a2b3c:*among=text*")
        settle(tab)
        becomes(drawer, 0)
        assert re.search(r"of 2 correct in the first 30", column(tab, 1).inner_text())
        assert column(tab, 1).locator(".card.relevant .tick").count() > 0


def test_labels_filter_the_results(browser: Any, served: str) -> None:  # noqa: F811
    with explorer_page(browser, served, f"{RED_CIRCLE}&k=50") as tab:
        settle(tab)
        assert len(shown(tab)) == 48
        tab.get_by_role("button", name="All labels").click()
        dialog = tab.get_by_role("dialog")
        dialog.locator(".label-row").first.wait_for()
        assert dialog.locator(".label-row").first.inner_text().split() == ["angular", "24"]
        dialog.get_by_label("Find a label").fill("ring")
        becomes(dialog.locator(".label-row"), 1)
        dialog.locator("input[type=checkbox]").check()
        dialog.get_by_role("button", name="Filter").click()
        tab.wait_for_url("**label=round/ring*")
        settle(tab)
        assert len(shown(tab)) == 12
        assert all("ring" in id_ for id_ in shown(tab))
        assert "12 of 48 images" in column(tab, 1).inner_text()
        tab.get_by_role("button", name="Stop filtering by round/ring").click()
        becomes(tab.locator(".column .card"), 96)


def test_relevant_tags_are_queries(browser: Any, served: str) -> None:  # noqa: F811
    link = f"#/search?entry=image:colours-1a2b3c:large-green-ring&{TWO}"
    with explorer_page(browser, served, link) as tab:
        settle(tab)
        tag = column(tab, 1).locator(".column-tags .chip").first
        assert "green" in tag.inner_text()
        tag.click()
        tab.wait_for_url("**q=*green*")
        assert "green" in tab.input_value("#query-text")


def test_details_show_texts_as_texts_and_lead_on(browser: Any, served: str) -> None:  # noqa: F811
    last = SHAPES[-1].id
    link = f"#/search?q={'+'.join(last.split('-'))}&c=stored-1a2b3c:exact&c=colours-1a2b3c:exact"
    with explorer_page(browser, served, link) as tab:
        column(tab, 2).locator(".card").first.wait_for()
        assert shown(tab, 2)[0] == last
        column(tab, 2).locator(".card-link").first.focus()
        tab.keyboard.press("i")
        dialog = tab.get_by_role("dialog")
        dialog.locator(".captions li").first.wait_for()
        assert dialog.locator(".captions li").all_inner_texts() == list(SHAPES[-1].captions)
        assert TRICKY in dialog.inner_text()
        assert tab.locator("img[src=x], .captions b").count() == 0
        assert "angular/triangle" in dialog.inner_text()
        tab.keyboard.press("Escape")
        becomes(dialog, 0)
        tab.keyboard.press("i")
        dialog.get_by_label("Words to add").fill("small")
        dialog.get_by_role("button", name="Search with both").click()
        tab.wait_for_url(f"**q=small&entry=image:colours-1a2b3c:{last}*")
        settle(tab)
        becomes(dialog, 0)
