"""A saved index answers as the one that was built, and is refused once it or its vectors have changed."""

import shutil

import numpy as np
import pytest
from filelock import FileLock

from tests.index.stores import add, embeddings, kill_at_every_step, new_store
from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Modality, Rankings
from xmr.index.binary import BinaryIndex
from xmr.index.exact import Exact
from xmr.index.faiss_index import FaissIndex
from xmr.index.saved_index import build_index, index_names, open_index, read_index_record
from xmr.index.store import EmbeddingStore

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT
SETTINGS = {"_target_": "xmr.index.toy.Toy", "shift": 1}


class Toy:
    """An index that keeps its vectors in two files, one of them in a folder."""

    exact = True

    def __init__(self):
        self.vectors, self.gallery, self.loads = np.empty((0, 0)), None, 0

    @property
    def nbytes(self):
        return self.vectors.nbytes

    def add(self, gallery):
        self.vectors, self.gallery = gallery.vectors.numpy(), gallery

    def save(self, folder):
        (folder / "parts").mkdir()
        half = len(self.vectors) // 2
        np.save(folder / "first.npy", self.vectors[:half])
        np.save(folder / "parts/second.npy", self.vectors[half:])

    def load(self, folder, gallery):
        self.loads += 1
        parts = [np.load(folder / name) for name in ("first.npy", "parts/second.npy")]
        self.vectors, self.gallery = np.concatenate(parts), gallery

    def search(self, queries, *, k):
        scores = queries.vectors.numpy() @ self.vectors.T
        order = np.argsort(-scores, axis=1)[:, :k]
        found = np.take_along_axis(scores, order, axis=1)
        return Rankings(queries.ids, self.gallery.ids[order], found, np.zeros_like(found, dtype=bool))


class Nothing(Toy):
    """An index that needs no file."""

    exact = False

    def save(self, folder):
        pass

    def load(self, folder, gallery):
        self.loads += 1
        self.add(gallery)


@pytest.fixture
def store(tmp_path):
    store = new_store(tmp_path / "store")
    add(store, embeddings(20, "i"))
    add(store, embeddings(6, "t", modality=TEXT, seed=1))
    return store


def build(store, index=None, name="toy", **settings):
    settings = {
        "modality": IMAGE,
        "settings": SETTINGS,
        "options": ["index=toy", "index.shift=1"],
        **settings,
    }
    return build_index(store, index or Toy(), name=name, **settings)


def refused(store, name="toy"):
    """The message with which the index is refused; nothing may be loaded before."""
    index = Toy()
    with pytest.raises(DataError) as error:
        open_index(store, index, name)
    assert index.loads == 0
    return str(error.value)


@pytest.mark.parametrize("kind", [Toy, Nothing])
def test_a_saved_index_finds_what_the_built_one_found(store, kind):
    built, queries = kind(), embeddings(4, "q", seed=9)
    folder = build(store, built)
    assert folder == store.folder / "indexes/toy"
    loaded = kind()
    record = open_index(EmbeddingStore.open(store.folder), loaded, "toy")
    before, after = built.search(queries, k=5), loaded.search(queries, k=5)
    assert after.gallery_ids.tolist() == before.gallery_ids.tolist()
    assert after.scores == pytest.approx(before.scores)
    assert (record.count, record.modality, record.exact) == (20, "image", kind.exact)
    assert record.nbytes == 20 * 12 * 4
    assert record.settings == SETTINGS
    assert record == read_index_record(store, "toy")


@pytest.mark.parametrize(
    "make", [Exact, lambda: FaissIndex(factory="HNSW8"), lambda: FaissIndex(factory="IVF2,Flat"), BinaryIndex]
)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_kind_comes_back_as_it_was(tmp_path, make, dtype):
    store, built, loaded, queries = new_store(tmp_path / "s", dtype=dtype), make(), make(), embeddings(4, "q")
    add(store, embeddings(300, "i", seed=4))
    store.rebuild()
    build(store, built)
    record = open_index(EmbeddingStore.open(store.folder), loaded, "toy")
    before, after = built.search(queries, k=5), loaded.search(queries, k=5)
    assert after.gallery_ids.tolist() == before.gallery_ids.tolist()
    assert after.scores.tolist() == before.scores.tolist()
    assert record.exact is built.exact


def test_indexes_of_several_names_and_modalities_live_side_by_side(store):
    build(store)
    build(store, name="texts", modality=TEXT)
    assert index_names(store) == ["texts", "toy"]
    assert open_index(store, Toy(), "texts").count == 6
    assert open_index(store, Toy(), "toy").count == 20


