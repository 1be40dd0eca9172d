"""The page of a comparison: what it says, that hostile captions stay text, and that it works in a browser."""

import dataclasses
import json
import re

import pytest
from PIL import Image

from tests.browser import browser, opened  # noqa: F401
from tests.evaluation.made_results import made_queries
from xmr.core.errors import DataError
from xmr.evaluation.comparison import compare
from xmr.evaluation.retrieved import galleries_of
from xmr.reporting.comparison.content import comparison_content
from xmr.reporting.comparison.json_file import comparison_json
from xmr.reporting.comparison.page import comparison_page
from xmr.reporting.comparison.text import About, Compared
from xmr.reporting.views import View

BAD = "</script><script>document.title='broken'</script> & \u2028 <img src=x onerror=alert(1)> $x"
PROTOCOL = {
    "name": "standard",
    "data": f"shapes {BAD}",
    "split": "val",
    "data_fingerprint": "abc",
    "ks": [1, 5, 10],
}


class MadeLooks:
    """Pictures of one colour; those that `broken` names can't be read."""

    def __init__(self, queries, broken=()):
        self._queries, self._broken = queries, broken

    def query(self, direction, id_):
        return self._look(direction.partition("_to_")[0], id_)

    def entry(self, direction, id_):
        return self._look(direction.partition("_to_")[2], id_)

    def galleries(self):
        return galleries_of(self._queries)

    def _look(self, modality, id_):
        if modality == "text":
            return View(text=f"caption {id_} {BAD}")
        if id_ in self._broken:
            raise DataError(f"{id_}.png can't be read")
        return View(image=Image.new("RGB", (60, 30), "teal"), label=f"label {BAD}")


def hostile(queries):
    """The same results with captions that would break out of a page."""
    return {
        name: dataclasses.replace(of, texts=tuple(None if t is None else f"{t} {BAD}" for t in of.texts))
        for name, of in queries.items()
    }


def about(**changes):
    models = (
        Compared(f"first {BAD}", ("id-a/best",), ("runs/a",), (0,)),
        Compared("second", ("id-b/best",), ("runs/b",), (1,)),
    )
    return About(
        models,
        PROTOCOL,
        settings={"loss._target_": ("xmr.losses.info_nce.InfoNCE", BAD), "loss.margin": (None, 0.2)},
        cost={"parameters": (1200.0, 3400.0), "training, seconds": (None, 12.345)},
        **changes,
    )


@pytest.fixture(scope="module")
def models():
    return [hostile(made_queries(skill=skill, seed=seed)) for skill, seed in ((0.3, 1), (0.6, 2))]


@pytest.fixture(scope="module")
def comparison(models):
    return compare([models[0]], [models[1]])


@pytest.fixture(scope="module")
def content(comparison, models):
    return comparison_content(
        comparison, about(notes=(f"a note {BAD}",)), MadeLooks(models[0], broken=("i3",))
    )


def data_of(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL).group(1))


def test_every_list_shows_queries_that_belong_to_it(content, models):
    for direction in content["directions"]:
        of = [model[direction["name"]] for model in models]
        rows = {id_: n for n, id_ in enumerate(of[0].query_ids.tolist())}
        for each in direction["lists"]:
            assert len(each["at"]) == min(12, each["total"])
            for number in each["at"]:
                query = content["queries"][number]
                row = rows[query["id"]]
                ranks = [float(model.values["first_rank"][row]) for model in of]
                assert query["ranks"] == ranks
                if each["kind"] in ("gained", "lost"):
                    inside = [rank <= each["k"] for rank in ranks]
                    assert inside == ([False, True] if each["kind"] == "gained" else [True, False])
                else:
                    assert (ranks[1] < ranks[0]) == (each["kind"] == "improved")


def test_what_was_found_is_marked_and_the_first_correct_entry_is_always_there(content, models):
    seen = 0
    for direction in content["directions"]:
        numbers = {number for each in direction["lists"] for number in each["at"]}
        for query in (content["queries"][number] for number in numbers):
            for model, found, rank in zip(models, query["found"], query["ranks"], strict=True):
                of = model[direction["name"]]
                row = of.query_ids.tolist().index(query["id"])
                ids = [content["entries"][each["entry"]]["id"] for each in found]
                assert ids[:5] == of.retrieved[row][:5].tolist()
                correct = [each["place"] for each in found if each["correct"]]
                assert (min(correct) == rank) if rank <= 10 else not correct
                seen += 1
    assert seen > 20


def test_pictures_are_shared_counted_and_bounded(comparison, models, content):
    assert "pictures are on this page" in content["notes"][1]
    assert content["notes"][2] == "1 pictures can't be read, the first: i3.png can't be read"
    size = len(content["pictures"][0][0])
    few = comparison_content(comparison, about(), MadeLooks(models[0]), picture_bytes=3 * size)
    assert len(few["pictures"]) == 3
    assert few["notes"][0].startswith("3 of 20 pictures")
    none = comparison_content(comparison, about())
    assert none["pictures"] == [] == none["notes"]
    assert any("text" in entry for entry in none["entries"]), "texts that the results hold are shown"


