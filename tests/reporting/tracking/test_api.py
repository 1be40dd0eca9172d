import shutil
import socket

import numpy as np
import pytest

from tests.reporting.tracking.wandb_runs import PROJECT, RANK, RECALL, connect, finished_runs, isolate, upload
from tests.reporting.tracking.wandb_server import running_server
from xmr.core.errors import ConfigError, XmrError
from xmr.evaluation.results_file import read_queries
from xmr.reporting.records.settings import model_key
from xmr.reporting.tracking import api as wandb_api
from xmr.reporting.tracking.api import fetch_queries, read_project
from xmr.reporting.tracking.files import read_wandb_runs

PATH = f"team/{PROJECT}"


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory):
    """A server that has the finished runs, and their folder."""
    with running_server() as server, pytest.MonkeyPatch.context() as monkeypatch:
        home = tmp_path_factory.mktemp("wandb")
        isolate(monkeypatch, home)
        made = finished_runs(tmp_path_factory.getbasetemp() / "finished-wandb-runs")
        runs = shutil.copytree(made, home / "runs", symlinks=True)
        upload(server, runs)
        yield server, runs


@pytest.fixture
def server(uploaded, tmp_path):
    with connect(uploaded[0], tmp_path):
        yield uploaded[0]
    assert uploaded[0].unknown == []


@pytest.fixture
def changed(server):
    """The runs of the server, which a test may change."""
    kept = {key: (run.state, dict(run.config), dict(run.summary)) for key, run in server.runs.items()}
    yield {name: run for (_, name), run in server.runs.items()}
    for key, (state, config, summary) in kept.items():
        run = server.runs[key]
        run.state, run.config, run.summary = state, config, summary


def test_the_server_tells_what_the_files_tell(server, uploaded):
    records, left_out = read_project(PATH)
    assert left_out == []
    here = {record.run_id: record for record in read_wandb_runs(uploaded[1])[0]}
    assert {record.run_id for record in records} == set(here)
    for record in records:
        own = here[record.run_id]
        assert (record.path, record.source) == (f"wandb/{PROJECT}/{record.run_id}", "wandb")
        assert model_key(record.settings) == model_key(own.settings)
        for name in (
            "name",
            "seed",
            "state",
            "progress",
            "protocol",
            "metrics",
            "intervals",
            "cost",
            "created",
        ):
            assert getattr(record, name) == getattr(own, name), name


def test_runs_come_in_pages_and_say_how_many(server, monkeypatch):
    monkeypatch.setattr(wandb_api, "PAGE", 3)
    before, heard = server.operations.count("Runs"), []
    records, _ = read_project(PATH, progress=lambda done, total: heard.append((done, total)))
    assert len(records) == 4
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert server.operations.count("Runs") - before == 2


def test_unfinished_runs_have_what_they_reached_last(changed):
    changed["a1"].state, changed["a2"].state = "running", "crashed"
    for name in ("a1", "a2"):
        del changed[name].summary["results"]
        changed[name].summary.update(
            {
                f"val/emoji/{RECALL}": {"max": 0.5, "last": 0.25},
                f"val/emoji/{RANK}": {"min": 10, "last": "NaN"},
            }
        )
    by_id = {record.run_id: record for record in read_project(PATH)[0]}
    assert [by_id[name].state for name in ("a1", "a2", "b1")] == ["running", "stopped", "finished"]
    assert by_id["a1"].progress == "epoch 2 of 3"
    assert by_id["a1"].metrics[RECALL] == 0.25
    assert RANK not in by_id["a1"].metrics


def test_states_are_filtered_by_the_server(changed):
    changed["a1"].state, changed["a2"].state, changed["b1"].state = "running", "crashed", "killed"
    for states, expected in ((["finished"], {"b2"}), (["running"], {"a1"}), (["stopped"], {"a2", "b1"})):
        assert {record.run_id for record in read_project(PATH, states=states)[0]} == expected