def test_every_flipped_bit_is_refused_before_it_is_loaded(store):
    folder = build(store)
    rng = np.random.default_rng(0)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) == 3
    for path in files:
        whole = path.read_bytes()
        for bit in rng.choice(8 * len(whole), 50, replace=False):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            assert "python scripts/build_index.py" in refused(store)
        path.write_bytes(whole)
    open_index(store, Toy(), "toy")


def test_a_missing_shortened_or_added_file_is_refused_with_the_command_that_rebuilds(store):
    command = f"python scripts/build_index.py store={store.folder} index=toy index.shift=1"
    folder = build(store)
    path = next(folder.rglob("second.npy"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert f"Build it again: {command}" in refused(store)
    path.unlink()
    message = refused(store)
    assert "parts/second.npy is missing" in message
    assert command in message
    path.write_bytes(whole)
    (path.parent / "third.npy").write_bytes(whole)
    message = refused(store)
    assert "parts/third.npy" in message
    assert command in message


def test_an_index_of_vectors_that_have_changed_is_stale(store):
    build(store)
    build(store, name="texts", modality=TEXT)
    add(store, embeddings(3, "n", seed=5))
    message = refused(store)
    assert "stale" in message
    assert "from 20 to 23" in message
    assert f"build_index.py store={store.folder} index=toy index.shift=1" in message
    open_index(store, Toy(), "texts")
    build(store)
    assert open_index(store, Toy(), "toy").count == 23


def test_vectors_replaced_by_as_many_others_are_noticed(store, tmp_path):
    build(store)
    other = new_store(tmp_path / "other")
    add(other, embeddings(20, "i", seed=77))
    shutil.copytree(store.folder / "indexes", other.folder / "indexes")
    assert "stale" in refused(other)


def test_an_unknown_index_names_the_nearest(store):
    assert "it has none yet" in refused(store)
    build(store)
    assert "did you mean 'toy'" in refused(store, "toi")


def test_a_damaged_record_says_how_to_rebuild(store):
    folder = build(store)
    (folder / "index.json").write_text("{")
    assert "python scripts/build_index.py" in refused(store)
    build(store)
    open_index(store, Toy(), "toy")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_name_is_no_path(store, name):
    with pytest.raises(ConfigError, match="name an index with"):
        build(store, name=name)


def test_one_process_builds_an_index_at_a_time(store):
    build(store)
    with FileLock(store.folder / "indexes/.toy.lock"), pytest.raises(DataError, match="another process"):
        build(store)


def test_a_failed_build_leaves_the_old_index(store):
    class Failing(Toy):
        def save(self, folder):
            super().save(folder)
            raise DataError("disk full")

    build(store)
    with pytest.raises(DataError, match="disk full"):
        build(store, Failing())
    open_index(store, Toy(), "toy")


def test_a_killed_build_leaves_the_old_index_or_the_new_one(store):
    folder = build(store)
    first = read_index_record(store, "toy").build

    def check():
        loaded = Toy()
        open_index(store, loaded, "toy")
        assert (loaded.vectors == store.embeddings(IMAGE).vectors.numpy()).all()

    assert kill_at_every_step(build, store, check=check) > 5
    check()
    assert read_index_record(store, "toy").build != first
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1, "what was killed is cleared away"


def builds(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_a_writer_of_the_store_clears_away_what_killed_builds_left(store):
    folder = build(store)
    whole = builds(folder)
    (folder / "0123456789abcdef").mkdir()
    never = store.folder / "indexes/never/fedcba9876543210"
    never.mkdir(parents=True)
    (never / "half.bin").write_bytes(b"half")
    (store.folder / "indexes/empty").mkdir()
    (folder / "notes").mkdir()
    with store.writing():
        pass
    assert builds(folder) == sorted([*whole, "notes"]), "what is not a build is nobody's leftover"
    assert builds(store.folder / "indexes") == ["toy"]
    open_index(store, Toy(), "toy")


def test_what_another_process_is_building_is_no_leftover(store):
    being_built = store.folder / "indexes/new/0123456789abcdef"
    being_built.mkdir(parents=True)
    with FileLock(store.folder / "indexes/.new.lock"), store.writing():
        pass
    assert being_built.is_dir()


def test_an_index_with_a_damaged_record_is_left_as_it_is(store):
    folder = build(store)
    whole = builds(folder)
    (folder / "index.json").write_text("{")
    with store.writing():
        pass
    assert builds(folder) == whole
