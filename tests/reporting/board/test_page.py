"""The leaderboard's page: what it holds without a script, and what it does in a browser."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from tests.browser import browser, opened  # noqa: F401
from tests.reporting.board.made_boards import PROTOCOL, record, write_metrics_csv, write_panels
from xmr.evaluation.protocol import Protocol
from xmr.reporting.board.board import boards
from xmr.reporting.board.page import board_page
from xmr.reporting.records.runs import LeftOut

BAD = "</script><script>document.title='broken'</script><img src=x onerror=document.title='broken'> & 画像"
TEST = Protocol(**{**PROTOCOL, "ks": tuple(PROTOCOL["ks"]), "split": "test"}).to_json()


def settings(loss, dropout=0.3, **more):
    return {"loss._target_": f"xmr.losses.x.{loss}", "head.dropout": dropout, "batch_size": 128, **more}


def sweep(root):
    """Three models of two seeds (C is the best, then B, A), a running one, a submission; and a test board."""
    found = []
    for loss, dropout, recall in (("A", 0.1, 0.40), ("B", 0.3, 0.44), ("C", 0.3, 0.48)):
        for seed in (0, 1):
            path = f"sweep/{loss}{seed}"
            file = write_metrics_csv(root / path / "metrics.csv", epochs=6, recall=recall, seed=seed)
            found.append(
                record(
                    path,
                    recall + 0.01 * seed,
                    root=root,
                    seed=seed,
                    settings=settings(loss, dropout),
                    metrics_file=file,
                    panels=write_panels(root / path),
                    cost={"train_seconds": 100 * recall, "index_bytes": 2e6},
                    test_touches=3 if loss == "B" else 1,
                )
            )
    live = record(
        "sweep/D0", 0.9, root=root, settings=settings("D"), state="running", progress="epoch 3 of 30", cost={}
    )
    sent = record("submitted", 0.3, source="submission", settings={}, cost={}, model={}, intervals={})
    on_test = record("sweep/A0/evaluations/test-best", 0.35, root=root, settings=settings("A"), protocol=TEST)
    return [*found, live, dataclasses.replace(sent, name=f"sent {BAD}"), on_test]


def lettered(board, letters):
    rows = [
        dataclasses.replace(row, letters={board.sorted_by: each} if each else {})
        for row, each in zip(board.rows, letters, strict=True)
    ]
    return dataclasses.replace(board, rows=tuple(rows))


def page_of(root, records=None, left_out=(), **more):
    found = boards(sweep(root) if records is None else records)
    if records is None:
        found = [lettered(found[0], ["a", "ab", "b", "", ""]), *found[1:]]
    return board_page(found, left_out, relative_to=root / "shared", **more)


def data_of(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL).group(1))


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    """The page of `sweep`, in shared/ beside the runs."""
    root = tmp_path_factory.mktemp("runs")
    target = root / "shared" / "board.html"
    target.parent.mkdir()
    left_out = [LeftOut(f"old/{BAD}", f"schema version 2 {BAD}")]
    target.write_text(page_of(root, left_out=left_out), encoding="utf-8")
    return target


def models(tab):
    """The first words of the models' labels, in the order of the table."""
    return [label.split()[0] for label in tab.locator("#table .model .name").all_inner_texts()]


def cells(tab, column):
    at = (
        tab.locator("#table thead tr >> nth=1")
        .locator("> *")
        .evaluate_all("(all, id) => all.findIndex((each) => each.dataset.column === id)", column)
    )
    found = [line.locator("> *").nth(at) for line in tab.locator("#table tr[data-key]").all()]
    return [
        (cell.locator(".figure") if cell.locator(".figure").count() else cell).inner_text() for cell in found
    ]


def test_the_page_asks_for_no_other_file_than_panels():
    assets = Path(__file__).parents[3] / "xmr/reporting/assets/board"
    text = "".join(each.read_text() for each in assets.iterdir())
    addresses = re.findall(
        r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)|fetch\(|XMLHttpRequest|innerHTML", text
    )
    assert not addresses, "all is in the page, and data is never HTML"
    assert "default-src 'none'; img-src 'self' file: data:" in text


