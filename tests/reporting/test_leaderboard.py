"""The leaderboard orders what compares, keeps apart what does not, and hides nothing."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from xmr.core.errors import ConfigError
from xmr.evaluation.protocol import RESULTS_SCHEMA
from xmr.reporting.leaderboard import board_tables, read_runs

PROTOCOL = {
    "name": "standard",
    "data": "toy",
    "data_fingerprint": "abc",
    "split": "val",
    "ks": [1],
    "xmr_version": "1",
}


def result(folder: Path, recall: float, **protocol: object) -> Path:
    folder.mkdir(parents=True)
    metrics = {"mean_recall": recall, "text_to_image/recall@1": recall / 2, "text_to_image/median_rank": 9.0}
    content = {
        "schema_version": RESULTS_SCHEMA,
        "protocol": {**PROTOCOL, **protocol},
        "metrics": metrics,
        "seed": 0,
    }
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def printed(tables: list) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for table in tables:
        console.print(table)
    return console.export_text()


def test_better_runs_stand_first(tmp_path: Path) -> None:
    result(tmp_path / "worse", 0.25)
    result(tmp_path / "better", 0.5)
    entries, left_out = read_runs(tmp_path)
    text = printed(board_tables(entries))
    assert not left_out
    assert text.index("better") < text.index("worse")
    assert "50.0" in text


def test_other_protocols_are_other_boards(tmp_path: Path) -> None:
    result(tmp_path / "val", 0.5)
    result(tmp_path / "test", 0.6, split="test")
    result(tmp_path / "other_data", 0.7, data_fingerprint="xyz")
    result(tmp_path / "folds", 0.7, name="coco_1k_5fold")
    result(tmp_path / "other_version", 0.8, xmr_version="2")
    entries, _ = read_runs(tmp_path)
    assert [table.row_count for table in board_tables(entries)] == [1, 1, 2, 1]


def test_what_cannot_be_shown_is_listed_with_its_reason(tmp_path: Path) -> None:
    result(tmp_path / "good", 0.5)
    half = result(tmp_path / "half", 0.5) / "results.json"
    half.write_text(half.read_text()[:40])
    nan = result(tmp_path / "nan", float("nan"))
    old = result(tmp_path / "old", 0.5) / "results.json"
    old.write_text(old.read_text().replace(f'"schema_version": {RESULTS_SCHEMA}', '"schema_version": 0'))
    live, early = tmp_path / "live", tmp_path / "early"
    for folder in (live, early):
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "config.yaml").write_text("name: live")
    (live / "checkpoints/last.ckpt").touch()
    entries, left_out = read_runs(tmp_path)
    assert [entry.path.name for entry in entries] == ["good"]
    assert "not a number" in left_out[nan / "results.json"]
    assert "schema version 0" in left_out[old]
    assert "resume=" in left_out[live]
    assert "before its first checkpoint" in left_out[early]
    assert half in left_out


def test_the_link_to_the_latest_run_is_not_a_run_of_its_own(tmp_path: Path) -> None:
    result(tmp_path / "run", 0.5)
    (tmp_path / "latest").symlink_to("run")
    assert len(read_runs(tmp_path)[0]) == 1
    assert len(read_runs(tmp_path / "latest")[0]) == 1, "unless it is what was asked for"


def test_an_unknown_metric_names_the_nearest(tmp_path: Path) -> None:
    result(tmp_path / "run", 0.5)
    with pytest.raises(ConfigError, match="mean_recall"):
        board_tables(read_runs(tmp_path)[0], metric="mean_recal")
