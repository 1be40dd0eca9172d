"""Saved indexes of a store in the explorer: opened when they are asked for, refused with the reason."""

import shutil

import numpy as np
import pytest

from tests.index.stores import DATA, add, embeddings, new_store
from xmr.core.types import Modality
from xmr.explorer.queries import EntryName, Query
from xmr.explorer.search import Column, Options
from xmr.explorer.service import Explorer
from xmr.explorer.sources import Source
from xmr.index.exact import Exact
from xmr.index.faiss_index import FaissIndex
from xmr.index.manifest import ModelRecord
from xmr.index.saved_index import build_index
from xmr.index.store import EmbeddingStore
from xmr.pipelines.explore.store import StoreSource

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT
CONFIG = {
    "model": {"_target_": "xmr.models.dual_encoder.DualEncoder", "dim": 12},
    "loss": {"_target_": "xmr.losses.infonce.InfoNCE"},
    "encoder": {},
    "trainer": {"max_epochs": 1},
    "batch_size": 2,
    "seed": 0,
}
HNSW = {"_target_": "xmr.index.faiss_index.FaissIndex", "factory": "HNSW8"}


@pytest.fixture
def store(tmp_path):
    """A store of 40 images and 12 texts with an index of each."""
    model = ModelRecord("model-1", "best.ckpt", "0" * 64, CONFIG)
    store = new_store(tmp_path / "store", model=model, data=DATA)
    add(store, embeddings(40, "i"), split=["val"] * 40)
    add(store, embeddings(12, "t", modality=TEXT, seed=1), split=["val"] * 12)
    build(store, "near", FaissIndex(factory="HNSW8"), HNSW)
    build(store, "plain", Exact(), {"_target_": "xmr.index.exact.Exact"}, TEXT)
    return store


def build(store, name, index, settings, modality=IMAGE):
    build_index(store, index, name=name, modality=modality, settings=settings, options=[f"index={name}"])


def opened(store, split=None):
    reopened = EmbeddingStore.open(store.folder)
    return Explorer([Source(StoreSource(reopened, split=split, where="store"))])


def told(explorer):
    """What is said of each saved index, by its name."""
    [source] = explorer.overview()["sources"]
    return {index["name"]: index for index in source["indexes"]}


def searched(explorer, index, among=IMAGE, k=5):
    [source] = explorer.sources
    query = Query(entry=EntryName(source, "text", "t3"))
    [column] = explorer.search(query, [Column(source, index)], Options(among=among, k=k))["columns"]
    return column


def damage(store, name):
    """Change one bit of the index's largest file."""
    files = (path for path in (store.folder / "indexes" / name).rglob("*") if path.suffix == ".index")
    path = max(files, key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_saved_indexes_are_told_before_anything_is_loaded(store):
    explorer = opened(store)
    found = told(explorer)
    assert {name: (index["modality"], index["error"]) for name, index in found.items()} == {
        "near": ("image", None),
        "plain": ("text", None),
    }
    assert found["near"]["kind"] == "saved/near"
    assert found["near"]["about"].startswith("approximate, of 40 image vectors, ")
    assert found["near"]["about"].endswith(" bytes (index=near)")
    assert explorer.overview()["sources"][0]["state"] == "idle"


def test_a_saved_index_answers_as_it_was_built(store, monkeypatch):
    index = FaissIndex(factory="HNSW8")
    index.add(store.searchable(IMAGE))
    asked = store.searchable(TEXT).take(np.array([3]))
    wanted = index.search(asked, k=5)
    explorer = opened(store)
    monkeypatch.setattr(FaissIndex, "add", None)  # it is opened, not built again
    column = searched(explorer, "saved/near")
    assert [result["id"] for result in column["results"]] == wanted.gallery_ids[0].tolist()
    assert [result["score"] for result in column["results"]] == pytest.approx(wanted.scores[0], abs=1e-6)
    assert column["recall"] is not None
    assert column["timing"]["build_ms"] > 0
    assert searched(explorer, "saved/near")["timing"]["build_ms"] == 0, "it is opened once"


def test_an_index_is_searched_among_what_it_is_of(store):
    explorer = opened(store)
    assert searched(explorer, "saved/plain", among=TEXT)["recall"] == 1
    error = searched(explorer, "saved/plain")["error"]
    assert error["kind"] == "invalid"
    assert "'plain' is of text vectors; search among texts" in error["message"]
    assert told(explorer)["plain"]["error"] is None, "nothing is wrong with the index itself"


def test_an_index_of_other_vectors_is_left_out_with_the_reason(store):
    add(store, embeddings(2, "more", seed=5))
    explorer = opened(store)
    assert "stale" in told(explorer)["near"]["error"]
    assert "stale" in searched(explorer, "saved/near")["error"]["message"]
    assert told(explorer)["plain"]["error"] is None


@pytest.mark.parametrize("what", ["record", "missing", "shorter", "foreign"])
def test_a_damaged_or_foreign_index_is_left_out_with_the_reason(store, tmp_path, what):
    folder = store.folder / "indexes/near"
    if what == "record":
        (folder / "index.json").write_text('{"schema_version": 1}')
    elif what == "foreign":
        other = new_store(tmp_path / "other")
        add(other, embeddings(40, "i", seed=9))
        build(other, "near", FaissIndex(factory="HNSW8"), HNSW)
        shutil.rmtree(folder)
        shutil.copytree(other.folder / "indexes/near", folder)
    else:
        [file] = folder.rglob("faiss.index")
        file.unlink() if what == "missing" else file.write_bytes(file.read_bytes()[:-1])
    explorer = opened(store)
    assert told(explorer)["near"]["error"]
    column = searched(explorer, "saved/near")
    assert column["error"] == {"kind": "unavailable", "message": told(explorer)["near"]["error"]}
    assert searched(explorer, "exact")["error"] is None


def test_a_changed_bit_is_noticed_when_the_index_is_opened(store):
    explorer = opened(store)
    damage(store, "near")
    assert told(explorer)["near"]["error"] is None
    assert "SHA-256" in searched(explorer, "saved/near")["error"]["message"]
    assert "SHA-256" in told(explorer)["near"]["error"], "the next who asks is told before"
    damage(store, "near")
    assert searched(explorer, "saved/near")["error"] is None, "once it is mended it is offered again"
    assert told(explorer)["near"]["error"] is None


def test_settings_that_name_no_index_are_an_error_of_their_column(store):
    build(store, "odd", Exact(), {"_target_": "xmr.index.exact.NoSuchIndex"})
    explorer = opened(store)
    assert "can't be made" in searched(explorer, "saved/odd")["error"]["message"]


def test_of_a_part_of_the_store_no_index_is_offered(store):
    explorer = opened(store, split="val")
    assert "leave --split out" in told(explorer)["near"]["error"]
    assert "leave --split out" in searched(explorer, "saved/near")["error"]["message"]


def test_an_index_that_is_not_there_is_named(store):
    message = searched(opened(store), "saved/neer")["error"]["message"]
    assert "did you mean 'saved/near'" in message
