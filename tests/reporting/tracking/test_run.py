import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reporting.tracking.wandb_runs import RECALL as SHORT_RECALL
from tests.reporting.tracking.wandb_runs import finished_runs, isolate, make_runs, results, upload
from tests.reporting.tracking.wandb_server import running_server
from xmr.core.errors import ConfigError, MissingFilesError
from xmr.core.types import Rankings
from xmr.reporting.tracking import run as wandb_run
from xmr.reporting.tracking.run import wandb_mode
from xmr.reporting.views import View, ranked_queries

KEY = "0123456789" * 4
RECALL, RANK, LOSS = "val/a/image_to_text/recall@1", "val/a/image_to_text/median_rank", "val/a/loss"


@pytest.fixture
def home(monkeypatch, tmp_path):
    isolate(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def offline_run(tmp_path_factory):
    """A real offline run with all that the module writes: what is read back, its folder, how to sync."""
    folder = tmp_path_factory.mktemp("wandb")
    panel = folder / "panel.png"
    Image.new("RGB", (20, 10), "red").save(panel)
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, folder)
        import wandb

        wandb.teardown()  # settings that an earlier test left in this process
        run = wandb.init(project="xmr-tests", mode=wandb_mode())
        wandb_run.define_metrics(run, [RECALL, RANK, LOSS, "val/b/mAP"])
        for step, value in enumerate((2.0, 5.0, 3.0)):
            run.log({RECALL: value, RANK: value, LOSS: value, "val/b/mAP": value, wandb_run.STEP: step})
        wandb_run.log_panels(run, {"val/panels/text_to_image": panel}, 2)
        page = folder / "page.html"
        page.write_text("<p>a page</p>", encoding="utf-8")
        wandb_run.log_html(run, "val/projections", page, 2)
        for direction, gallery_view in (("text_to_image", picture), ("image_to_text", text)):
            wandb_run.log_rankings_table(run, f"val/rankings/{direction}", queries(gallery_view), 2)
        wandb_run.write_summary(run, {RECALL: 3.0, "test/a/mean_recall": 0.5})
        command = wandb_run.sync_command(run)
        wandb_run.finish()
        assert wandb.run is None
        run_folder = Path(shlex.split(command)[-1])
        inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(run_folder)]
        read = subprocess.run(inspect, capture_output=True, text=True, check=True, timeout=60)
        wandb.teardown()
    return json.loads(read.stdout), run_folder, command


def picture(entry):
    return View(image=Image.new("RGB", (40, 30)), label=entry)


def text(entry):
    return View(text=f"text of {entry}")


def queries(gallery_view):
    found = np.array([["g0", "g1"], ["g1", "g0"]])
    rankings = Rankings(np.array(["q0", "q1"]), found, np.array([[0.9, 0.1], [0.5, -0.25]]), found == "g1")
    return ranked_queries(rankings, np.array([2.0, np.nan]), query_view=text, gallery_view=gallery_view)


def test_best_values_are_kept_until_the_final_ones_replace_them(offline_run):
    summary = offline_run[0]["summary"]
    assert summary["val/b/mAP"] == {"max": 5.0, "last": 3.0}
    assert summary[RANK] == {"min": 2.0, "last": 3.0}
    assert summary[LOSS] == {"min": 2.0, "last": 3.0}
    assert summary[RECALL] == 3.0
    assert summary["test/a/mean_recall"] == 0.5


def test_panels_are_kept_as_they_are_at_their_step(offline_run):
    record, folder, _ = offline_run
    panel = record["summary"]["val/panels/text_to_image"]
    assert (panel["width"], panel["height"]) == (20, 10)
    assert (folder / "files" / panel["path"]).is_file()
    assert record["summary"][wandb_run.STEP] == 2


def test_pages_are_kept_as_they_are(offline_run):
    record, folder, _ = offline_run
    kept = folder / "files" / record["summary"]["val/projections"]["path"]
    assert kept.read_text() == "<p>a page</p>"


