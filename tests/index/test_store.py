"""A store on disk gives back what was put in, grows by all or nothing, and refuses what has been damaged."""

import json
import warnings

import numpy as np
import pytest
import torch
from filelock import FileLock

from tests.index.stores import DATA, DIM, MODEL, add, embeddings, kill_at_every_step, new_store
from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.types import Embeddings, Modality
from xmr.index.manifest import Manifest
from xmr.index.store import EmbeddingStore

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def filled(folder):
    """20 images in two appends, with 30 texts between them."""
    store = new_store(folder)
    add(store, embeddings(15, "i"), caption=[f"image {n}" for n in range(15)], split=["val"] * 15)
    add(store, embeddings(30, "t", modality=TEXT, seed=1), label=["cat"] * 30, split=["test"] * 30)
    add(store, embeddings(5, "j", seed=2), image_path=[f"{n}.png" for n in range(5)], split=["val"] * 5)
    return store


def segment_files(store):
    return sorted((store.folder / "segments").iterdir())


def same(found, *expected):
    """Whether `found` holds the `expected` embeddings one after the other."""
    assert found.ids.tolist() == [id_ for one in expected for id_ in one.ids]
    assert found.item_ids.tolist() == [id_ for one in expected for id_ in one.item_ids]
    assert torch.equal(found.vectors, torch.cat([one.vectors for one in expected]))
    assert {found.modality} == {one.modality for one in expected}


def test_what_was_appended_comes_back_in_order(filled, folder):
    for store in (filled, EmbeddingStore.open(folder)):
        same(store.embeddings(IMAGE), embeddings(15, "i"), embeddings(5, "j", seed=2))
        same(store.embeddings(TEXT), embeddings(30, "t", modality=TEXT, seed=1))
        assert store.ids(TEXT).tolist() == store.embeddings(TEXT).ids.tolist()
        assert (len(store), store.counts, store.nbytes) == (50, {"image": 20, "text": 30}, 50 * DIM * 4)
        assert store.manifest.data.splits == ("val", "test")
        assert store.manifest.model == MODEL


def test_metadata_goes_with_its_vector(filled, folder):
    metadata = EmbeddingStore.open(folder).metadata
    assert set(metadata) == {"id", "item_id", "modality", "caption", "image_path", "label", "split"}
    rows = {id_: n for n, id_ in enumerate(metadata["id"])}
    assert metadata["caption"][rows["i3"]] == "image 3"
    assert metadata["label"][rows["t7"]] == "cat"
    assert metadata["image_path"][rows["i3"]] == ""
    described = filled.describe(["j2", "i0", "j2"])
    assert [row["image_path"] for row in described] == ["2.png", "", "2.png"]
    assert described[1]["modality"] == "image"
    with pytest.raises(DataError, match="'nobody'"):
        filled.describe(["i0", "nobody"])


def test_one_piece_is_not_copied_and_torch_does_not_warn(filled):
    filled.rebuild()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = filled.embeddings(IMAGE).vectors, filled.embeddings(IMAGE).vectors
        assert first.data_ptr() == second.data_ptr()
        assert filled.embeddings(TEXT).vectors.data_ptr() == first.data_ptr() + first.numel() * 4


def test_writing_to_the_vectors_does_not_reach_the_disk(filled, folder):
    filled.rebuild()
    filled.embeddings(IMAGE).vectors.zero_()
    same(EmbeddingStore.open(folder).embeddings(IMAGE), embeddings(15, "i"), embeddings(5, "j", seed=2))


def test_rebuild_compacts_into_one_segment_and_changes_nothing_else(filled, folder):
    before, held = filled.describe(filled.metadata["id"]), filled.embeddings(IMAGE)
    filled.rebuild()
    for store in (filled, EmbeddingStore.open(folder)):
        assert len(store.manifest.segments) == 1
        assert len(segment_files(store)) == 2
        same(store.embeddings(IMAGE), embeddings(15, "i"), embeddings(5, "j", seed=2))
        same(store.embeddings(TEXT), embeddings(30, "t", modality=TEXT, seed=1))
        assert store.describe([row["id"] for row in before]) == before
    same(held, embeddings(15, "i"), embeddings(5, "j", seed=2))
    add(filled, embeddings(2, "later"))
    same(filled.embeddings(IMAGE), embeddings(15, "i"), embeddings(5, "j", seed=2), embeddings(2, "later"))


