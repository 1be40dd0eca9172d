"""What lies in a folder of runs becomes records, and what does not is listed with its reason."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reporting.synthetic_runs import PROTOCOL, config, finished, metrics, result, started, sweep
from xmr.core.errors import MissingFilesError
from xmr.core.run_state import RunningMark
from xmr.reporting.board.board import boards
from xmr.reporting.records.runs import LeftOut, RunRecord, read_runs


def reasons(root: Path) -> dict[str, str]:
    return {each.path: each.reason for each in read_runs(root)[1]}


def only(root: Path) -> RunRecord:
    records, left_out = read_runs(root)
    assert [record.path for record in records] == [records[0].path]
    assert left_out == []
    return records[0]


def test_a_finished_run_is_a_record_with_what_it_left_behind(tmp_path: Path) -> None:
    folder = finished(tmp_path / "emoji/20260101-000000-aaaaaa", 0.5, intervals={"mean_recall": [0.4, 0.6]})
    (folder / "panels").mkdir()
    (folder / "panels/best.png").touch()
    record = only(tmp_path)
    assert (record.path, record.folder) == ("emoji/20260101-000000-aaaaaa", folder)
    assert (record.run_id, record.name, record.seed) == (folder.name, "sweep", 0)
    assert (record.source, record.state, record.progress) == ("folder", "finished", "")
    assert record.metrics == metrics(0.5)
    assert record.intervals == {"mean_recall": (0.4, 0.6)}
    assert record.protocol == PROTOCOL
    assert record.panels == (folder / "panels/best.png",)
    assert record.metrics_file == folder / "metrics.csv"
    assert record.queries_file is None


def test_settings_are_those_that_can_change_a_result(tmp_path: Path) -> None:
    finished(
        tmp_path / "a", settings=config(stages=[{"name": "I", "epochs": 3}, {"name": "II", "epochs": 4}])
    )
    settings = only(tmp_path).settings
    assert settings["loss._target_"] == "xmr.losses.infonce.InfoNCE"
    assert settings["optimizer.betas"] == [0.9, 0.98]
    assert settings["stages.1.epochs"] == 4
    without = ("name", "seed", "workers", "data.path", "paths", "logger", "evaluation.panels")
    assert not [key for key in settings if key.startswith(without)]
    assert settings["evaluation.monitor"] == "mean_recall"


def test_a_run_and_its_evaluation_by_the_same_protocol_are_one_result_the_newest(tmp_path: Path) -> None:
    run = finished(
        tmp_path / "run", 0.5, created="2026-01-02T00:00:00+00:00", checkpoint="checkpoints/best.ckpt"
    )
    best = {"checkpoint": "checkpoints/best.ckpt", "seed": 0, "run": {"id": "run", "name": "sweep"}}
    again = run / "evaluations/val-best"
    result(again, 0.5, created="2026-01-03T00:00:00+00:00", cost={"evaluation_seconds": 2.0}, **best)
    record = only(tmp_path)
    assert record.path == "run/evaluations/val-best"
    assert record.cost == {"train_seconds": 12.5, "epochs": 30, "evaluation_seconds": 2.0}
    result(again, 0.5, created="2026-01-01T00:00:00+00:00", **best)
    assert only(tmp_path).path == "run"


def test_other_protocols_and_checkpoints_of_a_run_are_results_of_their_own(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", 0.5, checkpoint="checkpoints/best.ckpt")
    about = {"seed": 0, "run": {"id": "run", "name": "sweep"}}
    best, last = "checkpoints/best.ckpt", "checkpoints/last.ckpt"
    result(run / "evaluations/test-best", 0.4, protocol={"split": "test"}, checkpoint=best, **about)
    result(run / "evaluations/val-last", 0.3, checkpoint=last, **about)
    (run / "evaluations/projected").mkdir()
    records, left_out = read_runs(tmp_path)
    assert not left_out
    assert [record.path for record in records] == [
        "run",
        "run/evaluations/test-best",
        "run/evaluations/val-last",
    ]
    assert records[2].settings == records[0].settings | {"checkpoint": last}


def test_a_stopped_run_has_what_it_reached_last(tmp_path: Path) -> None:
    folder = started(tmp_path / "run", epochs=3, recall=0.25)
    record = only(tmp_path)
    assert (record.state, record.progress) == ("stopped", "epoch 3 of 30")
    assert record.metrics == pytest.approx(metrics(0.25))
    with (folder / "metrics.csv").open("a") as file:
        file.write("35,4.0" + "," * 16 + "0.5\n40,4.0,0.9,0.")  # the second one is being written
    record = only(tmp_path)
    assert record.progress == "epoch 4 of 30"
    assert record.metrics["mean_recall"] == 0.25


def test_the_last_evaluation_is_found_far_from_the_end_of_a_long_file(tmp_path: Path) -> None:
    folder = started(tmp_path / "run", epochs=1, recall=0.25)
    columns = len((folder / "metrics.csv").read_text().splitlines()[0].split(","))
    with (folder / "metrics.csv").open("a") as file:
        file.writelines(f"{10 + n},2.0{',' * (columns - 2)}0.123456\n" for n in range(5000))
    record = only(tmp_path)
    assert record.metrics["mean_recall"] == 0.25
    assert record.progress == "epoch 2 of 30"


def test_epochs_of_stages_are_counted_together(tmp_path: Path) -> None:
    stages = [{"name": "I", "epochs": 240}, {"name": "II", "epochs": 60}]
    started(tmp_path / "run", settings=config(stages=stages))
    assert only(tmp_path).progress == "epoch 2 of 300"


def test_a_live_run_is_running_and_a_killed_one_stopped(tmp_path: Path) -> None:
    folder = started(tmp_path / "run")
    hold = "import sys, time; from pathlib import Path; from xmr.core.run_state import RunningMark; "
    hold += "mark = RunningMark(Path(sys.argv[1])); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert only(tmp_path).state == "running"
        process.send_signal(signal.SIGKILL)
    assert (folder / "running.json").exists()
    assert only(tmp_path).state == "stopped"


def test_broken_results_are_left_out_with_the_reason(tmp_path: Path) -> None:
    files = {
        name: finished(tmp_path / name) / "results.json" for name in ("half", "nan", "old", "bare", "huge")
    }
    text = files["half"].read_text()
    files["half"].write_text(text[:40])
    files["nan"].write_text(text.replace('"mean_recall": 0.5', '"mean_recall": NaN'))
    files["huge"].write_text(text.replace('"mean_recall": 0.5', '"mean_recall": 1e999'))
    files["old"].write_text(text.replace('"schema_version": 3', '"schema_version": 2'))
    files["bare"].write_text('{"schema_version": 3}')
    records, left_out = read_runs(tmp_path)
    assert records == []
    told = {each.path: each.reason for each in left_out}
    assert "half-written" in told["half/results.json"]
    assert "NaN" in told["nan/results.json"]
    assert "mean_recall" in told["huge/results.json"]
    assert "schema version 2" in told["old/results.json"]
    assert "protocol" in told["bare/results.json"]
    assert not any("\n" in reason or str(tmp_path) in reason for reason in told.values())


def test_a_broken_evaluation_leaves_the_run_on_the_board(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    (run / "evaluations/test-best").mkdir(parents=True)
    (run / "evaluations/test-best/queries.parquet").touch()
    records, left_out = read_runs(tmp_path)
    assert [record.path for record in records] == ["run"]
    assert [each.path for each in left_out] == ["run/evaluations/test-best/results.json"]


def test_runs_that_never_got_far_are_left_out_with_the_reason(tmp_path: Path) -> None:
    for name in ("early", "resumable", "odd_protocol", "damaged"):
        folder = started(tmp_path / name)
        if name != "odd_protocol":
            (folder / "protocol.json").unlink()
    (tmp_path / "resumable/checkpoints").mkdir()
    (tmp_path / "resumable/checkpoints/last.ckpt").touch()
    (tmp_path / "odd_protocol/protocol.json").write_text('{"schema_version": 3')
    (tmp_path / "damaged/config.yaml").write_text("loss: [1, 2")
    (tmp_path / "emoji/20260101-000000-aaaaaa/wandb").mkdir(parents=True)
    told = reasons(tmp_path)
    assert "before training began" in told["early"]
    assert "resume=" in told["resumable"]
    assert "half-written" in told["odd_protocol/protocol.json"]
    assert "no YAML" in told["damaged/config.yaml"]
    assert "never began" in told["emoji/20260101-000000-aaaaaa"]
    assert read_runs(tmp_path)[0] == []


def test_figures_that_are_no_numbers_are_left_out_by_themselves(tmp_path: Path) -> None:
    file = started(tmp_path / "run") / "metrics.csv"
    header, *rows, last = file.read_text().splitlines()
    cells = last.split(",")
    cells[2] = "nan"
    file.write_text("\n".join([header, *rows, ",".join(cells)]) + "\n")
    records, left_out = read_runs(tmp_path)
    assert "image_to_text/recall@1" not in records[0].metrics
    assert "mean_recall" in records[0].metrics
    assert [each.reason for each in left_out] == ["image_to_text/recall@1 is nan after epoch 2"]
    file.write_text(f"{header}\n1,2,3\n")
    records, left_out = read_runs(tmp_path)
    assert records[0].metrics == {}
    assert "damaged" in left_out[0].reason


def test_a_copied_folder_is_shown_once(tmp_path: Path) -> None:
    run = finished(tmp_path / "emoji/20260101-000000-aaaaaa", checkpoint="checkpoints/best.ckpt")
    shutil.copytree(run, tmp_path / "backup/of an old run")
    records, left_out = read_runs(tmp_path)
    assert [record.path for record in records] == ["emoji/20260101-000000-aaaaaa"]
    assert [each.path for each in left_out] == ["backup/of an old run"]
    assert "emoji/20260101-000000-aaaaaa" in left_out[0].reason


def test_runs_of_other_settings_in_folders_of_one_name_are_no_copies(tmp_path: Path) -> None:
    for loss in ("InfoNCE", "SigLIP"):
        finished(tmp_path / loss / "seed0", settings=config(loss=loss))
    records, left_out = read_runs(tmp_path)
    assert [record.path for record in records] == ["InfoNCE/seed0", "SigLIP/seed0"]
    assert left_out == []


def test_an_evaluation_of_a_killed_run_is_not_finished(tmp_path: Path) -> None:
    folder = started(tmp_path / "run", epochs=2)
    result(folder / "evaluations/test-best", 0.1, protocol={"split": "test"}, seed=0)
    records, _ = read_runs(tmp_path)
    assert {(r.protocol["split"], r.state, r.progress) for r in records} == {
        ("val", "stopped", "epoch 2 of 30"),
        ("test", "stopped", "epoch 2 of 30"),
    }


def test_a_trial_that_failed_before_it_began_is_listed(tmp_path: Path) -> None:
    (tmp_path / "sweeps/heads/000-linear-abcdef").mkdir(parents=True)
    (tmp_path / "sweeps/heads/000-linear-abcdef/output.log").write_text("error: no data\n")
    (tmp_path / "reproductions/emoji/seed0").mkdir(parents=True)
    (tmp_path / "reproductions/emoji/seed0/output.log").touch()
    finished(tmp_path / "reproductions/emoji/seed0/20260101-000000-aaaaaa")
    assert list(reasons(tmp_path)) == ["sweeps/heads/000-linear-abcdef"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": [1, 2]}, None),
        ({"seed": "x"}, None),
        ({"when": "!!timestamp 2024-13-45"}, "no YAML"),
    ],
)
def test_a_config_with_odd_values_ends_in_no_traceback(
    tmp_path: Path, change: dict, told: str | None
) -> None:
    finished(tmp_path / "good", settings=config(seed=1))
    folder = finished(tmp_path / "odd", 0.4)
    text = (folder / "config.yaml").read_text()
    for key, value in change.items():
        kept = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
        (folder / "config.yaml").write_text("\n".join([*kept, f"{key}: {value}"]))
    if "seed" in change:
        content = json.loads((folder / "results.json").read_text())
        (folder / "results.json").write_text(json.dumps({k: v for k, v in content.items() if k != "seed"}))
    records, left_out = read_runs(tmp_path)
    assert "good" in [record.path for record in records]
    assert [told in each.reason for each in left_out] == ([True] if told else [])
    assert boards(records, metric="mean_recall")


def test_links_are_not_followed_unless_one_is_asked_for(tmp_path: Path) -> None:
    run = finished(tmp_path / "runs/emoji/a")
    (tmp_path / "runs/emoji/latest").symlink_to("a")
    outside = finished(tmp_path / "elsewhere/b")
    (tmp_path / "runs/elsewhere").symlink_to(outside.parent)
    (tmp_path / "runs/circle").symlink_to(tmp_path / "runs")
    assert only(tmp_path / "runs").folder == run
    assert only(tmp_path / "runs/emoji/latest").folder == run


def test_uses_of_the_test_split_are_counted_of_runs_and_of_names_submitted(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    (run / "test_touches.jsonl").write_text("{}\n{}\n")
    mine = tmp_path / "submissions/mine"
    result(
        mine / "20260101-000000-aaaaaa", 0.5, submission={"file": "a.npz"}, run={"id": "x", "name": "mine"}
    )
    (mine / "test_touches.jsonl").write_text("{}\n{}\n{}\n")
    records, left_out = read_runs(tmp_path)
    assert not left_out
    assert [(record.name, record.source, record.test_touches) for record in records] == [
        ("sweep", "folder", 2),
        ("mine", "submission", 3),
    ]


def test_a_result_of_another_tool_needs_no_run(tmp_path: Path) -> None:
    result(tmp_path / "published/clip", 0.6)
    record = only(tmp_path)
    assert (record.name, record.seed, record.settings) == ("clip", None, {})


def test_configs_of_other_programs_are_not_runs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/config.yaml").write_text("title: a page")
    assert read_runs(tmp_path) == ([], [])


def test_what_can_not_be_read_is_listed(tmp_path: Path) -> None:
    finished(tmp_path / "good")
    run = started(tmp_path / "run")
    (run / "test_touches.jsonl").mkdir()
    records, left_out = read_runs(tmp_path)
    assert [record.path for record in records] == ["good"]
    assert left_out == [LeftOut("run/test_touches.jsonl", "can't be read (Is a directory)")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_is_listed(tmp_path: Path) -> None:
    run = finished(tmp_path / "locked/run")
    finished(tmp_path / "open")
    run.parent.chmod(0)
    try:
        records, left_out = read_runs(tmp_path)
    finally:
        run.parent.chmod(0o700)
    assert [record.path for record in records] == ["open"]
    assert left_out[0].path == "locked"
    assert "Permission" in left_out[0].reason


def test_a_thousand_runs_are_all_there(tmp_path: Path) -> None:
    sweep(tmp_path, 1000)
    records, left_out = read_runs(tmp_path)
    assert len({record.run_id for record in records}) == 1000
    assert not left_out


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match="nowhere is no folder"):
        read_runs(tmp_path / "nowhere")


def test_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    assert read_runs(tmp_path) == ([], [])


def test_a_run_that_goes_on_after_its_results_shows_where_it_is(tmp_path: Path) -> None:
    folder = finished(tmp_path / "run", 0.5)
    mark = RunningMark(folder)
    record = only(tmp_path)
    assert (record.state, record.metrics["mean_recall"]) == ("running", 0.25)
    mark.release()
    assert only(tmp_path).state == "finished"
