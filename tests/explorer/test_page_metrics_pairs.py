"""The metrics page: what each word adds to a match, and the queries where two models differ most."""

from pathlib import Path
from typing import Any

from tests.browser import browser  # noqa: F401
from tests.explorer.metrics_page import section, texts
from tests.explorer.pages import becomes, column, explorer_page, served, settle  # noqa: F401
from tests.explorer.shapes import Eye, Shapes
from tests.explorer.worlds import served as serving
from xmr.explorer.client import Explorer as Client
from xmr.explorer.service import Explorer
from xmr.explorer.sources import Source


def test_the_word_that_matters_most_is_the_servers(browser: Any, served: str) -> None:  # noqa: F811
    entry = {"source": "colours-1a2b3c", "modality": "image", "id": "large-red-circle"}
    ask = {"source": "colours-1a2b3c", "text": "a large red ring", "entry": entry}
    found = Client(served).post("/api/metrics/words", ask)
    most = max(found["words"], key=lambda word: abs(word["change"]))
    address = "&wpicture=image:colours-1a2b3c:large-red-circle&wtext=a+large+red+ring"
    with explorer_page(browser, served, section("words", address)) as tab:
        words = tab.locator(".metrics-word")
        becomes(words, 4)
        changes = words.evaluate_all("all => all.map(({dataset}) => [dataset.word, Number(dataset.change)])")
        assert changes == [[word["word"], word["change"]] for word in found["words"]]
        assert max(changes, key=lambda change: abs(change[1]))[0] == most["word"] == "red"
        whole, without = found["similarity"], found["similarity"] - most["change"]
        verdict = f"“red” adds most: without it the similarity falls from {whole:.3f} to {without:.3f}."
        assert verdict in tab.locator(".metrics-words-of").inner_text()
        hangs = tab.locator(".metrics-word", has_text="ring")
        assert "takes" in hangs.get_attribute("class")
        assert hangs.locator(".metrics-change").inner_text().startswith("\u2212"), "not by colour alone"
        hangs.focus()
        tab.keyboard.press("Enter")
        becomes(words, 3)
        assert "wtext=a+large+red&" in tab.url
        box = tab.get_by_label("Text to explain")
        assert box.input_value() == "a large red"
        box.fill("red")
        box.press("Enter")
        becomes(words, 1)
        assert "the only word" in tab.locator(".metrics-words-of").inner_text()
        tab.go_back()
        tab.go_back()
        becomes(words, 4)
        tab.get_by_label("beside").select_option("forms-1a2b3c")
        becomes(tab.locator(".metrics-words-of"), 2)
        assert texts(tab.locator(".metrics-words-of h3")) == ["colours · 1a2b3c", "forms · 1a2b3c"]


def test_words_are_of_the_query_or_of_a_caption_of_the_evaluation(browser: Any, served: str) -> None:  # noqa: F811
    query = "&entry=text:colours-1a2b3c:large-grey-triangle%231"
    with explorer_page(browser, served, section("words", query)) as tab:
        box = tab.get_by_label("Text to explain")
        box.wait_for()
        assert "<b>large</b> grey triangle" in box.input_value(), "markup stays text"
        tab.locator(".metrics-word", has_text="<b>large</b>").wait_for()
        assert "id=large-grey-triangle" in tab.locator(".metrics-image").get_attribute("src")
        examples = tab.locator(".metrics-example")
        before = texts(examples)
        tab.get_by_role("button", name="Others").click()
        tab.wait_for_url("**wseed=1**")
        becomes(tab.locator(".metrics-body[aria-busy]"), 0)
        assert texts(examples) != before
        wanted = examples.nth(2).inner_text()
        examples.nth(2).click()
        tab.locator(".metrics-words-list").get_by_text(wanted.split()[-1], exact=True).wait_for()
        assert box.input_value() == wanted
    with explorer_page(browser, served, "#/metrics?tab=words&c=stored-1a2b3c:exact") as tab:
        assert texts(tab.locator(".metrics-section .state h2")) == ["stored · 1a2b3c can't read words"]
        tab.get_by_role("button", name="Use colours · 1a2b3c").click()
        tab.locator(".metrics-word").first.wait_for()


def test_the_queries_that_differ_most_open_in_both_models(browser: Any, served: str) -> None:  # noqa: F811
    asked = {"one": "colours-1a2b3c", "other": "forms-1a2b3c", "direction": "text_to_image"}
    client = Client(served)
    found = client.get("/api/metrics/differences", **asked, metric="first_rank", count=20)
    with explorer_page(browser, served, section("differences")) as tab:
        rows = tab.locator(".metrics-differences-list > li")
        becomes(rows, len(found["rows"]))
        assert rows.evaluate_all("rows => rows.map((row) => row.dataset.id)") == [
            row["entry"]["id"] for row in found["rows"]
        ]
        first = found["rows"][0]
        ranks = [f"{first[name]:g}" for name in ("one_rank", "other_rank")]
        assert texts(rows.first.locator(".metrics-ranks b")) == ranks
        means = [f"{found[name]['mean']:.1f}" for name in ("one", "other")]
        assert texts(tab.locator(".metrics-figure b"))[:2] == means
        assert f"over {found['queries']} queries of both" in tab.locator(".metrics-said").inner_text()
        tab.get_by_label("by", exact=True).select_option("recall@1")
        tab.get_by_text("Second", exact=True).click()
        better = client.get("/api/metrics/differences", **asked, metric="recall@1", count=20, side="other")
        becomes(rows, len(better["rows"]))
        tab.wait_for_url("**side=other**")
        tab.get_by_text("better answered by forms · 1a2b3c").wait_for()
        assert texts(rows.first.locator(".metrics-ranks .muted")) == ["0.00", "1.00"]
        rows.first.locator("a").click()
        settle(tab)
        sources = [column(tab, n).locator(".source-select").input_value() for n in (1, 2)]
        assert sources == ["colours-1a2b3c", "forms-1a2b3c"]
        assert "at rank 1" in column(tab, 2).inner_text()
        tab.go_back()
        becomes(rows, len(better["rows"]))


def test_one_model_alone_can_not_differ(browser: Any, tmp_path: Path) -> None:  # noqa: F811
    alone = Source(Shapes(tmp_path, "colours", Eye((2, 1, 0.7), 0.15, seed=1)))
    address = "#/metrics?tab=differences"
    with (
        serving(Explorer([alone])) as running,
        explorer_page(browser, running.access.url, address) as tab,
    ):
        assert texts(tab.locator(".metrics-section .state h2")) == ["Only one model is open"]
        tab.get_by_role("link", name="Classes").click()
        becomes(tab.locator(".metrics-class.metrics-axis"), 1)
        assert tab.get_by_label("beside").count() == 0