def test_tables_hold_ranks_and_marked_results(offline_run):
    record, folder, _ = offline_run
    table = json.loads(
        (folder / "files" / record["summary"]["val/rankings/image_to_text"]["path"]).read_text()
    )
    assert table["columns"] == ["query_id", "query_image", "query_text", "first_rank", "result_1", "result_2"]
    assert table["data"] == [
        ["q0", None, "text of q0", 2.0, "0.900 text of g0", "✓ 0.100 text of g1"],
        ["q1", None, "text of q1", None, "✓ 0.500 text of g1", "-0.250 text of g0"],
    ]
    pictures = record["summary"]["val/rankings/text_to_image"]
    assert (pictures["nrows"], pictures["ncols"]) == (2, 6)


def test_the_sync_command_names_the_offline_run(offline_run):
    record, folder, command = offline_run
    assert command.startswith("wandb sync ")
    assert list(folder.glob("*.wandb")) == [Path(record["file"])]
    assert record["state"] == "finished"


def test_without_a_key_nothing_goes_online(home):
    assert wandb_mode() == "offline"


def test_a_key_in_the_environment_means_online(home, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_mode() == "online"


@pytest.mark.parametrize(
    ("value", "mode"),
    [("offline", "offline"), ("dryrun", "offline"), ("disabled", "disabled"), ("online", "online")],
)
def test_the_mode_variable_decides(home, monkeypatch, value, mode):
    monkeypatch.setenv("WANDB_MODE", value)
    if mode != "online":
        monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_mode() == mode


def test_an_unknown_mode_is_refused(home, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offlin")
    with pytest.raises(ConfigError, match="did you mean 'offline'"):
        wandb_mode()


@pytest.mark.parametrize(
    ("server", "machine", "mode"),
    [
        ("https://wandb.example.com", "wandb.example.com", "online"),
        ("http://localhost:8080", "localhost:8080", "online"),
        ("https://wandb.example.com", "other.example.com", "offline"),
        (None, "api.wandb.ai", "online"),
        (None, "other.example.com", "offline"),
    ],
)
def test_a_key_in_netrc_counts_for_its_server(home, monkeypatch, server, machine, mode):
    (home / "netrc").write_text(f"machine {machine}\n  login user\n  password {KEY}\n")
    if server:
        monkeypatch.setenv("WANDB_BASE_URL", server)
    assert wandb_mode() == mode


def test_a_broken_netrc_is_named(home):
    (home / "netrc").write_text("machin oops\n")
    with pytest.raises(ConfigError, match=r"netrc.*WANDB_MODE=offline"):
        wandb_mode()


def test_settings_files_count_and_the_folder_wins_over_the_user(home, monkeypatch):
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "user"))
    for folder, lines in (("user", f"api_key = {KEY}"), ("wandb", "")):
        (home / folder).mkdir()
        (home / folder / "settings").write_text(f"[default]\n{lines}\n")
    assert wandb_mode() == "online"
    (home / "wandb" / "settings").write_text("[default]\nmode = offline\n")
    assert wandb_mode() == "offline"


def test_a_broken_settings_file_is_named(home):
    (home / "settings").write_text("mode offline\n")
    with pytest.raises(ConfigError, match="settings"):
        wandb_mode()


UNREACHABLE = """
import os, sys
from xmr.reporting.tracking import run as wandb_run
assert wandb_run.wandb_mode() == "disabled"
wandb_run.finish()
assert "wandb" not in sys.modules, "asking for the mode must not cost the import"
import wandb
for expected in ("disabled", "offline"):
    assert wandb_run.wandb_mode() == expected
    run = wandb.init(project="xmr-tests", mode=wandb_run.wandb_mode())
    wandb_run.define_metrics(run, ["val/a/mAP"])
    wandb_run.log_panels(run, {}, 1)
    wandb_run.log_rankings_table(run, "val/rankings/text_to_image", [], 1)
    wandb_run.write_summary(run, {"val/a/mAP": 0.5})
    assert (wandb_run.sync_command(run) is None) == (expected == "disabled")
    wandb_run.finish()
    os.environ["WANDB_MODE"] = ""
"""


