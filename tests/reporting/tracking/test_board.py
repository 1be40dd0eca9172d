import shutil
import sys
from dataclasses import replace

import pytest

from tests.reporting.tracking.wandb_runs import (
    PROJECT,
    PROTOCOL,
    RANK,
    RECALL,
    connect,
    finished_runs,
    isolate,
    upload,
)
from tests.reporting.tracking.wandb_server import KEY, running_server
from xmr.core.errors import ConfigError, XmrError
from xmr.reporting.board.board import boards
from xmr.reporting.records.settings import protocol_key
from xmr.reporting.tracking.board import publish, publish_later
from xmr.reporting.tracking.files import read_wandb_runs
from xmr.reporting.tracking.report import report_of, workspace_of

METRIC = "val/emoji/mean_recall"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, tmp_path_factory.mktemp("wandb"))
        return finished_runs(tmp_path_factory.getbasetemp() / "finished-wandb-runs")


@pytest.fixture(scope="module")
def records(made):
    return read_wandb_runs(made)[0]


@pytest.fixture(scope="module")
def uploaded(made, tmp_path_factory):
    """A server that has the finished runs."""
    with running_server() as server, pytest.MonkeyPatch.context() as monkeypatch:
        home = tmp_path_factory.mktemp("wandb")
        isolate(monkeypatch, home)
        upload(server, shutil.copytree(made, home / "runs", symlinks=True))
        yield server


@pytest.fixture
def server(uploaded, tmp_path):
    """The server, without what others have published or changed."""
    uploaded.views.clear()
    for run in uploaded.runs.values():
        for key in ("xmr_board", "xmr_model"):
            run.config.pop(key, None)
        run.config["xmr_protocol"] = {"value": PROTOCOL.to_json()}
    with connect(uploaded, tmp_path):
        yield uploaded
    assert uploaded.unknown == []


def other_protocol(records, **changes):
    """The records under another protocol."""
    return [replace(record, protocol={**record.protocol, **changes}) for record in records]


def configs(server, key):
    """What the runs of the server have in their config under `key`."""
    return {name: run.config.get(key, {}).get("value") for (_, name), run in sorted(server.runs.items())}


def panels(blocks):
    """The panels in the blocks of a Report, by type."""
    found = {}
    for block in blocks:
        if block["type"] == "panel-grid":
            for panel in block["metadata"]["panelBankSectionConfig"]["panels"]:
                found.setdefault(panel["viewType"], []).append(panel["config"])
    return found


def test_the_view_shows_the_board(server, records):
    (board,) = boards(records)
    view_url, _ = publish([board], entity="team", project=PROJECT)
    assert view_url.startswith(f"{server.url}/team/{PROJECT}?nw=")
    (title,) = server.specs("project-view")
    assert title == "Leaderboard: emoji, val split"
    section = server.specs("project-view")[title]["section"]
    (runs,) = section["runSets"]
    (only,) = runs["filters"]["filters"]
    assert (only["key"]["name"], only["op"], only["value"]) == (
        "xmr_board",
        "=",
        protocol_key(board.protocol),
    )
    assert runs["grouping"] == [{"section": "config", "name": "xmr_model.value"}]
    assert runs["sort"]["keys"] == [{"key": {"section": "summary", "name": METRIC}, "ascending": False}]
    pinned = [name for name, is_pinned in runs["runFeed"]["columnPinned"].items() if is_pinned]
    assert pinned[:3] == ["run:displayName", "config:seed.value", f"summary:{METRIC}"]
    assert f"summary:val/emoji/{RECALL}" in pinned
    assert "summary:results.cost.train_seconds" in pinned
    names = [part["name"] for part in section["panelBankConfig"]["sections"]]
    assert names == ["Models", "What each model retrieves", "Training"]