def test_modalities_that_lie_mixed_are_told_apart(filled, folder):
    """A segment whose modalities alternate is never written by append, but may be by a later version."""
    filled.rebuild()
    segment = filled._segments[0]
    order = np.random.default_rng(0).permutation(50)
    mixed = type(segment)(segment.vectors[order], segment.rows.take(order), segment.counts)
    images = mixed.of("image")
    whole = dict(zip(segment.rows["id"].to_pylist(), segment.vectors, strict=True))
    ids = images.rows["id"].to_pylist()
    assert sorted(ids) == sorted(filled.ids(IMAGE))
    assert all((whole[id_] == vector).all() for id_, vector in zip(ids, images.vectors, strict=True))


def test_float16_halves_the_bytes(folder):
    store, new = new_store(folder, dtype="float16"), embeddings(9, "i")
    add(store, new)
    found = EmbeddingStore.open(folder).embeddings()
    assert found.vectors.dtype is torch.float16
    assert torch.equal(found.vectors, new.vectors.half())
    assert store.nbytes == 9 * DIM * 2


def test_bits_are_the_signs_over_the_thresholds(folder):
    thresholds = np.linspace(-0.3, 0.3, DIM)
    new = embeddings(9, "i")
    store = new_store(folder, dtype="bits", thresholds=thresholds)
    add(store, new)
    found = EmbeddingStore.open(folder)
    assert found.thresholds == pytest.approx(thresholds)
    loop = [
        [sum(1 << (7 - bit) for bit, value in enumerate(row[at : at + 8]) if value > 0) for at in (0, 8)]
        for row in new.vectors.numpy() - found.thresholds
    ]
    assert found.bits().tolist() == loop
    assert store.nbytes == 9 * 2
    with pytest.raises(DataError, match=r"packed bits.*index=binary.*embed again with dtype=float32"):
        found.embeddings()
    found.rebuild()
    assert found.bits(IMAGE).tolist() == loop
    searchable = found.searchable()
    expected = np.sign(new.vectors.numpy() - found.thresholds) / np.sqrt(DIM)
    assert searchable.vectors.numpy() == pytest.approx(expected, abs=1e-3)
    assert searchable.ids.tolist() == new.ids.tolist()


def test_a_store_of_floats_has_no_bits(filled):
    with pytest.raises(DataError, match="float32 vectors, not bits"):
        filled.bits(IMAGE)
    assert filled.thresholds is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_vectors_that_cannot_be_compared_are_named_and_nothing_is_stored(filled, value):
    new = embeddings(30, "n")
    new.vectors[3], new.vectors[17, 0 if value else slice(None)] = value, value
    with pytest.raises(DataError, match=r"2 problems\n.*'n3'.*\n.*'n17'"):
        add(filled, new)
    assert len(filled) == 50
    assert len(EmbeddingStore.open(filled.folder)) == 50


def test_what_float16_cannot_hold_is_refused(folder):
    new = embeddings(3, "n")
    new.vectors[0], new.vectors[1] = 1e6, 1e-9
    with pytest.raises(DataError, match=r"'n0': it has NaN or infinite values\n.*'n1': it is zero"):
        add(new_store(folder, dtype="float16"), new)


def test_ids_are_unique_over_the_whole_store(filled):
    with pytest.raises(DataError, match=r"30 problems\n(.*\n){19}.*'t19'\n.*and 10 more"):
        add(filled, embeddings(30, "t"))  # images, but with the ids of texts
    new = embeddings(3, "n")
    twice = Embeddings(new.vectors, np.array(["x", "y", "x"]), new.item_ids, IMAGE)
    with pytest.raises(DataError, match=r"1 problem\n.*'x'"):
        add(filled, twice)
    filled.rebuild()
    with pytest.raises(DataError, match="'j4'"):
        add(filled, embeddings(5, "j"))
    assert len(filled) == 50