def test_an_unreachable_server_neither_hangs_nor_prompts(home, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "API key" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, tmp_path_factory.mktemp("wandb"))
        return finished_runs(tmp_path_factory.getbasetemp() / "finished-wandb-runs")


def test_a_sync_uploads_the_evaluation(made, home):
    runs = shutil.copytree(made, home / "runs", symlinks=True)
    with running_server() as server:
        upload(server, runs)
    assert server.unknown == []
    run = server.runs["xmr-tests", "a2"]
    protocol = results("a2", 2)["protocol"]
    assert run.config["xmr_protocol"]["value"] == protocol
    assert run.summary[f"val/emoji/{SHORT_RECALL}"] == 0.25
    kept = {key: value for key, value in results("a2", 2).items() if key not in ("protocol", "metrics")}
    assert run.summary["results"] == kept
    (artifact,) = [each for each in server.artifacts.values() if each.collection == "results-a2"]
    assert (artifact.type, artifact.state, artifact.run) == ("evaluation", "COMMITTED", "a2")
    for name in ("results.json", "queries.parquet"):
        assert server.storage[f"artifact/{artifact.id}/{name}"] == (runs / "a2" / name).read_bytes()


def test_a_repeated_sync_changes_nothing(made, home):
    runs = shutil.copytree(made, home / "runs", symlinks=True)
    with running_server() as server:
        upload(server, runs)
        once = server.state()
        assert "No runs to sync" in upload(server, runs)
        assert server.state() == once
        for marker in runs.rglob("*.synced"):  # as after a copy to another machine
            marker.unlink()
        upload(server, runs)
        again = server.state()
    assert {run["state"] for run in once["runs"].values()} == {"finished"}
    assert len(once["artifacts"]) == 4
    for state in (once, again):  # wandb appends to a history that is there, whatever it says
        for run in state["runs"].values():
            run.pop("history")
    assert again == once


def test_an_evaluation_outlives_wandbs_own_folders_and_later_results(home):
    """Kept beside the run: in the home of another machine, where a sync would miss it, it is of no use."""
    runs = home / "runs"
    make_runs(runs / "b1", "b1", "1", "SigLIP", "finished", WANDB_DATA_DIR=str(home / "elsewhere"))
    shutil.rmtree(home / "elsewhere", ignore_errors=True)
    logged = (runs / "b1/results.json").read_bytes()
    (runs / "b1/results.json").write_text("changed since")
    with running_server() as server:
        upload(server, runs)
    (artifact,) = [each for each in server.artifacts.values() if each.collection == "results-b1"]
    assert server.storage[f"artifact/{artifact.id}/results.json"] == logged


def test_an_evaluation_without_its_files_is_refused(offline_run, tmp_path):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(MissingFilesError, match=r"lacks queries\.parquet"):
        wandb_run.log_evaluation(None, tmp_path, results("a1", 1))


INHERITED = """
import subprocess, sys
import wandb
wandb.init(mode="offline", dir=sys.argv[1]).finish()
subprocess.run([sys.executable, "-c", sys.argv[3]], cwd=sys.argv[2], check=True)
"""
CHILD = """
from pathlib import Path
from xmr.reporting.tracking import run as wandb_run
folder = Path("runs/a/id")
folder.mkdir(parents=True)
run = wandb_run.start_run(folder, mode="offline", project="p", name="id", config={})
run.log({"x": 1})
print(wandb_run.sync_command(run))
wandb_run.finish()
"""


def test_a_run_is_kept_where_it_runs_when_wandb_was_started_elsewhere(home, repository):
    """wandb hands its writing process on to child processes, whose relative paths would mean others to it."""
    parent, child = home / "parent", home / "child"
    parent.mkdir()
    child.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", INHERITED, parent, child, CHILD],
        cwd=parent,
        env={**os.environ, "PYTHONPATH": str(repository), "WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (file,) = child.glob("runs/a/id/wandb/offline-run-*/*.wandb")
    assert done.stdout.split() == ["wandb", "sync", str(file.parent.relative_to(child))]
    assert not (parent / "runs").exists()