def test_the_page_asks_for_no_other_file_and_texts_stay_texts(content):
    page = comparison_page(content)
    text = re.sub(r'<script id="data".*?</script>', "", page, flags=re.DOTALL)
    assert not re.findall(
        r"(?:src|href)\s*=\"|url\(|@import|https?://(?!www\.w3\.org/2000/svg)|fetch\(", text
    )
    assert "default-src 'none'" in page
    assert page.count("</script>") == 2
    assert data_of(page) == json.loads(json.dumps(content)), "the page holds what was made"


def test_words_are_those_of_the_surest_difference(content, comparison):
    for direction in content["directions"]:
        of = comparison.directions[direction["name"]]
        for k, shown in direction["slices"].get("word", {}).items():
            known = {one.name: one for one in of.slices["word"][int(k)].slices}
            assert shown["tested"] == len(known)
            changes = [known[row["name"]].values[1] - known[row["name"]].values[0] for row in shown["rows"]]
            assert changes == sorted(changes, reverse=True)


def test_json_holds_every_gained_and_lost_query(comparison, models):
    made = comparison_json(comparison, about())
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    for name, of in made["directions"].items():
        first = [model[name].values["first_rank"] for model in models]
        ids = models[0][name].query_ids
        for k, outcome in of["outcomes"].items():
            gained = ids[(first[1] <= int(k)) & (first[0] > int(k))].tolist()
            assert outcome["gained"] == gained
            assert sum(outcome[kind] for kind in ("both", "only_a", "only_b", "neither")) == of["queries"]
        assert of["ranks"]["better"] == int((first[1] < first[0]).sum())
    assert made["metrics"][-1]["metric"] == "mean_recall"
    assert made["models"]["b"] == {"name": "second", "runs": ["runs/b"], "seeds": [1]}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_the_page_works_in_a_browser(browser, content, tmp_path, scheme, width):  # noqa: F811
    file = tmp_path / "page.html"
    file.write_text(comparison_page(content), encoding="utf-8")
    with opened(browser, file, viewport={"width": width, "height": 800}, color_scheme=scheme) as tab:
        assert tab.inner_text("h1") == content["verdict"]
        assert tab.title() == f"first {' '.join(BAD.split())} against second"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "nothing is cut off"
        assert tab.locator("#metrics tbody tr").count() == len(content["metrics"]) + 3
        assert tab.locator("article.query").count() > 0
        assert "onerror" in tab.inner_text("article.query >> nth=0"), "a caption is shown as it is"
        assert tab.locator("article.query img").count() > 0
        # all by keyboard: the other direction, the larger k, another list, another kind of slice
        tab.focus("#directions button >> nth=1")
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.activeElement.textContent") == "text to image"
        tab.focus("#ks button >> nth=1")
        tab.keyboard.press("Enter")
        assert tab.evaluate("chosen.k") == 10
        counts = content["directions"][1]["outcomes"]["10"]
        assert f"B alone {counts['only_b']}" in tab.inner_text(".key")
        lists = tab.locator("#direction section >> nth=1").locator(".choices button")
        lists.nth(2).focus()
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.activeElement.textContent").startswith("B brings it up most")
        shown = tab.locator("article.query").count()
        tab.click("button.more")
        assert (shown, tab.locator("article.query").count()) == (4, 12)
        kinds = tab.locator("#direction section >> nth=-1").locator(".choices button")
        names = kinds.all_inner_texts()
        kinds.nth(len(names) - 1).focus()
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.activeElement.textContent") == names[-1]
        assert tab.evaluate("document.querySelector('canvas').clientWidth") > 200
        tab.locator("canvas").scroll_into_view_if_needed()
        point = """() => { const { plot } = document.querySelector("canvas");
            const box = plot.canvas.getBoundingClientRect();
            const [x, y] = plot.place(0); return [box.left + x, box.top + y]; }"""
        tab.mouse.move(*tab.evaluate(point))
        assert "by A" in tab.inner_text("#card")


def test_the_page_tells_of_what_the_results_do_not_hold(browser, models, tmp_path):  # noqa: F811
    bare = [
        {
            "image_to_image": dataclasses.replace(
                model["image_to_text"],
                direction="image_to_image",
                values={
                    name: v for name, v in model["image_to_text"].values.items() if name.startswith("recall")
                },
                retrieved=None,
                scores=None,
            )
        }
        for model in models
    ]
    comparison = compare([bare[0]], [bare[1]])
    content = comparison_content(comparison, about())
    assert [each["kind"] for each in content["directions"][0]["lists"]] == ["gained", "lost"] * 2
    file = tmp_path / "page.html"
    file.write_text(comparison_page(content), encoding="utf-8")
    with opened(browser, file) as tab:
        assert tab.locator("canvas").count() == 0
        assert "do not hold the lists" in tab.inner_text("#direction")
        assert tab.locator("article.query").count() > 0