def test_vectors_of_another_model_or_dimension_are_refused(filled):
    with pytest.raises(DataError, match="vectors of the model model-1, these are of model-2"):
        filled.append(embeddings(3, "n"), {}, model_fingerprint="model-2")
    new = embeddings(3, "n")
    with pytest.raises(DataError, match=f"dimension 5, .* holds {DIM}"):
        add(filled, Embeddings(new.vectors[:, :5], new.ids, new.item_ids, IMAGE))


def test_metadata_that_does_not_fit_is_refused(filled):
    with pytest.raises(DataError, match="no column 'captoin'; did you mean 'caption'"):
        add(filled, embeddings(3, "n"), captoin=["a"] * 3)
    with pytest.raises(DataError, match="'caption' has 2 values for 3 vectors"):
        add(filled, embeddings(3, "n"), caption=["a"] * 2)


def test_a_modality_that_is_not_there_is_named(filled, folder, tmp_path):
    with pytest.raises(DataError, match="image and text vectors; name one"):
        filled.embeddings()
    with pytest.raises(DataError, match=r"no composed vectors \(20 image, 30 text\)"):
        filled.embeddings(Modality.COMPOSED)
    empty = new_store(tmp_path / "empty")
    add(empty, embeddings(0, "n"))
    empty.rebuild()
    for modality in (None, IMAGE):
        with pytest.raises(DataError, match="none at all"):
            empty.embeddings(modality)
    assert empty.ids(IMAGE).tolist() == []
    assert EmbeddingStore.open(tmp_path / "empty").metadata["id"].tolist() == []


