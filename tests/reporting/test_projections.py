"""Projection plots: what is drawn of which embeddings, as PNG and as a page that asks no network."""

import json
import re
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from tests.browser import browser, opened  # noqa: F401
from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Embeddings, Modality
from xmr.reporting.projection_page import projection_page
from xmr.reporting.projections import PALETTE, class_colours, draw_projection, project_all, write_projections
from xmr.reporting.views import View

BAD = "</script><script>document.title='broken'</script> & \u2028 $x_1$"


def embeddings(count=8, dim=4):
    """Images and texts of `count` items; the texts' ids are those of the images."""
    vectors = torch.randn(2, count, dim, generator=torch.Generator().manual_seed(0))
    ids = np.array([f"item{n}" for n in range(count)])
    return [Embeddings(v, ids, ids, m) for v, m in zip(vectors, (Modality.IMAGE, Modality.TEXT), strict=True)]


def labels(count=8, classes=2):
    return {f"item{n}": f"class {n % classes}" for n in range(count)}


def look(modality, id_):
    if modality is Modality.IMAGE:
        return View(image=Image.new("RGB", (60, 30), "teal"))
    return View(text=f"caption of {id_} {BAD}")


def data_of(page):
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL).group(1))


def page(planes=None, **settings):
    planes = planes or project_all(embeddings(), labels(), methods=["pca"])
    return projection_page(planes, title=f"A run {BAD}", look=look, **settings)


def test_every_point_of_the_page_has_its_place_id_class_and_caption():
    planes = project_all(embeddings(), labels(), methods=["pca"])
    data = data_of(page(planes))
    (tab,) = data["tabs"]
    seen = {}
    for x, y, at in zip(tab["x"], tab["y"], tab["entry"], strict=True):
        entry = data["entries"][at]
        seen[data["modalities"][entry["modality"]]["name"], entry["id"]] = (x, y)
        assert data["classes"][entry["class"]]["name"] == labels()[entry["id"]]
        if "picture" not in entry:
            assert entry["caption"] == look(Modality.TEXT, entry["id"]).text
    assert len(seen) == 16
    points = planes[0].points
    distances = [np.linalg.norm(points[a] - points[b]) for a, b in ((0, 9), (3, 12))]
    keys = list(zip(planes[0].modalities, planes[0].ids, strict=True))
    on_page = [np.linalg.norm(np.subtract(seen[keys[a]], seen[keys[b]])) for a, b in ((0, 9), (3, 12))]
    assert on_page[0] / on_page[1] == pytest.approx(distances[0] / distances[1], rel=0.01)


def test_the_page_asks_for_no_other_file():
    text = page()
    addresses = re.findall(r"(?:src|href)\s*=|url\(|@import|https?://|fetch\(|XMLHttpRequest", text)
    assert not addresses, "all is in the page"
    assert "default-src 'none'" in text


def test_text_of_data_sets_stays_text():
    text = page()
    assert text.count("</script>") == 2
    assert "<title>A run &lt;/script&gt;" in text
    assert data_of(text)["entries"][8]["caption"].endswith(BAD)


def test_pictures_stop_at_the_bytes_given_and_are_counted():
    text = page()
    assert len(data_of(text)["pictures"]) == 8
    assert "8 of 8 pictures are on this page" in text
    one = len(data_of(text)["pictures"][0][0])
    short = page(picture_bytes=3 * one)
    assert len(data_of(short)["pictures"]) == 3
    assert "3 of 8 pictures are on this page" in short
    source, width, height = data_of(short)["pictures"][0]
    assert source.startswith("data:image/jpeg;base64,")
    assert (width, height) == (112, 56)


def test_methods_become_tabs_of_the_same_entries():
    data = data_of(page(project_all(embeddings(), labels(), methods=["pca", "tsne"])))
    assert [tab["name"] for tab in data["tabs"]] == ["PCA", "t-SNE"]
    assert len(data["entries"]) == 16
    assert sorted(data["tabs"][0]["entry"]) == sorted(data["tabs"][1]["entry"]) == list(range(16))


def test_a_sample_is_said_to_be_one():
    (plane,) = project_all(embeddings(50), labels(50), methods=["pca"], limit=20)
    assert len(plane.points) == 20
    assert "20 of 100 embeddings, drawn at random" in page([plane])