def test_without_a_script_each_board_is_a_table_of_its_own(file):
    text = file.read_text()
    assert text.count("</script>") == 2
    sections = re.findall(r'<section class="board".*?</section>', text, re.DOTALL)
    assert [re.search("<h2>(.*?)</h2>", each).group(1) for each in sections] == [
        "emoji, val split", "emoji, test split"
    ]  # fmt: skip
    lines = [re.sub("<[^>]*>", " ", line).split() for line in sections[0].split("<tr>")[2:]]
    assert [line[:2] for line in lines[:3]] == [["1", "loss=C"], ["2", "loss=B"], ["3", "loss=A"]]
    assert "48.5 <small>± 0.7</small>" in sections[0]
    assert "running · epoch 3 of 30" in sections[0]
    assert "test ×3" in sections[0]
    assert lines[-1][0] == "–", "a run that is not finished has no place"
    assert "&lt;script&gt;" in sections[0]
    assert "Left out: 1" in text


def test_links_are_relative_to_the_page_and_name_no_machine(file):
    text = file.read_text()
    runs = [run for board in data_of(text)["boards"] for row in board["rows"] for run in row["runs"]]
    hrefs = {run["path"]: run["href"] for run in runs}
    assert hrefs["sweep/A0"] == "../sweep/A0/"
    assert hrefs["submitted"] is None
    assert {panel["href"] for run in runs for panel in run["panels"]} >= {"../sweep/C1/panels/curves.png"}
    assert str(file.parents[1]) not in re.sub(r'"folder":"[^"]*"', "", text)


def test_a_folder_cannot_become_another_kind_of_link(tmp_path):
    odd = record("javascript:alert(1)", 0.5, root=tmp_path)
    page = board_page(boards([odd]), [], relative_to=tmp_path)
    assert data_of(page)["boards"][0]["rows"][0]["runs"][0]["href"] == "javascript%3Aalert%281%29/"


def test_a_row_has_the_mean_interval_and_cost_of_its_finished_runs(tmp_path):
    pair = [record(f"r{seed}", 0.4 + seed / 10, seed=seed, settings=settings("A")) for seed in (0, 1)]
    live = record("r2", 0.9, seed=2, settings=settings("A"), state="running", cost={}, intervals={})
    (board,) = data_of(board_page(boards([*pair, live]), [], relative_to=tmp_path))["boards"]
    (row,) = board["rows"]
    at = board["metrics"].index("mean_recall")
    assert row["mean"][at] == pytest.approx(0.45)
    assert row["interval"][at] == pytest.approx([0.43, 0.47])
    assert row["interval"][board["metrics"].index("text_to_image/median_rank")] is None
    assert row["cost"]["embed_image"] == pytest.approx(0.0031)
    assert row["cost"]["train_seconds"] == 95
    assert [run["metrics"][at] for run in row["runs"]] == [0.4, 0.5, 0.9]


def test_values_that_are_missing_or_no_numbers_are_dashes(tmp_path):
    full, gaps = record("full", 0.5, settings=settings("A")), record("gaps", 0.4, settings=settings("B"))
    values = {"mean_recall": float("nan"), "text_to_image/recall@1": 0.2}
    text = board_page(boards([full, dataclasses.replace(gaps, metrics=values)]), [], relative_to=tmp_path)
    assert "–" in text
    row = data_of(text)["boards"][0]["rows"][1]
    assert row["mean"].count(None) == len(row["mean"]) - 1


def test_curves_over_the_limit_are_left_away_and_counted(tmp_path):
    assert len(data_of(page_of(tmp_path))["curves"]) == 6
    text = page_of(tmp_path, curve_bytes=4000)
    assert 0 < len(data_of(text)["curves"]) < 6
    assert "of 6 runs" in text
    rows = data_of(text)["boards"][0]["rows"]
    assert rows[0]["runs"][0]["curves"] == 0, "the best model's are there"