def test_the_report_shows_table_plots_and_pictures(server, records):
    (board,) = boards(records)
    _, report_url = publish([board], entity="team", project=PROJECT)
    assert f"/team/{PROJECT}/reports/" in report_url
    blocks = server.specs("runs")[f"Leaderboard of {PROJECT}"]["blocks"]
    text = " ".join(child["text"] for block in blocks for child in block.get("children", []))
    assert "data set emoji; val split" in text
    (table,) = [block["content"] for block in blocks if block["type"] == "markdown-block"]
    assert "| 1 | loss=InfoNCE" in table
    assert "31.5 ± 0.7" in table
    found = panels(blocks)
    bars = found["Bar Chart"]
    assert bars[0]["metrics"] == [f"summary_metrics.{METRIC}"]
    for bar in bars:
        assert (bar["groupBy"], bar["groupAgg"], bar["groupArea"]) == ("xmr_model.value", "mean", "stddev")
    assert found["Run Comparer"] == [{"diffOnly": "split"}]
    (axes,) = found["Parallel Coordinates Plot"]
    assert [axis["accessor"] for axis in axes["columns"]] == [
        "config:loss.value._target_",
        f"summary:{METRIC}",
    ]
    assert [media["mediaKeys"] for media in found["Media Browser"]] == [["panels/text_to_image-random"]]
    for block in blocks:
        if block["type"] == "panel-grid":
            (runs,) = block["metadata"]["runSets"]
            assert runs["project"] == {"name": PROJECT, "entityName": "team", "id": "1"}
            assert runs["filters"]["filters"][0]["value"] == protocol_key(board.protocol)
            assert runs["grouping"] == [{"section": "config", "name": "xmr_model.value"}]


def test_letters_are_explained(records):
    (board,) = boards(records)
    rows = tuple(replace(row, letters={"mean_recall": "a"}) for row in board.rows)
    report = report_of([replace(board, rows=rows)], entity="team", project=PROJECT)
    assert any("do not differ significantly" in str(block) for block in report.blocks)
    plain = report_of([board], entity="team", project=PROJECT)
    assert not any("do not differ significantly" in str(block) for block in plain.blocks)


def test_panels_do_not_overlap(records):
    for metric in ("mean_recall", RANK):
        report = report_of(boards(records, metric=metric), entity="team", project=PROJECT)
        for block in report.blocks:
            cells = [
                (x, y)
                for panel in getattr(block, "panels", [])
                for x in range(panel.layout.x, panel.layout.x + panel.layout.w)
                for y in range(panel.layout.y, panel.layout.y + panel.layout.h)
            ]
            assert len(cells) == len(set(cells))
            assert all(x < 24 for x, _ in cells)


def test_runs_learn_the_label_of_their_row(server, records):
    publish(boards(records), entity="team", project=PROJECT)
    labels = {"a1": "loss=InfoNCE", "a2": "loss=InfoNCE", "b1": "loss=SigLIP", "b2": "loss=SigLIP"}
    assert configs(server, "xmr_model") == labels
    before = server.state()
    writes = server.operations.count("UpsertBucket")
    publish(boards(records), entity="team", project=PROJECT)
    assert server.operations.count("UpsertBucket") == writes, "labels that are there are not written again"
    assert server.state() == before


def test_publishing_again_updates_the_same_view_and_report(server, records):
    once = publish(boards(records), entity="team", project=PROJECT)
    ids = set(server.views)
    again = publish(boards(records, metric=RANK), entity="team", project=PROJECT)
    assert again == once
    assert set(server.views) == ids
    (view,) = server.specs("project-view").values()
    (order,) = view["section"]["runSets"][0]["sort"]["keys"]
    assert order == {"key": {"section": "summary", "name": f"val/emoji/{RANK}"}, "ascending": True}
    (axes,) = panels(server.specs("runs")[f"Leaderboard of {PROJECT}"]["blocks"])["Parallel Coordinates Plot"]
    assert axes["columns"][-1]["inverted"] is True


def test_runs_of_no_row_leave_the_board(server, records):
    publish(boards(records), entity="team", project=PROJECT)
    kept = [record for record in records if record.run_id != "b2"]
    kept = [replace(r, state="stopped") if r.run_id == "b1" else r for r in kept]
    publish(boards(kept), entity="team", project=PROJECT)
    on_board = {name for name, board in configs(server, "xmr_board").items() if board}
    assert on_board == {"a1", "a2"}, "means on W&B are over the runs that the board's are over"