def test_without_labels_the_modality_is_the_colour():
    (plane,) = project_all(embeddings(), {}, methods=["pca"])
    assert Counter(plane.classes.tolist()) == {"image": 8, "text": 8}
    assert data_of(page([plane]))["coloured_by"] == "modality"
    (plane,) = project_all(embeddings(), {"item0": "a"}, methods=["pca"])
    assert Counter(plane.classes.tolist()) == {"a": 2, "no label": 14}


def test_embeddings_of_two_spaces_and_no_method_are_refused():
    with pytest.raises(DataError, match=r"dimensions \[4, 5\]"):
        project_all([*embeddings()[:1], *embeddings(dim=5)[1:]], {}, methods=["pca"])
    with pytest.raises(ConfigError, match="at least one"):
        project_all(embeddings(), {}, methods=[])


def test_ten_classes_have_the_palette_and_more_have_colours_of_their_own():
    assert list(class_colours([f"c{n}" for n in range(10)]).values())[:10] == list(PALETTE)
    many = class_colours([f"c{n}" for n in range(60)])
    assert len(set(many.values())) == 61


def coloured(picture, colour):
    return int((abs(np.asarray(picture).astype(int) - ImageColor.getrgb(colour)).max(axis=2) < 30).sum())


def test_the_picture_shows_each_class_in_its_colour():
    (plane,) = project_all(embeddings(200), labels(200, classes=3), methods=["pca"])
    drawn = draw_projection(plane, title="A run of $maths$")
    assert all(coloured(drawn, colour) > 1000 for colour in PALETTE[:3])
    assert coloured(drawn, PALETTE[4]) == 0


@pytest.mark.parametrize("classes", [1, 60])
def test_nothing_runs_over_the_margins(classes):
    long = {item: f"{BAD} {label} " * 9 for item, label in labels(200, classes).items()}
    (plane,) = project_all(embeddings(200), long, methods=["pca"])
    pixels = np.asarray(draw_projection(plane, title="long title " * 40))
    assert (pixels[:, -8:] == 255).all()
    assert (pixels[-20:] == 255).all()


def test_files_are_written_by_method(tmp_path):
    one_point = [Embeddings(torch.ones(5, 3), *[np.arange(5).astype(str)] * 2, Modality.COMPOSED)]
    paths = write_projections(one_point, {}, tmp_path / "new", methods=["pca", "tsne"], title="collapsed")
    assert {name: path.name for name, path in paths.items()} == {
        "pca": "pca.png", "tsne": "tsne.png", "page": "projections.html"
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        p.name for p in paths.values()
    )
    assert data_of(paths["page"].read_text())["tabs"][0]["x"] == [0.0] * 5


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_the_page_works_in_a_browser(browser, tmp_path, scheme, width):  # noqa: F811
    planes = project_all(embeddings(), labels(), methods=["pca", "tsne"])
    (tmp_path / "page.html").write_text(page(planes), encoding="utf-8")
    look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, tmp_path / "page.html", **look) as tab:
        tab.wait_for_function("panes[0].width > 0")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, "nothing is cut off"
        place = """at => { const pane = panes[0], box = pane.canvas.getBoundingClientRect();
            const [x, y] = pane.place(pane.tab.entry.indexOf(at)); return [box.left + x, box.top + y]; }"""
        tab.mouse.move(*tab.evaluate(place, 8))
        card = tab.inner_text("#card")
        assert all(part in card for part in ("class 0", "text item0", BAD[:20]))
        tab.mouse.move(*tab.evaluate(place, 0))
        assert tab.locator("#card img").count() == 1
        tab.click("#classes button >> nth=0")
        assert tab.inner_text(".count") == "8 of 16 points"
        before = tab.evaluate("panes[0].scale")
        tab.hover("canvas")
        tab.mouse.wheel(0, -400)
        tab.wait_for_function(f"panes[0].scale > 1.5 * {before}")
        tab.dblclick("canvas")
        assert tab.evaluate("panes[0].scale") == pytest.approx(before)
        tab.click("#compare")
        assert tab.locator("canvas").count() == 2
        tab.click("#compare")
        assert tab.locator("canvas").count() == 1
        assert tab.title().startswith("A run </script>")