def test_a_damaged_metrics_file_is_listed(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("step,epoch,train/loss\n1,1,abc\n")
    text = page_of(tmp_path, [record("a", 0.5, root=tmp_path, metrics_file=file)])
    assert "a/metrics.csv" in text
    assert "no curves: column &#x27;train/loss&#x27;" in text


@pytest.mark.parametrize("records", [[], [record("x", metrics={}, state="stopped", intervals={}, cost={})]])
def test_boards_without_a_result_are_pages_too(browser, tmp_path, records):  # noqa: F811
    page = tmp_path / "board.html"
    page.write_text(page_of(tmp_path, records, left_out=[LeftOut("a", "half-written")]))
    with opened(browser, page) as tab:
        assert "half-written" in tab.inner_text("#left-out")
        if records:
            tab.click(".model")
            assert "–" in tab.inner_text("#table")
        else:
            assert "No run has a result yet" in tab.inner_text("main")


def test_sorting_by_click_and_keyboard(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        head = lambda column: tab.locator(f'th[data-column="{column}"]')  # noqa: E731
        assert cells(tab, "rank") == ["1", "2", "3", "4", "–"]
        assert cells(tab, "mean_recall") == ["48.5", "44.5", "40.5", "30.0", "90.0"]
        assert head("mean_recall").get_attribute("aria-sort") == "descending"
        head("mean_recall").locator("button").click()
        assert head("mean_recall").get_attribute("aria-sort") == "ascending"
        assert cells(tab, "mean_recall") == ["30.0", "40.5", "44.5", "48.5", "90.0"], (
            "not finished: last both ways"
        )
        assert cells(tab, "rank") == ["4", "3", "2", "1", "–"]
        head("text_to_image/recall@1").locator("button").focus()
        tab.keyboard.press("Enter")
        assert head("mean_recall").get_attribute("aria-sort") is None
        assert cells(tab, "text_to_image/recall@1")[0] == "25.2"
        assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "text → image R@1"
        head("model").locator("button").click()
        labels = tab.locator("#table .model .name").all_inner_texts()
        assert labels == sorted(labels, key=str.lower)


def test_ranks_sort_from_the_smallest_and_equal_ones_keep_their_order(browser, tmp_path):  # noqa: F811
    records = [
        record(
            f"r{n}", recall, settings=settings(f"L{n}"), metrics={"mean_recall": recall, "median_rank": rank}
        )
        for n, (recall, rank) in enumerate([(0.5, 7.0), (0.4, 3.0), (0.3, 7.0), (0.2, 3.0)])
    ]
    page = tmp_path / "board.html"
    page.write_text(page_of(tmp_path, records))
    with opened(browser, page, "#columns=&columns=mean_recall&columns=median_rank") as tab:
        tab.click('th[data-column="median_rank"] button')
        assert cells(tab, "median_rank") == ["3.0", "3.0", "7.0", "7.0"]
        assert cells(tab, "rank") == ["1", "1", "3", "3"]
        assert cells(tab, "mean_recall") == ["40.0", "20.0", "50.0", "30.0"]
        tab.click('th[data-column="median_rank"] button')
        assert cells(tab, "mean_recall") == ["50.0", "30.0", "40.0", "20.0"]


def test_filtering_by_text_and_by_settings(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        tab.fill("#search", "sweep loss=b")
        assert len(models(tab)) == 1
        assert tab.inner_text("#count") == "1 of 5 models"
        tab.fill("#search", "nothing like it")
        assert "No model passes" in tab.inner_text("#table")
        tab.fill("#search", "")
        tab.click("#settings summary")
        count = lambda key, value: tab.locator(f'[data-key="{key}"][data-value="{value}"]').inner_text()  # noqa: E731
        assert (count("head.dropout", "0.3"), count("head.dropout", "0.1")) == ("3", "1")
        tab.locator(".facet label", has_text="0.3").click()
        assert tab.inner_text("#count") == "3 of 5 models"
        assert (count("loss._target_", "A"), count("loss._target_", "B")) == ("0", "1"), (
            "given the other filters"
        )
        assert count("head.dropout", "0.1") == "1", "but not its own"
        tab.keyboard.press("Escape")
        tab.click("#active button")
        assert tab.inner_text("#count") == "5 models"


def test_columns_can_be_chosen(browser, file):  # noqa: F811
    with opened(browser, file) as tab:

        def shown():
            return tab.locator("thead [data-column]").evaluate_all("all => all.map(a => a.dataset.column)")

        first = [f"{way}/recall@{k}" for way in ("text_to_image", "image_to_text") for k in (1, 5, 10)]
        assert shown() == ["rank", "model", "seeds", "mean_recall", *first]
        tab.click("#columns summary")
        tab.check('input[value="text_to_image/mAP"]')
        tab.check('input[value="cost.train_seconds"]')
        tab.check('input[value="set.loss._target_"]')
        tab.uncheck('input[value="image_to_text/recall@10"]')
        expected = ["mean_recall", *first[:3], "text_to_image/mAP", *first[3:5]]
        assert shown()[3:] == [*expected, "cost.train_seconds", "set.loss._target_"]
        assert cells(tab, "cost.train_seconds") == ["48 s", "44 s", "40 s", "–", "–"]
        assert cells(tab, "set.loss._target_")[:3] == ["C", "B", "A"]


def test_a_row_opens_to_its_seeds_settings_cost_panels_and_curves(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        tab.locator(".model", has_text="loss=B").click()
        assert tab.locator(".model", has_text="loss=B").get_attribute("aria-expanded") == "true"
        seeds = tab.locator("tr.seed")
        assert [seeds.nth(n).locator("td").nth(4).inner_text() for n in (0, 1)] == ["44.0", "45.0"]
        assert seeds.nth(0).locator("a").get_attribute("href") == "../sweep/B0/"
        assert "test ×3" in seeds.nth(0).inner_text()
        details = tab.locator("tr.details")
        table = details.locator(".grid tr").all_inner_texts()
        assert [line.split() for line in table] == [["setting", "this", "best"], ["loss", "B", "C"]]
        assert "training time 44 s" in " ".join(details.locator("dl").inner_text().split())
        tab.wait_for_function("document.querySelectorAll('.thumbnail:not([hidden]) img').length === 2")
        plots = details.locator("svg[role=img]")
        assert plots.count() == 2
        assert plots.nth(0).locator("path.curve").count() == 2
        path = plots.nth(0).locator("path.curve").nth(0).get_attribute("d")
        assert path.count("L") == 6
        plots.nth(0).hover()
        card = details.locator(".card").nth(0).inner_text()
        assert "epoch" in card
        assert "seed 0" in card
        details.locator("select").select_option("val text_to_image/recall@5")
        assert "text → image R@5, %" in details.locator("svg[role=img]").nth(0).text_content()


def test_panels_that_are_not_there_leave_no_broken_picture(browser, file, tmp_path):  # noqa: F811
    alone = tmp_path / "board.html"
    alone.write_text(file.read_text())
    with opened(browser, alone) as tab:
        tab.click(".model >> nth=0")
        tab.wait_for_selector("text=which is not beside this page")
        assert tab.locator(".thumbnail").count() == 0


def test_models_are_compared_side_by_side(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        boxes = tab.locator("#table tr[data-key] input")
        boxes.nth(0).check()
        assert tab.is_disabled("#compare")
        boxes.nth(2).check()
        root = tab.locator("#comparison")
        lines = [" ".join(line.split()) for line in root.locator(".grid tr").all_inner_texts()]
        assert "mean recall 48.5 ± 0.7 40.5 ± 0.7" in lines
        assert "loss C A" in lines
        assert "head.dropout 0.3 0.1" in lines
        one, other = root.locator("code").inner_text().removeprefix("python scripts/compare.py ").split()
        assert re.fullmatch(r"\S*/sweep/C0,\S*/sweep/C1", one), "all seeds of a model"
        assert re.fullmatch(r"\S*/sweep/A0,\S*/sweep/A1", other)
        assert root.locator("svg[role=img]").nth(0).locator("path.curve").count() == 4
        scatter = root.locator("svg[role=img]").last
        assert scatter.locator(".point").count() == 3
        assert scatter.locator(".point.chosen").count() == 2
        tab.click("#bar .chip >> nth=0")
        assert root.is_hidden()


def test_a_link_shows_again_what_was_shown(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        tab.click('th[data-column="image_to_text/recall@5"] button')
        tab.click('th[data-column="image_to_text/recall@5"] button')
        tab.fill("#search", "loss=")
        tab.click("#settings summary")
        tab.locator(".facet label", has_text="0.3").click()
        tab.click("#columns summary")
        tab.uncheck('input[value="image_to_text/recall@10"]')
        tab.keyboard.press("Escape")
        tab.click(".model >> nth=0")
        tab.locator("#table tr[data-key] input").nth(0).check()
        before, address = tab.inner_text("#table"), tab.evaluate("location.hash")
        assert models(tab)
    with opened(browser, file, address) as tab:
        assert tab.inner_text("#table") == before
        assert tab.input_value("#search") == "loss="
        assert tab.locator("#bar .chip").count() == 1
        tab.evaluate("location.hash = '#sort=no_such&open=none&board=gone&columns=x'")
        tab.wait_for_function("document.querySelector('#search').value === ''")
        assert len(models(tab)) == 5
        tab.click("#reset")
        assert tab.evaluate("location.hash") == ""


def test_tabs_keep_protocols_apart(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        tabs = tab.locator("[role=tab]")
        assert tabs.all_inner_texts() == ["emoji, val split\n5", "emoji, test split\n1"]
        tabs.nth(0).focus()
        tab.keyboard.press("ArrowRight")
        assert tabs.nth(1).get_attribute("aria-selected") == "true"
        assert cells(tab, "mean_recall") == ["35.0"]
        assert "split test, not val" in tab.inner_text(".facts.apart")
        assert "board=" in tab.evaluate("location.hash")


def test_letters_say_who_does_not_differ(browser, file):  # noqa: F811
    with opened(browser, file) as tab:
        assert tab.locator(".letter").all_inner_texts() == ["a", "a", "b", "b"]
        assert "do not differ" in tab.locator(".letter >> nth=0").get_attribute("title")
        tab.hover(".letter >> nth=0")
        assert tab.locator("tr.apart").count() == 3
        tab.click('th[data-column="text_to_image/recall@1"] button')
        assert tab.locator(".letter").count() == 0
        assert "was not tested" in tab.inner_text("#reading")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1300), ("dark", 390)])
def test_hostile_and_long_labels_stay_text_and_nothing_is_cut_off(browser, file, tmp_path, scheme, width):  # noqa: F811
    many = [
        record(
            f"{BAD}{n}", 0.3 + n / 300, settings={"a": f"{BAD}{n}", "b": "x" * 300, "c": n % 3}, name=BAD * 3
        )
        for n in range(60)
    ]
    page = tmp_path / "board.html"
    page.write_text(page_of(tmp_path, many, left_out=[LeftOut(BAD, BAD * 5)]))
    with opened(browser, page, viewport={"width": width, "height": 800}, color_scheme=scheme) as tab:
        tab.click(".model >> nth=0")
        tab.locator("#table tr[data-key] input").nth(0).check()
        tab.locator("#table tr[data-key] input").nth(1).check()
        assert tab.title() == "Leaderboard"
        assert tab.locator("main img").count() == 0
        assert BAD in tab.inner_text("#left-out")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    with opened(browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.click(".model >> nth=0")
        assert tab.locator("tr.details .sheet").bounding_box()["width"] <= width
