"""scripts/build_index.py and scripts/search.py: what is nearest to a text, a picture, or both."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xmr
from tests.pipelines.running import Outcome, run_script, script_here
from tests.pipelines.tiny_run import train_tiny_run
from xmr.core.types import Modality
from xmr.index.store import EmbeddingStore

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def run(workplace: Path) -> Path:
    return train_tiny_run(workplace)


@pytest.fixture(scope="module")
def store(workplace: Path, run: Path) -> EmbeddingStore:
    outcome = script_here("scripts/embed.py", f"checkpoint={run}", "store=store", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    return EmbeddingStore.open(workplace / "store")


@pytest.fixture
def search(workplace: Path, store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    monkeypatch.setenv("COLUMNS", "200")

    def search_here(*words: str, where: str = "store", code: int = 0) -> Outcome:
        outcome = script_here("scripts/search.py", where, *words, cwd=workplace)
        assert outcome.code == code, outcome.stderr + outcome.stdout
        assert "Traceback" not in outcome.stderr
        return outcome

    return search_here


@pytest.fixture(scope="module")
def indexed(workplace: Path, store: EmbeddingStore) -> Path:
    """The store with an index of its images and one of its texts."""
    for words in ((), ("modality=text", "name=texts")):
        outcome = script_here("scripts/build_index.py", "store=store", "index=exact", *words, cwd=workplace)
        assert outcome.code == 0, outcome.stderr
        assert "scripts/search.py store --index" in outcome.stdout
    return store.folder


def results(outcome: Outcome) -> list[tuple[str, float]]:
    """(id, score) of each row of the printed table."""
    rows = re.findall(r"│\s+(\d+) │ +(-?[\d.]+) │ (\S+)", outcome.stdout)
    assert [int(rank) for rank, _, _ in rows] == list(range(1, len(rows) + 1))
    return [(id_, float(score)) for _, score, id_ in rows]


def nearest(store: EmbeddingStore, query: np.ndarray, modality: Modality, k: int) -> list[tuple[str, float]]:
    """The slow way."""
    gallery = store.embeddings(modality)
    scores = gallery.vectors.double().numpy() @ query.astype(float)
    return [(str(gallery.ids[n]), round(float(scores[n]), 3)) for n in np.argsort(-scores)[:k]]


@pytest.fixture(scope="module")
def loaded(workplace: Path, run: Path) -> "xmr.pipelines.load.LoadedRun":
    return xmr.load(run, overrides=[f"data.path={workplace}/table.jsonl"])


def same(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> bool:
    """Whether the ids agree, and the scores but for their rounding."""
    ids, scores = zip(*found, strict=True)
    expected_ids, expected_scores = zip(*expected, strict=True)
    return ids == expected_ids and scores == pytest.approx(expected_scores, abs=0.0011)


def test_a_text_finds_pictures_by_the_real_command(
    workplace: Path, store: EmbeddingStore, loaded: "xmr.pipelines.load.LoadedRun"
) -> None:
    text = "a wide red picture"
    outcome = run_script(
        "scripts/search.py", "store", "--text", text, "-k", "5", cwd=workplace, COLUMNS="200"
    )
    assert outcome.code == 0, outcome.stderr
    assert same(results(outcome), nearest(store, loaded.encode_text([text])[0], IMAGE, 5))
    first = results(outcome)[0][0]
    number = first.removeprefix("p")
    assert f"photos/{number}.png" in outcome.stdout, "where the picture lies"
    picture = outcome.stdout.splitlines()[-1].removeprefix("picture  ")
    with Image.open(workplace / picture) as panel:
        assert panel.width > 1000
        assert panel.getextrema() != (255, 255)


def test_a_stored_picture_finds_itself(search: Callable[..., Outcome], workplace: Path) -> None:
    outcome = search("--image", "photos/7.png", "-k", "3", "--panel", "deep/found.png")
    assert results(outcome)[0] == ("p7", 1.0)
    assert (workplace / "deep/found.png").is_file()
    assert "deep/found.png" in outcome.stdout


def test_a_picture_of_many_results_is_not_wider_than_one_of_ten(
    search: Callable[..., Outcome], workplace: Path
) -> None:
    for k in ("10", "20"):
        assert "cosine similarity" in search("--text", "red", "-k", k, "--panel", f"{k}.png").stdout
    with Image.open(workplace / "10.png") as ten, Image.open(workplace / "20.png") as twenty:
        assert ten.width == twenty.width
        assert ten.height < twenty.height


def test_texts_are_found_too(
    search: Callable[..., Outcome], store: EmbeddingStore, loaded: "xmr.pipelines.load.LoadedRun"
) -> None:
    outcome = search("--text", "blue [2]", "--among", "text", "-k", "4")
    assert same(results(outcome), nearest(store, loaded.encode_text(["blue [2]"])[0], TEXT, 4))
    assert results(outcome)[0][1] == 1.0
    assert "blue [2]" in outcome.stdout, "brackets are no markup"


def test_text_and_picture_together_are_the_sum_of_both(
    search: Callable[..., Outcome],
    store: EmbeddingStore,
    loaded: "xmr.pipelines.load.LoadedRun",
    workplace: Path,
) -> None:
    outcome = search("--text", "tall", "--image", "photos/3.png", "-k", "6")
    query = loaded.encode_text(["tall"])[0] + loaded.encode_image([workplace / "photos/3.png"])[0]
    assert same(results(outcome), nearest(store, query / np.linalg.norm(query), IMAGE, 6))
    assert "normalised sum of both embeddings" in outcome.stdout


def test_a_store_is_searched_from_any_folder(store: EmbeddingStore, tmp_path: Path) -> None:
    outcome = script_here("scripts/search.py", str(store.folder), "--text", "red", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert not list(tmp_path.iterdir())


def test_the_default_is_ten_or_all(search: Callable[..., Outcome], run: Path, workplace: Path) -> None:
    assert len(results(search("--text", "red"))) == 10
    script_here("scripts/embed.py", f"checkpoint={run}", "store=few", "split=val", cwd=workplace)
    assert len(results(search("--text", "red", where="few"))) == 4


def test_an_index_answers_as_the_vectors_do(
    search: Callable[..., Outcome], indexed: Path, store: EmbeddingStore
) -> None:
    plain, by_index = search("--text", "red"), search("--text", "red", "--index", "texts", "-k", "10")
    assert results(by_index) == results(search("--text", "red", "--among", "text"))
    assert results(search("--text", "red", "--index", "exact-image")) == results(plain)


def test_a_stale_index_is_refused_until_it_is_built_again(
    search: Callable[..., Outcome], workplace: Path, run: Path
) -> None:
    embed = ("scripts/embed.py", f"checkpoint={run}", "store=growing")
    assert script_here(*embed, "split=val", cwd=workplace).code == 0
    build = ("scripts/build_index.py", "store=growing", "index=hnsw", "name=mine")
    outcome = script_here(*build, cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    assert "approximate, 4 image vectors" in outcome.stdout
    assert "overlap 100.0 % of the exact top 4 found, for 8 stored text vectors" in outcome.stdout
    search("--text", "red", "--index", "mine", "-k", "2", where="growing")
    assert "stale   the indexes mine" in script_here(*embed, "split=test", cwd=workplace).stdout
    message = search("--text", "red", "--index", "mine", where="growing", code=1).stderr
    assert "stale" in message
    command = re.search(r"python (scripts/build_index.py .*)", message)
    assert command
    assert script_here(*command[1].split(), cwd=workplace).code == 0
    assert len(results(search("--text", "red", "--index", "mine", where="growing"))) == 8


def test_bits_are_searched_as_bits(
    search: Callable[..., Outcome], workplace: Path, run: Path, loaded: "xmr.pipelines.load.LoadedRun"
) -> None:
    embed = ("scripts/embed.py", f"checkpoint={run}", "store=bits", "dtype=bits")
    assert script_here(*embed, cwd=workplace).code == 0
    bits = EmbeddingStore.open(workplace / "bits")
    plain = search("--text", "red", "--among", "text", "-k", "5", where="bits")
    query = np.packbits(loaded.encode_text(["red"]) > 0)
    distance = np.unpackbits(bits.bits(TEXT) ^ query, axis=1).sum(axis=1)
    order = np.argsort(distance, kind="stable")[:5]
    assert results(plain) == [(bits.ids(TEXT)[n], round(1 - 2 * distance[n] / 16, 3)) for n in order]
    assert "Hamming distance" in plain.stdout
    assert "cosine" not in plain.stdout
    build = ("scripts/build_index.py", "store=bits", "index=binary", "index.rescore=0", "modality=text")
    assert script_here(*build, cwd=workplace).code == 0
    by_index = search("--text", "red", "--index", "binary-text", "-k", "5", where="bits")
    assert results(by_index) == results(plain)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), '--text "..."'),
        (("--text", "  "), "--text is empty"),
        (("--image", "nowhere.png"), "nowhere.png does not exist"),
        (("--image", "table.jsonl"), "table.jsonl can't be read"),
        (("--text", "red", "-k", "21"), "k=21 > gallery size 20; use k <= 20"),
        (("--text", "red", "-k", "0"), "k=0"),
        (("--text", "red", "--panel", "photos"), "photos is a folder"),
        (("--text", "red", "--index", "text"), "did you mean 'texts'"),
        (("--text", "red", "--index", "texts", "--among", "image"), "is of text vectors"),
        (("--text", "red", "--checkpoint", "nowhere.ckpt"), "nowhere.ckpt, which is gone"),
        (("--text", "red", "--checkpoint", "table.jsonl"), "not the checkpoint"),
    ],
)
def test_bad_input_is_named(
    search: Callable[..., Outcome], indexed: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in search(*words, code=1).stderr


def test_a_folder_that_is_no_store_is_named(search: Callable[..., Outcome]) -> None:
    assert "photos is no embedding store" in search("--text", "red", where="photos", code=1).stderr


def test_a_damaged_store_is_named(search: Callable[..., Outcome], workplace: Path) -> None:
    shutil.copytree(workplace / "store", workplace / "damaged")
    path = next((workplace / "damaged/segments").glob("*.vectors"))
    whole = bytearray(path.read_bytes())
    whole[100] ^= 1
    path.write_bytes(whole)
    message = search("--text", "red", where="damaged", code=1).stderr
    assert path.name in message
    assert "embed again" in message


def test_a_moved_checkpoint_is_found_where_it_is_said_to_be(
    search: Callable[..., Outcome], workplace: Path, store: EmbeddingStore
) -> None:
    there, moved = Path(store.manifest.model.checkpoint), workplace / "moved.ckpt"
    there.rename(moved)
    try:
        assert "--checkpoint" in search("--text", "red", code=1).stderr
        search("--text", "red", "--checkpoint", "moved.ckpt")
    finally:
        moved.rename(there)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("index=exakt",), "does not exist"),
        (("modality=images",), "did you mean 'image'"),
        (("name=a/b",), "name an index with"),
        (("store=photos",), "photos is no embedding store"),
        (("index._target_=os.system",), "_target_=os.system"),
    ],
)
def test_bad_settings_of_an_index_are_named(
    workplace: Path, store: EmbeddingStore, words: tuple[str, ...], said: str
) -> None:
    outcome = script_here("scripts/build_index.py", "store=store", *words, cwd=workplace)
    assert outcome.code == 1
    assert said in outcome.stderr


def test_a_store_must_be_named(workplace: Path) -> None:
    outcome = script_here("scripts/build_index.py", cwd=workplace)
    assert outcome.code == 1
    assert "store=DIR index=NAME" in outcome.stderr
