"""Search in the explorer: results, what is correct, what columns share, and errors of one of them."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.explorer.worlds import COLOURS, World, explorer_of
from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.explorer.problems import NotFoundError
from xmr.explorer.queries import EntryName, Query
from xmr.explorer.search import Column, Options

ONE, OTHER = Column("colours"), Column("noisy")


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    return explorer_of(World(folder), World(folder, name="noisy", noise=60.0))


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (50, 30), COLOURS[colour]).save(file, "PNG")
    return file.getvalue()


def first(explorer, query, **options):
    return explorer.search(query, [ONE], Options(**options))["columns"][0]


def test_a_text_finds_the_pictures_that_it_describes(explorer):
    answer = explorer.search(Query("red"), [ONE], Options(k=4, tags=3))
    column = answer["columns"][0]
    assert column["error"] is None
    assert [result["rank"] for result in column["results"]] == [1, 2, 3, 4]
    assert {result["label"] for result in column["results"]} == {"warm/red"}
    assert all(result["relevant"] is None for result in column["results"])
    assert column["correct"] is None
    scores = [result["score"] for result in column["results"]]
    assert scores == sorted(scores, reverse=True)
    assert (column["gallery"], column["total"], column["left_out"]) == (24, 24, [])
    assert sum(column["histogram"]["shown"]) == 4
    assert answer["query"] == {"description": "red", "text": "red", "picture": None, "entry": None}


def test_what_the_query_consists_of_is_left_out_and_the_rest_is_judged(explorer):
    name = EntryName("colours", "image", "p/0&x=1")
    among_texts = first(explorer, Query(entry=name), k=24, among=Modality.TEXT)
    right = {result["id"] for result in among_texts["results"] if result["relevant"]}
    assert right <= {"p/0&x=1#0", "p/0&x=1#1"}
    assert among_texts["correct"]["total"] == 2
    assert among_texts["correct"]["shown"] == len(right)
    ranks = [result["rank"] for result in among_texts["results"] if result["relevant"]]
    assert among_texts["correct"]["first_rank"] == min(ranks)
    among_images = first(explorer, Query(entry=name), k=30)
    assert among_images["left_out"] == ["p/0&x=1"]
    assert among_images["gallery"] == among_images["total"] == len(among_images["results"]) == 23
    assert among_images["correct"] is None


def test_an_entry_that_the_model_embedded_is_not_embedded_again(tmp_path):
    world, other = World(tmp_path), World(tmp_path, name="noisy")
    explorer = explorer_of(world, other)
    columns = [ONE, OTHER]
    name = EntryName("colours", "text", "p/4&x=1#1")
    explorer.search(Query(entry=name), columns, Options())
    assert (world.encoder.calls, other.encoder.calls) == (2, 2)  # of images and texts, when loaded
    explorer.search(Query("blue"), columns, Options())
    found = explorer.search(Query("blue"), columns, Options())
    assert (world.encoder.calls, other.encoder.calls) == (3, 3)
    assert all(column["timing"]["encode_cached"] for column in found["columns"])
    assert (world.loads, other.loads) == (1, 1)


def test_pictures_and_pictures_with_texts_are_queries(explorer):
    upload = explorer.uploads.add(png("blue")).id
    alone = first(explorer, Query(upload=upload), k=3)
    assert {result["label"] for result in alone["results"]} == {"cold/blue"}
    assert alone["tags"][0]["text"].startswith(("a blue", "blue"))
    assert len({tag["text"] for tag in alone["tags"]}) == len(alone["tags"]) == 10
    both = first(explorer, Query("yellow", upload=upload), k=3)
    assert "sum of both" in both["note"]
    entry = EntryName("colours", "image", "p/2&x=1")
    both = explorer.search(Query("yellow", entry=entry), [ONE], Options(k=3))
    assert both["query"]["description"] == "picture p/2&x=1 + yellow"
    assert both["columns"][0]["left_out"] == ["p/2&x=1"]
    assert both["columns"][0]["correct"] is None


def test_a_model_of_composed_queries_takes_both_as_one(tmp_path):
    explorer = explorer_of(World(tmp_path, composes=True))
    upload = explorer.uploads.add(png("blue")).id
    column = first(explorer, Query("red", upload=upload), k=2)
    assert column["note"] is None
    assert {result["label"] for result in column["results"]} == {"warm/red"}


def test_labels_filter_and_are_counted_by_level(explorer):
    column = first(explorer, Query("red"), k=30, labels=("cold",))
    assert {result["label"] for result in column["results"]} == {"cold/green", "cold/blue"}
    assert (column["gallery"], column["total"]) == (8, 24)
    assert sum(column["histogram"]["counts"]) == 8
    assert explorer.labels("colours")["labels"][0] == {"label": "cold", "count": 8}
    nothing = first(explorer, Query("red"), labels=("no such",))
    assert nothing["results"] == []
    assert nothing["gallery"] == 0


def test_columns_are_compared_by_the_entries_that_they_share(explorer):
    answer = explorer.search(Query("red picture of nothing else"), [ONE, OTHER, ONE], Options(k=10))
    lists = [[result["id"] for result in column["results"]] for column in answer["columns"]]
    pairs = [pair["columns"] for pair in answer["agreement"]]
    assert pairs == [[0, 1], [0, 2], [1, 2]]
    for pair in answer["agreement"]:
        one, other = (lists[number] for number in pair["columns"])
        assert pair["shared"] == len(set(one) & set(other))
        assert pair["overlap"] == pytest.approx(len(set(one) & set(other)) / 10)
    same = answer["agreement"][1]
    assert same["rank_correlation"] == pytest.approx(1)
    assert same["gallery_correlation"] == pytest.approx(1)


def test_columns_over_other_galleries_are_not_compared(tmp_path):
    part = World(tmp_path, name="noisy")
    whole = part.load()
    part.load = lambda: replace(whole, searched={modality: np.arange(12) for modality in whole.searched})
    answer = explorer_of(World(tmp_path), part).search(Query("red"), [ONE, OTHER], Options(k=5))
    [pair] = answer["agreement"]
    assert not pair["comparable"]
    assert pair["gallery_correlation"] is None


@pytest.mark.parametrize(("modality", "left_out"), [("text", []), ("image", ["p/0&x=1"])])
def test_a_text_with_the_id_of_an_image_leaves_the_image_in(tmp_path, modality, left_out):
    world = World(tmp_path)
    content = world.load()
    text = content.rows[Modality.TEXT]
    ids = np.append(content.rows[Modality.IMAGE].embeddings.ids, text.embeddings.ids[24:])
    rows = {**content.rows, Modality.TEXT: replace(text, embeddings=replace(text.embeddings, ids=ids))}
    world.load = lambda: replace(content, rows=rows)
    query = Query(entry=EntryName("colours", modality, "p/0&x=1"))
    explorer = explorer_of(world)
    assert first(explorer, query, k=30)["left_out"] == left_out
    assert len(first(explorer, query, k=100, among=Modality.TEXT)["results"]) == 48 - (modality == "text")


def test_an_error_of_one_column_leaves_the_others(explorer):
    columns = [ONE, Column("missing"), Column("colours", "pq"), Column("colours", "hnsw")]
    found = explorer.search(Query("red"), columns, Options(k=3))["columns"]
    assert found[0]["error"] is None
    assert found[1]["error"]["kind"] == "not_found"
    assert found[2]["error"]["kind"] == "unavailable"  # too few vectors to learn codes from
    assert "24 vectors" in found[2]["error"]["message"]
    assert found[3]["error"]["kind"] == "invalid"


def test_an_approximate_index_tells_its_recall(explorer):
    column = explorer.search(Query("red"), [Column("colours", "binary")], Options(k=5))["columns"][0]
    assert 0 <= column["recall"] <= 1
    assert len(column["results"]) == 5
    assert column["note"] is None


def test_an_index_behind_a_filter_tells_how_deep_it_looked(explorer):
    options = Options(k=5, labels=("cold",))
    column = explorer.search(Query("red"), [Column("colours", "binary")], options)["columns"][0]
    assert "6 entries" in column["note"]
    assert "24 nearest by bits" in column["note"]
    assert explorer.search(Query("red"), [ONE], options)["columns"][0]["note"] is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query(), "empty"),
        (Query("   "), "empty"),
        (Query("x" * 3000), "2,000"),
        (Query(upload="ab", entry=EntryName("colours", "image", "p/0&x=1")), "not from both"),
        (Query("more", entry=EntryName("colours", "text", "p/0&x=1#0")), "two texts"),
    ],
)
def test_a_query_that_is_none_is_refused(explorer, query, message):
    with pytest.raises(ConfigError, match=message):
        explorer.search(query, [ONE], Options())


def test_unknown_things_and_numbers_out_of_range_are_refused(explorer):
    with pytest.raises(NotFoundError, match="no image with the id"):
        explorer.search(Query(entry=EntryName("colours", "image", "../../etc/passwd")), [ONE], Options())
    with pytest.raises(ConfigError, match="0 columns"):
        explorer.search(Query("red"), [], Options())
    for options in (Options(k=0), Options(k=201), Options(bins=1), Options(tags=-1)):
        with pytest.raises(ConfigError):
            explorer.search(Query("red"), [ONE], options)
    gone = explorer.search(Query(upload="0123456789abcdef"), [ONE], Options())["columns"][0]
    assert gone["error"]["kind"] == "not_found"
    assert "upload it again" in gone["error"]["message"]


def test_one_picture_is_a_gallery(tmp_path):
    explorer = explorer_of(World(tmp_path, count=1))
    column = first(explorer, Query("red"), k=30)
    assert len(column["results"]) == 1
    alone = first(explorer, Query(entry=EntryName("colours", "image", "p/0&x=1")))
    assert alone["results"] == []


def test_an_entry_is_described_with_its_item(explorer):
    found = explorer.entry("colours", "text", "p/3&x=1#0")
    assert found["texts"] == ["a yellow picture", "yellow number 3"]
    assert [picture["id"] for picture in found["pictures"]] == ["p/3&x=1"]
    assert found["picture"] == "/api/picture?source=colours&id=p%2F3%26x%3D1"