def test_what_cannot_be_shown_is_listed(changed):
    del changed["a1"].config["xmr_protocol"]
    protocol = {**changed["a2"].config["xmr_protocol"]["value"], "ks": [0]}
    changed["a2"].config["xmr_protocol"] = {"value": protocol}
    changed["b1"].summary[f"val/emoji/{RECALL}"] = "NaN"
    records, left_out = read_project(PATH)
    assert [record.run_id for record in records] == ["b2"]
    reasons = {left.path.rpartition("/")[2]: left.reason for left in left_out}
    assert "xmr_protocol" in reasons["a1"]
    assert "ks=[0]" in reasons["a2"]
    assert f"{RECALL} is NaN" in reasons["b1"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("schema_version", 2, "schema version 2, but this xmr reads 3"),
        ("schema_version", None, "schema version None"),
        ("intervals", {RECALL: [0.1]}, "not what xmr wrote"),
        ("intervals", [1], "not what xmr wrote"),
        ("cost", "much", "not what xmr wrote"),
    ],
)
def test_results_of_others_are_listed(changed, key, value, reason):
    for run in changed.values():
        run.summary["results"] = {**run.summary["results"], key: value}
    records, left_out = read_project(PATH)
    assert records == []
    assert all(reason in left.reason for left in left_out)
    assert len(left_out) == 4


@pytest.mark.parametrize(
    "protocol", [{"ks": 5}, {"unknown": 1}, {}, {"definitions": 1, "split": 5, "ks": "ab"}]
)
def test_protocols_of_others_are_listed(changed, protocol):
    for run in changed.values():
        run.config = {**run.config, "xmr_protocol": {"value": protocol}}
    records, left_out = read_project(PATH)
    assert records == []
    assert len(left_out) == 4


def test_per_query_results_are_fetched_once(server, uploaded, tmp_path):
    records = fetch_queries(read_project(PATH)[0], PATH, into=tmp_path / "cache")
    for record in records:
        ours = read_queries(uploaded[1] / record.run_id / "queries.parquet")["text_to_image"]
        theirs = read_queries(record.queries_file)["text_to_image"]
        np.testing.assert_array_equal(ours.values["recall@1"], theirs.values["recall@1"])
        np.testing.assert_array_equal(ours.query_ids, theirs.query_ids)
    before = {record.queries_file: record.queries_file.stat().st_mtime_ns for record in records}
    asked = server.operations.count("FetchArtifactManifest")
    again = fetch_queries(read_project(PATH)[0], PATH, into=tmp_path / "cache")
    assert {record.queries_file: record.queries_file.stat().st_mtime_ns for record in again} == before
    assert server.operations.count("FetchArtifactManifest") == asked


def test_a_run_that_logged_none_has_no_per_query_results(server, tmp_path):
    record = next(record for record in read_project(PATH)[0] if record.run_id == "a1")
    object.__setattr__(record, "run_id", "no-such-run")
    assert fetch_queries([record], PATH, into=tmp_path)[0].queries_file is None


@pytest.mark.parametrize("path", ["project", "a/b/c", "/project", "entity/", ""])
def test_a_project_is_named_with_its_entity(path):
    with pytest.raises(ConfigError, match="ENTITY/PROJECT"):
        read_project(path)


def test_an_unknown_project_is_named(server):
    with pytest.raises(XmrError, match=r"no project team/nope.*check the name"):
        read_project("team/nope")


def test_a_wrong_key_is_one_line(server, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "9" * 40)
    with pytest.raises(XmrError, match="user is not logged in") as caught:
        read_project(PATH)
    assert "\n" not in str(caught.value)


def test_without_a_key_nothing_is_asked(server, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.delenv("WANDB_MODE")
    before = list(server.operations)
    with pytest.raises(XmrError, match=r"no API key.*wandb login"):
        read_project(PATH)
    assert server.operations == before


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_an_offline_mode_is_named(server, monkeypatch, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    with pytest.raises(XmrError, match=f"WANDB_MODE={mode}"):
        read_project(PATH)


def test_a_server_that_is_not_there_is_one_quick_line(server, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("WANDB_BASE_URL", url)
        with pytest.raises(XmrError, match=f"can't reach the W&B server {url}"):
            read_project(PATH)
