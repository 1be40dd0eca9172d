"""Sources are loaded when they are first asked for, and say what they lack."""

import threading

import numpy as np
import pytest

from tests.explorer.worlds import World, explorer_of
from xmr.core.errors import DataError
from xmr.core.types import Modality
from xmr.explorer.queries import Query
from xmr.explorer.search import Column, Options


def first(explorer, query):
    return explorer.search(query, [Column("colours")], Options())["columns"][0]


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path):
    world = World(tmp_path)
    explorer = explorer_of(world)
    assert explorer.overview()["sources"][0]["state"] == "idle"
    assert world.loads == 0
    assert explorer.load("colours")["state"] == "ready"
    assert explorer.overview()["sources"][0]["counts"] == {"image": 24, "text": 48}


def test_vectors_with_nan_are_refused_in_their_column(tmp_path):
    world = World(tmp_path)
    load = world.load

    def broken():
        content = load()
        content.rows[Modality.IMAGE].embeddings.vectors[3, 0] = np.nan
        return content

    world.load = broken
    explorer = explorer_of(world)
    column = first(explorer, Query("red"))
    assert "p/3&x=1" in column["error"]["message"]


def test_a_source_that_can_not_be_loaded_says_why_and_is_tried_again(tmp_path):
    world = World(tmp_path)
    load = world.load

    def fail():
        raise DataError("the disk is gone; bring it back")

    world.load = fail
    explorer = explorer_of(world)
    assert first(explorer, Query("red"))["error"]["message"] == "the disk is gone; bring it back"
    assert explorer.overview()["sources"][0]["state"] == "failed"
    world.load = load
    assert first(explorer, Query("red"))["error"] is None


def test_an_error_of_the_model_stays_when_the_vectors_are_loaded(tmp_path):
    world = World(tmp_path)
    load = world.load_encoder

    def fail():
        raise DataError("the model is gone")

    world.load_encoder = fail
    source = explorer_of(world).source("colours")
    with pytest.raises(DataError):
        source.encoder.encode_text(["red"])
    assert source.content.name == "colours"
    assert (source.state, source.error) == ("ready", "the model is gone")
    world.load_encoder = load
    assert source.encoder
    assert source.error is None


def test_a_source_is_loading_until_both_of_its_parts_are_there(tmp_path):
    world, go = World(tmp_path), threading.Event()

    def wait():
        go.wait(30)
        return world.encoder

    world.load_encoder = wait
    source = explorer_of(world).source("colours")
    thread = threading.Thread(target=lambda: source.encoder)
    thread.start()
    try:
        while source.state == "idle":
            pass
        assert source.content.name == "colours"
        assert source.state == "loading"
    finally:
        go.set()
        thread.join(30)
    assert source.state == "ready"