def test_boards_that_the_server_has_nothing_of_are_said(server, records):
    both = boards([*records, *other_protocol(records, split="test")])
    said = []
    urls = publish(both, entity="team", project=PROJECT, say=said.append)
    assert len(urls) == 2
    assert said == ["emoji, test split: W&B has not 4 of 4 results; wandb sync uploads runs"]


def test_every_board_has_a_view_and_all_are_in_one_report(server, records):
    few = {name: run for (_, name), run in server.runs.items() if name in ("b1", "b2")}
    others = other_protocol([record for record in records if record.run_id in few], ks=[1, 5])
    for run in few.values():
        run.config["xmr_protocol"]["value"]["ks"] = [1, 5]
    both = boards([*[record for record in records if record.run_id not in few], *others])
    urls = publish(both, entity="team", project=PROJECT)
    assert len(set(urls)) == 3
    names = ["Leaderboard: emoji, val split, ks [1, 5, 10]", "Leaderboard: emoji, val split, ks [1, 5]"]
    assert sorted(server.specs("project-view")) == names
    ((_, report),) = server.specs("runs").items()
    assert [b["children"][0]["text"] for b in report["blocks"] if b.get("level") == 1] == [
        b.title for b in both
    ]
    assert "table-of-contents" in {block["type"] for block in report["blocks"]}


def test_the_entity_is_the_users_own_unless_named(server, records):
    assert publish(boards(records), entity=None, project=PROJECT)[0].startswith(f"{server.url}/team/")


def test_a_board_of_runs_that_are_not_there_says_so(server, records):
    strangers = [replace(record, run_id=f"other-{record.run_id}") for record in records]
    with pytest.raises(XmrError, match=r"none of these runs is in team/.*wandb sync"):
        publish(boards(strangers), entity="team", project=PROJECT)
    assert server.views == {}
    with pytest.raises(XmrError, match="no project team/nope"):
        publish(boards(records), entity="team", project="nope")


def test_offline_is_one_error(server, records, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(XmrError, match="WANDB_MODE=offline"):
        publish(boards(records), entity="team", project=PROJECT)


def test_what_is_missing_is_named(records, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(ConfigError, match="pip install wandb-workspaces"):
        publish(boards(records), entity="team", project=PROJECT)


def test_boards_are_built_without_a_server(records, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    for metric in ("mean_recall", RECALL, RANK):
        (board,) = boards(records, metric=metric)
        workspace_of(board, entity="team", project=PROJECT)
        report_of([board], entity="team", project=PROJECT)


def test_a_board_of_one_model_has_no_axes_of_settings(records):
    (board,) = boards([record for record in records if record.run_id.startswith("a")])
    report = report_of([board], entity="team", project="p" * 128)
    assert not any("ParallelCoordinatesPlot" in repr(block) for block in report.blocks)
    assert len(report.title) <= 128


def test_one_command_for_later(made, tmp_path, monkeypatch):
    isolate(monkeypatch, tmp_path)
    runs = shutil.copytree(made, tmp_path / "runs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    command = ["python", "scripts/leaderboard.py", "runs/", "--to-wandb"]
    sync, then = "wandb sync runs/*/wandb/offline-run-*", "python scripts/leaderboard.py runs/ --to-wandb"
    assert publish_later(runs.relative_to(tmp_path), command) == f"wandb login && {sync} && {then}"
    shutil.rmtree(runs)
    runs.mkdir()
    assert publish_later(runs, command) == f"wandb login && {then}"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert publish_later(runs, command) == f"export WANDB_MODE=online && wandb login && {then}"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert publish_later(runs, command) == f"export WANDB_MODE=online && {then}"
    monkeypatch.delenv("WANDB_MODE")
    assert publish_later(runs, command) == then
    (tmp_path / "settings").write_text("[default]\nmode = offline\n")
    assert publish_later(runs, command) == f"wandb online && {then}"
