"""Requests that wait for a load hold no thread of the server's pool, and all end as the load ends."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.explorer.worlds import World, explorer_of, served
from xmr.core.errors import DataError
from xmr.explorer import waiting
from xmr.explorer.gallery import Gallery

MANY = 60
"""More than the 40 threads that Starlette has."""
ENTRY = {"source": "slow", "modality": "image", "id": "p/5&x=1"}


def search(source, index="exact", text="red"):
    body = {"query": {"text": text}, "columns": [{"source": source, "index": index}]}
    return lambda client: client.post("/api/search", json=body)


def get(path, **parameters):
    return lambda client: client.get(path, params=parameters)


@contextmanager
def asking(running, requests, monkeypatch):
    """Send all `requests`; the block runs once the server works on each: the futures of the answers."""
    begun, as_request = threading.Semaphore(0), waiting._as_request

    def counted(*arguments):
        begun.release()
        return as_request(*arguments)

    monkeypatch.setattr(waiting, "_as_request", counted)
    with running.client() as client, ThreadPoolExecutor(len(requests)) as pool:
        asked = [pool.submit(request, client) for request in requests]
        assert all(begun.acquire(timeout=60) for _ in requests)
        yield asked


class Held:
    """A function of an object that waits until it is let go."""

    def __init__(self, of, name, monkeypatch):
        self.go, real, self.calls = threading.Event(), getattr(of, name), 0

        def held(*arguments, **named):
            self.calls += 1
            self.go.wait(60)
            return real(*arguments, **named)

        monkeypatch.setattr(of, name, held)


@pytest.mark.parametrize(
    ("what", "requests"),
    [
        ("load", [search("slow"), get("/api/labels", source="slow"), get("/api/entry", **ENTRY)]),
        ("load", [get("/api/queries", source="slow", direction="text_to_image")]),
        ("load", [get("/api/map/points", source="slow")]),
        ("load_encoder", [search("slow"), get("/api/metrics/classes", source="slow")]),
        ("index", [search("slow", "ivf"), get("/api/metrics/compression", source="slow")]),
    ],
)
def test_another_source_answers_while_more_wait_than_the_pool_has_threads(
    tmp_path, monkeypatch, what, requests
):
    slow, quick = World(tmp_path, name="slow"), World(tmp_path, name="quick")
    explorer = explorer_of(slow, quick)
    explorer.load("quick")
    on = (Gallery, "_made") if what == "index" else (slow, what)
    held = Held(*on, monkeypatch)
    with served(explorer) as running:
        with asking(running, requests * (MANY // len(requests)), monkeypatch) as asked:
            try:
                with running.client() as client:
                    quickly = [search("quick"), get("/api/labels", source="quick"), get("/api/sources")]
                    quickly += [
                        get("/api/picture", source="quick", id="p/5&x=1"),
                        get("/api/health"),
                        get("/"),
                    ]
                    for request in quickly:
                        assert request(client).status_code == 200
                assert not any(each.done() for each in asked)
            finally:
                held.go.set()
        answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {200}
    searches = [answer.json() for answer in answers if answer.url.path == "/api/search"]
    assert all(answer["columns"][0]["error"] is None for answer in searches)
    if what != "index":
        assert held.calls == 1


def test_a_failure_is_told_to_all_who_waited_and_the_next_tries_again(tmp_path, monkeypatch):
    slow = World(tmp_path, name="slow")
    load, broken = slow.load, [True]

    def fails():
        if broken:
            raise DataError("the disk is gone; bring it back")
        return load()

    slow.load = fails
    held = Held(slow, "load", monkeypatch)
    with served(explorer_of(slow)) as running:
        with asking(running, [search("slow"), get("/api/labels", source="slow")] * 25, monkeypatch) as asked:
            held.go.set()
        found = [each.result().json() for each in asked]
        errors = [(answer["columns"][0] if "columns" in answer else answer)["error"] for answer in found]
        assert {error["message"] for error in errors} == {"the disk is gone; bring it back"}
        broken.clear()
        with running.client() as client:
            assert search("slow")(client).json()["columns"][0]["error"] is None


def test_who_waited_for_an_index_is_told_how_long_it_took(tmp_path):
    with served(explorer_of(World(tmp_path, name="slow"))) as running, running.client() as client:
        took = [search("slow", "ivf")(client).json()["columns"][0]["timing"]["build_ms"] for _ in range(2)]
    assert took[0] > 0
    assert took[1] == 0


def test_columns_that_are_there_are_searched_once_however_long_another_loads(tmp_path, monkeypatch):
    slow, quick = World(tmp_path, name="slow"), World(tmp_path, name="quick")
    explorer = explorer_of(slow, quick)
    explorer.load("quick")
    calls = quick.encoder.calls
    body = {"query": {"text": "red"}, "columns": [{"source": "quick"}, {"source": "slow"}]}
    with served(explorer) as running, running.client() as client:
        answered, work = [], explorer.work
        monkeypatch.setattr(explorer, "work", lambda what: answered.append(1) or work(what))
        assert client.post("/api/search", json=body).status_code == 200
    assert len(answered) == 3, "two columns and their agreement"
    assert quick.encoder.calls == calls + 1
