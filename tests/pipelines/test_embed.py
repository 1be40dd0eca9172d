"""scripts/embed.py: what a trained model makes of a data set, kept whole, whatever interrupts it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import xmr
from tests.pipelines.running import Outcome, run_script, script_here
from tests.pipelines.tiny_run import train_tiny_run
from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.index.store import EmbeddingStore
from xmr.pipelines.embed import _modalities, part_of

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embed")


@pytest.fixture(scope="module")
def run(workplace: Path) -> Path:
    return train_tiny_run(workplace)


@pytest.fixture
def embed(workplace: Path, run: Path) -> Callable[..., Outcome]:
    def embed_here(store: Path | str, *settings: str, code: int = 0) -> Outcome:
        outcome = script_here(
            "scripts/embed.py", f"checkpoint={run}", f"store={store}", *settings, cwd=workplace
        )
        assert outcome.code == code, outcome.stderr
        assert "Traceback" not in outcome.stderr
        return outcome

    return embed_here


@pytest.fixture(scope="module")
def whole(workplace: Path, run: Path) -> Path:
    """The store of all splits, by the real command."""
    outcome = run_script("scripts/embed.py", f"checkpoint={run}", "store=whole", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    assert "added   60 embeddings; 0 were there" in outcome.stdout
    assert "whole: 20 image, 40 text; 16-d float32, 3,840 bytes" in outcome.stdout
    assert 'python scripts/search.py whole --text "..."' in outcome.stdout
    assert "image embeddings, val" in outcome.stderr, "a progress bar"
    return workplace / "whole"


def by_id(store: Path, modality: Modality) -> dict[str, np.ndarray]:
    found = EmbeddingStore.open(store).embeddings(modality)
    return dict(zip(found.ids.tolist(), found.vectors.float().numpy(), strict=True))


def same(store: Path, expected: Path) -> bool:
    """Whether two stores hold the same ids with the same vectors."""
    pairs = [(by_id(store, modality), by_id(expected, modality)) for modality in (IMAGE, TEXT)]
    return all(
        a.keys() == b.keys() and all(a[i] == pytest.approx(b[i], abs=1e-5) for i in a) for a, b in pairs
    )


def test_the_vectors_are_what_the_model_says(whole: Path, workplace: Path, run: Path) -> None:
    loaded, store = (
        xmr.load(run, overrides=[f"data.path={workplace}/table.jsonl"]),
        EmbeddingStore.open(whole),
    )
    for modality, encode in ((IMAGE, loaded.encode_image), (TEXT, loaded.encode_text)):
        vectors = by_id(whole, modality)
        rows = store.describe(list(vectors))
        names = [workplace / row["image_path"] if modality is IMAGE else row["caption"] for row in rows]
        for vector, name in zip(vectors.values(), names, strict=True):
            assert vector == pytest.approx(encode([name])[0], abs=1e-5)


def test_rows_say_what_each_vector_is(whole: Path) -> None:
    store = EmbeddingStore.open(whole)
    image, text = store.describe(["p13", "p13#1"])
    assert image == {
        "id": "p13",
        "item_id": "p13",
        "modality": "image",
        "caption": "a tall yellow picture",
        "image_path": "photos/13.png",
        "label": "yellow",
        "split": "val",
    }
    assert text == {**image, "id": "p13#1", "modality": "text", "caption": "yellow [13]"}
    assert store.manifest.data.splits == ("train", "val", "test")
    assert len(store.manifest.segments) == 1, "compacted at the end"


def test_the_same_command_adds_only_what_is_missing(
    embed: Callable[..., Outcome], tmp_path: Path, whole: Path
) -> None:
    store = tmp_path / "store"
    assert "added   24 embeddings; 0 were" in embed(store, "split=val,test").stdout
    assert "added   0 embeddings; 8 were" in embed(store, "split=val", "modality=text").stdout
    assert "added   36 embeddings; 24 were" in embed(store).stdout
    assert same(store, whole)


def test_an_interrupted_command_goes_on_where_it_stopped(
    embed: Callable[..., Outcome], tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, append, calls = tmp_path / "store", EmbeddingStore.append, []
    small = ("rows_per_segment=4", "set=['eval_batch_size=4']")

    def append_or_stop(self: EmbeddingStore, *arguments: object, **settings: object) -> None:
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        append(self, *arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingStore, "append", append_or_stop)
        assert "run the same command again" in embed(store, *small, code=130).stderr
    assert len(EmbeddingStore.open(store)) == 16
    assert "added   44 embeddings; 16 were" in embed(store, *small).stdout
    assert same(store, whole)


def test_a_second_command_is_refused_before_it_embeds(
    embed: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    embed(store, "split=val")
    first = EmbeddingStore.open(store)
    monkeypatch.setattr("xmr.pipelines.embed.vectors_of", lambda *_: pytest.fail("it embeds"))
    with first.writing():
        assert "another process is writing" in embed(store, code=1).stderr


def test_other_data_gets_a_store_of_its_own(
    embed: Callable[..., Outcome], tmp_path: Path, whole: Path
) -> None:
    shapes = ("data=shapes", "data.size=20", "split=val", "modality=image")
    message = embed(whole, *shapes, code=1).stderr
    assert "holds vectors of the data set 'table'" in message
    assert "this is 'shapes'" in message
    embed(tmp_path / "shapes", *shapes)
    store = EmbeddingStore.open(tmp_path / "shapes")
    assert set(store.counts) == {"image"}
    assert store.manifest.data.name == "shapes"
    assert store.manifest.data.config["size"] == 20


def test_another_model_is_refused(
    embed: Callable[..., Outcome], run: Path, whole: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    path = other / "checkpoints/best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    name = next(name for name in checkpoint["state_dict"] if "text_head" in name)
    checkpoint["state_dict"][name] += 1
    torch.save(checkpoint, path)
    outcome = script_here("scripts/embed.py", f"checkpoint={other}", f"store={whole}", cwd=whole.parent)
    assert outcome.code == 1
    assert "holds vectors of the model" in outcome.stderr


@pytest.mark.parametrize(("dtype", "nbytes"), [("float16", 16 * 2), ("bits", 16 // 8)])
def test_smaller_types(
    embed: Callable[..., Outcome], tmp_path: Path, whole: Path, dtype: str, nbytes: int
) -> None:
    embed(tmp_path / "store", f"dtype={dtype}")
    store, full = EmbeddingStore.open(tmp_path / "store"), by_id(whole, TEXT)
    assert store.nbytes == 60 * nbytes
    exact = np.array([full[id_] for id_ in store.ids(TEXT)])
    if dtype == "bits":
        assert (store.bits(TEXT) == np.packbits(exact > 0, axis=1)).mean() > 0.99
    else:
        assert store.embeddings(TEXT).vectors.numpy() == pytest.approx(exact, abs=1e-3)
    assert f"not dtype={dtype}" in embed(whole, f"dtype={dtype}", code=1).stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["split=vall"], "did you mean 'val'"),
        (["split=val,tset"], "did you mean 'test'"),
        (["modality=images"], "did you mean 'image'"),
        (["dtype=float61"], "did you mean 'float16'"),
        (["rows_per_segment=0"], "rows_per_segment=0"),
        (["stroe=x"], "did you mean 'store'"),
    ],
)
def test_bad_settings_are_named(
    embed: Callable[..., Outcome], tmp_path: Path, settings: list[str], said: str
) -> None:
    assert said in embed(tmp_path / "store", *settings, code=1).stderr
    assert not (tmp_path / "store").exists()


def test_a_folder_with_other_files_is_left_alone(embed: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "not empty (thesis.txt" in embed(tmp_path, code=1).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_checkpoint_and_store_must_be_named(workplace: Path) -> None:
    for words in (("checkpoint=x",), ("store=x",), ()):
        outcome = script_here("scripts/embed.py", *words, cwd=workplace)
        assert outcome.code == 1
        assert "checkpoint=PATH store=DIR" in outcome.stderr


def test_a_model_of_images_alone_embeds_no_texts() -> None:
    def modalities(chosen: str) -> list[Modality]:
        model = SimpleNamespace(modalities=lambda: (IMAGE,))
        components = SimpleNamespace(module=SimpleNamespace(model=model))
        return _modalities(OmegaConf.create({"modality": chosen}), components)

    assert modalities("all") == modalities("image") == [IMAGE]
    with pytest.raises(ConfigError, match="modality=text, but the model embeds image alone"):
        modalities("text")


def test_images_without_captions_have_rows() -> None:
    items = tuple(Item(f"i{n}", f"{n}.png", (), "val") for n in range(2))
    query = ComposedQuery("q", "i0", "0.png", "redder", "i1", "1.png", "val")
    dataset = RetrievalDataset("edits", items, FolderImages("."), (query,))
    assert part_of(dataset, dataset.split("val"), IMAGE).metadata["caption"].tolist() == ["", ""]


def test_texts_of_classes_have_an_id_in_each_split() -> None:
    """Their numbers start anew in each split, and must not hide one another."""
    items = tuple(
        Item(f"{split}{n}", f"{split}{n}.png", (f"a {split} cat", f"cat {n}"), split, "cat")
        for split in ("train", "val")
        for n in range(2)
    )
    dataset = RetrievalDataset("cats", items, FolderImages("."), relevance="label")
    parts = [part_of(dataset, dataset.split(split), TEXT) for split in ("train", "val")]
    ids = [id_ for part in parts for id_ in part.ids]
    assert len(set(ids)) == len(ids) == 6
    assert {item for part in parts for item in part.item_ids} == {"cat"}
    assert parts[1].metadata["caption"].tolist() == ["a val cat", "cat 0", "cat 1"]
    images = part_of(dataset, dataset.split("val"), IMAGE)
    assert images.ids.tolist() == ["val0", "val1"]
    assert images.metadata["image_path"].tolist() == ["val0.png", "val1.png"]


@pytest.mark.slow
def test_several_workers_of_ray_fill_a_store_like_one_process(
    embed: Callable[..., Outcome], whole: Path, workplace: Path
) -> None:
    pytest.importorskip("ray")
    # begun by one process, gone on with by three
    embed("sharded", "split=val")
    outcome = embed("sharded", "shards=3", "rows_per_segment=7")
    assert "added   48 embeddings; 12 were there" in outcome.stdout
    assert same(workplace / "sharded", whole)
    again = embed("sharded", "shards=2")
    assert "added   0 embeddings; 60 were there" in again.stdout