def test_a_store_is_made_in_a_folder_of_its_own(filled, folder, tmp_path):
    with pytest.raises(DataError, match="is a store already"):
        new_store(folder)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"not empty \(thesis.txt"):
        new_store(tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.txt"]
    with pytest.raises(DataError, match="is a file"):
        new_store(tmp_path / "thesis/thesis.txt")
    with pytest.raises(DataError, match="can't be written to"):
        new_store(tmp_path / "thesis/thesis.txt/store")
    with pytest.raises(ConfigError, match="did you mean 'float16'"):
        new_store(tmp_path / "new", dtype="float61")
    with pytest.raises(ConfigError, match="takes no thresholds"):
        new_store(tmp_path / "new", thresholds=np.zeros(DIM))
    for thresholds in (np.zeros(DIM - 1), np.full(DIM, np.nan)):
        with pytest.raises(DataError, match="thresholds"):
            new_store(tmp_path / "new", dtype="bits", thresholds=thresholds)


def test_no_store_is_said_with_how_to_make_one(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingFilesError, match=r"no embedding store.*scripts/embed.py checkpoint=PATH"):
            EmbeddingStore.open(place)


@pytest.mark.parametrize("pattern", ["*.vectors", "*.parquet"])
def test_a_missing_or_shortened_file_is_named(filled, folder, pattern):
    victim = next((folder / "segments").glob(pattern))
    whole = victim.read_bytes()
    damages = {"bytes, not": lambda: victim.write_bytes(whole[:-1]), "is missing": victim.unlink}
    for said, damage in damages.items():
        damage()
        for verify in (True, False):
            with pytest.raises(DataError, match=f"{victim.name} .*{said}[^$]*embed again"):
                EmbeddingStore.open(folder, verify=verify)


def test_every_flipped_bit_is_noticed(folder):
    store = new_store(folder, dtype="bits")
    add(store, embeddings(20, "i"), caption=["ein Café"] * 20)
    rng = np.random.default_rng(0)
    for path in [folder / "manifest.json", folder / "thresholds.f32", *segment_files(store)]:
        whole = path.read_bytes()
        for bit in rng.choice(8 * len(whole), 60, replace=False):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            with pytest.raises(DataError, match=path.name):
                EmbeddingStore.open(folder)
        path.write_bytes(whole)
    EmbeddingStore.open(folder)


def test_a_manifest_that_cannot_be_read_is_named(filled, folder):
    manifest = folder / "manifest.json"
    whole = manifest.read_text()
    for text in ("", whole[: len(whole) // 2], "null", "[]", "{}", '{"schema_version": NaN}'):
        manifest.write_text(text)
        with pytest.raises(DataError, match=r"manifest.json .*embed again"):
            EmbeddingStore.open(folder)
    manifest.write_text(json.dumps({**json.loads(whole), "schema_version": 99}))
    with pytest.raises(DataError, match="schema version 99, this xmr reads 1"):
        EmbeddingStore.open(folder)


def test_a_second_writer_is_refused_and_readers_are_not(filled, folder):
    with FileLock(folder / ".lock"):
        for write in (lambda: add(filled, embeddings(3, "n")), filled.rebuild):
            with pytest.raises(DataError, match="another process is writing"):
                write()
        assert len(EmbeddingStore.open(folder)) == 50
    add(filled, embeddings(3, "n"))


def test_a_writer_keeps_others_out_from_beginning_to_end(filled, folder):
    other = EmbeddingStore.open(folder)
    with filled.writing():
        with pytest.raises(DataError, match="another process is writing"), other.writing():
            pass
        add(filled, embeddings(3, "n"))
        with pytest.raises(DataError, match="another process is writing"):
            add(other, embeddings(3, "m"))
        filled.rebuild()
    add(other, embeddings(3, "m"))
    assert len(other) == 56


def test_a_writer_that_fails_lets_others_write(filled, folder):
    with pytest.raises(ValueError, match="mine"), filled.writing():
        raise ValueError("mine")
    with EmbeddingStore.open(folder).writing():
        pass


def test_a_writer_begins_with_the_newest_content(filled, folder):
    add(EmbeddingStore.open(folder), embeddings(3, "n"))
    with filled.writing():
        assert "n0" in filled.ids(Modality.IMAGE)


def test_a_writer_adds_to_what_another_wrote_meanwhile(filled, folder):
    other = EmbeddingStore.open(folder)
    add(other, embeddings(3, "n"))
    other.rebuild()
    with pytest.raises(DataError, match="'n0'"):
        add(filled, embeddings(3, "n"))
    add(filled, embeddings(2, "m"))
    assert len(filled) == len(EmbeddingStore.open(folder)) == 55


def test_a_store_opens_while_another_process_compacts_it(filled, folder, monkeypatch):
    read, calls = Manifest.read, []

    def read_and_compact(where):
        manifest = read(where)
        calls.append(where)
        if len(calls) == 1:
            EmbeddingStore(folder, manifest, verify=False).rebuild()
        return manifest

    monkeypatch.setattr(Manifest, "read", read_and_compact)
    same(EmbeddingStore.open(folder).embeddings(IMAGE), embeddings(15, "i"), embeddings(5, "j", seed=2))


@pytest.mark.parametrize("work", ["append", "rebuild"])
def test_a_killed_writer_leaves_the_old_or_the_new_content(filled, folder, work):
    new = embeddings(7, "n", seed=3)
    old = (embeddings(15, "i"), embeddings(5, "j", seed=2))

    def write():
        store = EmbeddingStore.open(folder)
        if work == "rebuild":
            store.rebuild()
        elif "n0" not in store.ids(IMAGE):
            add(store, new)

    def check():
        store = EmbeddingStore.open(folder)
        same(store.embeddings(IMAGE), *old, *([new] if len(store) == 57 else []))
        same(store.embeddings(TEXT), embeddings(30, "t", modality=TEXT, seed=1))

    assert kill_at_every_step(write, check=check) > 10
    check()
    store = EmbeddingStore.open(folder)
    add(store, embeddings(1, "last"))
    assert len(segment_files(store)) == 2 * len(store.manifest.segments), "leftovers are cleared away"


def test_a_killed_create_can_be_repeated(folder):
    def write():
        if not (folder / "manifest.json").exists():
            new_store(folder, dtype="bits")

    assert kill_at_every_step(write, check=lambda: None) > 5
    assert EmbeddingStore.open(folder).manifest.data == DATA
