"""scripts/explore.py: runs and stores as sources, nothing embedded twice, a server that starts and ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xmr
from tests.pipelines.running import ROOT, script_here
from tests.pipelines.tiny_run import train_tiny_run
from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.types import Modality
from xmr.explorer.client import Explorer as Client
from xmr.explorer.queries import EntryName, Query
from xmr.explorer.search import Column, Options
from xmr.pipelines.explore import cache as explore_cache
from xmr.pipelines.explore.command import check_explore, open_explorer

IMAGE, TEXT = Modality.IMAGE, Modality.TEXT


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("explore")


@pytest.fixture(scope="module")
def run(workplace):
    return train_tiny_run(workplace)


@pytest.fixture(scope="module")
def store(workplace, run):
    outcome = script_here("scripts/embed.py", f"checkpoint={run}", "store=store", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    return workplace / "store"


@pytest.fixture(autouse=True)
def here(workplace, monkeypatch):
    monkeypatch.chdir(workplace)


@pytest.fixture
def no_embedding(monkeypatch):
    """From here on, to embed a split is an error."""

    def refuse(*_, **__):
        raise AssertionError("it was embedded again")

    monkeypatch.setattr(explore_cache, "_embed", refuse)


def found(explorer, source, query, **options):
    [column] = explorer.search(query, [Column(source)], Options(**options))["columns"]
    assert column["error"] is None
    return column["results"]


def test_a_run_finds_what_its_model_finds_in_python(run):
    explorer = open_explorer([run])
    [source] = explorer.sources
    assert source == f"tiny-{run.name.rpartition('-')[2]}"
    loaded = xmr.load(run)
    for among in ("image", "text"):
        wanted = loaded.search(text="a wide red picture", k=4, among=among)
        results = found(explorer, source, Query("a wide red picture"), k=4, among=Modality(among))
        # texts of all data but classes have the same ids everywhere
        assert [result["id"] for result in results] == [hit.id for hit in wanted]
        assert [result["score"] for result in results] == pytest.approx(
            [hit.score for hit in wanted], abs=1e-5
        )
    assert explorer.picture(source, "p12", 96).data[8:12] == b"WEBP"


def test_what_was_embedded_once_is_kept_beside_the_run(run, no_embedding, request):
    assert (run / "explorer/val-best.safetensors").is_file()
    explorer = open_explorer([run])
    [source] = explorer.sources
    assert found(explorer, source, Query("red"), k=2)


def test_a_picture_that_was_replaced_is_embedded_again(run, workplace, no_embedding):
    picture = workplace / "photos/12.png"
    before = picture.stat()
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))
    [source] = open_explorer([run]).sources.values()
    with pytest.raises(AssertionError, match="embedded again"):
        source.content.rows.keys()
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_explorer([run]).source(source.about.id).content


def test_where_vectors_can_not_be_kept_they_are_used_all_the_same(run, tmp_path, caplog):
    copy = tmp_path / run.name
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("explorer"))
    (copy / "explorer").write_text("a file, so nothing can be written below it")
    explorer = open_explorer([copy])
    [source] = explorer.sources
    assert found(explorer, source, Query("red"), k=2)
    assert "can't be kept" in caplog.text


def test_another_split_is_another_source(run):
    [source] = open_explorer([run], split="test").sources.values()
    assert source.about.id.endswith("-test")
    assert set(source.content.rows[IMAGE].embeddings.ids) == {f"p{n}" for n in range(16, 20)}


def test_a_store_s_vectors_serve_the_run_that_made_them(run, store, no_embedding):
    shutil.rmtree(run / "explorer", ignore_errors=True)
    explorer = open_explorer([run, store], split="val")
    of_run, of_store = explorer.sources
    assert of_store == "store-val"
    both = [explorer.source(id_).content for id_ in (of_run, of_store)]
    assert both[0].data == both[1].data
    entry = EntryName(of_store, "image", "p13")
    answer = explorer.search(Query(entry=entry), [Column(of_run), Column(of_store)], Options(k=3))
    assert answer["columns"][0]["left_out"] == answer["columns"][1]["left_out"] == ["p13"]
    assert answer["agreement"][0]["comparable"]
    assert not (run / "explorer").exists()


def test_a_store_is_searched_in_full_or_by_split(store):
    whole = open_explorer([store]).source("store")
    assert {m: len(rows) for m, rows in whole.content.rows.items()} == {IMAGE: 20, TEXT: 40}
    assert set(whole.content.directions) == {"image_to_text", "text_to_image"}
    part = open_explorer([store], split="val").source("store-val")
    rows = part.content.rows[TEXT]
    assert set(rows.embeddings.item_ids) == {f"p{n}" for n in range(12, 16)}
    assert rows.pictures.tolist() == rows.embeddings.item_ids.tolist()
    assert part.content.rows[IMAGE].keys.tolist() == [f"photos/{n}.png" for n in range(12, 16)]


def test_an_index_that_the_script_built_is_searched(store, workplace):
    outcome = script_here("scripts/build_index.py", "store=store", "index=binary", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    explorer, query = open_explorer([store]), Query(entry=EntryName("store", "text", "p3#0"))
    [column] = explorer.search(query, [Column("store", "saved/binary-image")], Options(k=3))["columns"]
    assert column["error"] is None
    assert len(column["results"]) == 3


def test_a_store_whose_model_is_gone_still_searches_by_its_entries(store, run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    checkpoint = run / "checkpoints/best.ckpt"
    checkpoint.rename(checkpoint.with_name("away.ckpt"))
    try:
        explorer = open_explorer([copy])
        assert found(explorer, "copy", Query(entry=EntryName("copy", "text", "p3#0")), k=3)
        [column] = explorer.search(Query("red"), [Column("copy")], Options())["columns"]
        assert column["error"]["kind"] == "unavailable"
        assert "is gone" in column["error"]["message"]
    finally:
        checkpoint.with_name("away.ckpt").rename(checkpoint)


def test_a_damaged_cache_is_named(run):
    [source] = open_explorer([run]).sources.values()
    assert source.content
    file = run / "explorer/val-best.safetensors"
    file.write_bytes(file.read_bytes()[:50])
    [source] = open_explorer([run]).sources.values()
    with pytest.raises(DataError, match="remove it"):
        source.content.rows.keys()
    file.unlink()


def test_folders_of_runs_and_repetitions_are_opened_once(run, store, workplace):
    assert len(open_explorer([workplace / "runs", run, run / "checkpoints/best.ckpt"]).sources) == 1
    both = open_explorer([run, run / "checkpoints/last.ckpt"])
    assert len(both.sources) == 2
    assert any(id_.endswith("-last") for id_ in both.sources)


def test_a_checkpoint_that_runs_code_is_not_loaded(run, tmp_path):
    import torch

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    shutil.copytree(run, tmp_path / "run")
    torch.save({"xmr": Evil()}, tmp_path / "run/checkpoints/best.ckpt")
    [source] = open_explorer([tmp_path / "run"]).sources.values()
    with pytest.raises(DataError, match="can't be read as a checkpoint"):
        source.content.rows.keys()
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("paths", "more", "error", "message"),
    [
        (["nothing"], {}, MissingFilesError, "no run, no checkpoint and no embedding store"),
        (["photos"], {}, MissingFilesError, "no run with a checkpoint"),
        ([], {"port": 70000}, ConfigError, "65535"),
        ([], {"split": "dev"}, ConfigError, "--split dev"),
    ],
)
def test_a_mistake_is_named_before_anything_is_loaded(run, paths, more, error, message):
    with pytest.raises(error, match=message):
        check_explore([Path(path) for path in paths], **{"port": 0, "split": None, **more})


def test_the_script_serves_until_it_is_interrupted(run, workplace):
    words = [sys.executable, str(ROOT / "scripts/explore.py"), str(run), "--port", "0", "--no-open"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        words, cwd=workplace, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            address = next(line for line in process.stdout if line.startswith("open")).split()[1]
            client = Client(address)
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    [source] = client.sources()
                    break
                except DataError:
                    time.sleep(0.1)  # the address is printed just before the server listens
            assert source["where"] == f"runs/tiny/{run.name}"
            process.send_signal(signal.SIGINT)
            assert "ended" in process.communicate(timeout=60)[0]
        finally:
            process.kill()
    assert process.returncode == 0


def test_a_port_that_is_taken_is_an_error(run, workplace):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = script_here("scripts/explore.py", str(run), "--port", str(port), "--no-open", cwd=workplace)
    assert outcome.code == 1
    assert f"port {port} can't be used" in outcome.stderr
