"""The API over a real socket: each address answers as it is described, wrong requests say what is wrong."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.explorer.worlds import World, explorer_of, served
from xmr.core.errors import ConfigError, DataError
from xmr.explorer.client import Explorer
from xmr.explorer.files import Assets

IMAGE = {"source": "colours", "modality": "image", "id": "p/5&x=1"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    worlds = World(folder), World(folder, name="noisy", noise=60.0)
    with served(explorer_of(*worlds)) as running:
        yield running


@pytest.fixture(scope="module")
def client(running):
    with running.client() as client:
        yield client


@pytest.fixture(scope="module")
def python(running):
    return Explorer(running.access.url)


def test_sources_tell_what_can_be_asked(client):
    found = client.get("/api/sources").json()
    assert [source["id"] for source in found["sources"]] == ["colours", "noisy"]
    assert [index["kind"] for index in found["indexes"]] == ["exact", "ivf", "pq", "binary"]
    assert found["limits"]["columns"] == 4
    loaded = client.post("/api/sources/load", json={"source": "noisy"}).json()
    assert (loaded["state"], loaded["counts"]) == ("ready", {"image": 24, "text": 48})


def test_python_searches_as_the_page_does(python):
    found = python.search("blue", columns=["colours", "noisy:binary"], k=3)
    assert [column["index"] for column in found["columns"]] == ["exact", "binary"]
    by_entry = python.search(entry=found["columns"][0]["results"][0], k=3)
    assert len(by_entry["columns"]) == 2
    picture = python.picture(found["columns"][0]["results"][0]["picture"])
    by_picture = python.search(picture=picture, columns=["colours"], k=4)
    assert {result["label"] for result in by_picture["columns"][0]["results"]} == {"cold/blue"}
    assert python.graph("red", source="colours", n=5)["nodes"][4]["rank"] == 5


def test_python_says_what_the_explorer_says(python, running):
    with pytest.raises(DataError, match="the query is empty"):
        python.search("")
    with pytest.raises(ConfigError, match="token"):
        Explorer(running.base)
    with pytest.raises(DataError, match="token"):
        Explorer(f"{running.base}/?token=wrong").sources()
    with pytest.raises(DataError, match="is it running"):
        Explorer("http://127.0.0.1:1/?token=x").sources()


def test_maps_come_as_numbers(python):
    said, points = python.map("colours", "pca")
    assert said["count"] == len(points["x"]) == 72
    assert points["x"].dtype == np.float32
    place = python.post(
        "/api/map/position", {"source": "colours", "method": "pca", "query": {"entry": IMAGE}}
    )
    assert [place["x"], place["y"]] == pytest.approx([points["x"][5], points["y"][5]], abs=1e-4)
    entries = python.post("/api/map/entries", {"source": "colours", "method": "pca", "rows": [5]})["entries"]
    rows = python.post("/api/map/rows", {"source": "noisy", "method": "pca", "keys": [entries[0]["key"]]})
    assert (entries[0]["id"], rows) == (IMAGE["id"], {"rows": [5]})


@pytest.mark.parametrize(
    ("path", "parameters", "has"),
    [
        ("/api/entry", IMAGE, "texts"),
        ("/api/labels", {"source": "colours"}, "labels"),
        ("/api/queries", {"source": "colours", "direction": "text_to_image", "kind": "failed"}, "queries"),
        ("/api/metrics/board", {}, "boards"),
        ("/api/metrics/classes", {"source": "colours", "k": 5}, "classes"),
        ("/api/metrics/compression", {"source": "colours"}, "rows"),
        (
            "/api/metrics/differences",
            {"one": "colours", "other": "noisy", "direction": "text_to_image"},
            "difference",
        ),
    ],
)
def test_every_other_address_answers(client, path, parameters, has):
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    assert has in response.json()


def test_words_are_explained(client):
    asked = {"source": "colours", "text": "a blue picture", "entry": IMAGE}
    found = client.post("/api/metrics/words", json=asked).json()
    assert [word["word"] for word in found["words"]] == ["a", "blue", "picture"]


def test_pictures_are_sent_once(client):
    asked = {"source": "colours", "id": IMAGE["id"], "size": 96}
    first = client.get("/api/picture", params=asked)
    assert Image.open(io.BytesIO(first.content)).size == (60, 40)
    assert first.headers["cache-control"] == "private, no-cache"
    again = client.get("/api/picture", params=asked, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/api/sources").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "message"),
    [
        ("GET", "/api/picture?source=no&id=x", None, 404, "not_found", "no source"),
        ("GET", "/api/picture?source=colours&id=x&size=7", None, 400, "invalid", "size=7"),
        ("GET", "/api/nothing", None, 404, "not_found", ""),
        ("DELETE", "/api/sources", None, 405, "invalid", ""),
        ("GET", "/api/entry?source=colours&modality=sound&id=x", None, 422, "invalid", "modality"),
        ("GET", "/api/queries?source=colours&direction=x", None, 400, "invalid", "direction=x"),
        ("GET", "/api/map?source=colours&method=fc2", None, 422, "invalid", "method"),
        ("POST", "/api/search", b"{", 422, "invalid", ""),
        ("POST", "/api/search", b"{}", 422, "invalid", "query"),
        ("POST", "/api/search", b'{"query":{"text":"a"},"columns":[]}', 400, "invalid", "0 columns"),
        (
            "POST",
            "/api/search",
            b'{"query":{"text":"a"},"columns":[{"source":"colours"}],"k":1e99}',
            422,
            "invalid",
            "k",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_shape(client, method, path, body, status, kind, message):
    response = client.request(method, path, content=body, headers={"Content-Type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["kind"]) == (status, kind)
    assert message in error["message"]
    assert error["message"]


def test_an_unexpected_failure_is_an_error_without_a_traceback(tmp_path):
    world = World(tmp_path)

    def fail():
        raise ZeroDivisionError("a secret of the inside")

    world.load = fail
    with served(explorer_of(world)) as running:
        with running.client() as client:
            response = client.get("/api/labels?source=colours")
        with running.client() as client:
            assert client.get("/api/health").status_code == 200
    assert (response.status_code, response.json()["error"]["kind"]) == (500, "internal")
    assert "secret" not in response.text


def test_the_description_names_every_address(client):
    described = client.get("/api/openapi.json").json()
    assert {"/api/search", "/api/graph", "/api/map/points", "/api/metrics/board"} <= set(described["paths"])
    for methods in described["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]


def test_the_pages_name_no_other_host():
    folder = Assets()
    assert {"index.html", "docs.html", "docs.js", "docs.css", "favicon.svg"} <= set(folder.names)
    for name in folder.names:
        path = folder._files[name]
        if path.suffix in (".html", ".css", ".js", ".mjs"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
            assert not re.search(
                r"(https?:)?//[\w.-]+\.\w{2,}/", re.sub(r"^\s*(//|\*).*$", "", text, flags=re.M)
            ), name
