"""Boards as text say what they hold at any width, and as files what other tools read."""

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.reporting.synthetic_runs import config, finished, metrics, result, started, sweep
from xmr.reporting.board.board import Board, boards
from xmr.reporting.board.files import write_boards_csv, write_boards_json, write_runs_parquet
from xmr.reporting.board.tables import board_legend, board_table, boards_markdown, resumable
from xmr.reporting.records.runs import LeftOut, read_runs


def read(root: Path) -> list[Board]:
    return boards(read_runs(root)[0], metric="mean_recall")


def printed(board: Board, width: int = 160) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(board_table(board, width=width))
    return console.export_text()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three models: two seeds, one run that used test twice, one that has stopped and can go on."""
    for seed, recall in enumerate((0.5, 0.6)):
        finished(tmp_path / f"a{seed}", recall, settings=config(seed=seed))
    twice = finished(tmp_path / "b", 0.3, settings=config(loss="SigLIP"))
    (twice / "test_touches.jsonl").write_text("{}\n{}\n")
    stopped = started(tmp_path / "c", settings=config(loss="Triplet"), recall=0.25)
    (stopped / "checkpoints").mkdir()
    (stopped / "checkpoints/last.ckpt").touch()
    return tmp_path


def test_the_table_shows_places_means_deviations_and_marks(root: Path) -> None:
    (board,) = read(root)
    lines = [line.split() for line in printed(board).splitlines() if "loss=" in line]
    assert lines[0][:6] == ["1", "loss=InfoNCE", "2", "55.0", "±", "7.1"]
    assert lines[1][:4] == ["2", "loss=SigLIP", "1", "30.0"]
    assert lines[1][-2:] == ["test", "x2"]
    assert lines[2][:4] == ["–", "loss=Triplet", "0", "25.0"]
    assert " ".join(lines[2][-5:]) == "stopped, epoch 2 of 30"
    legend = "\n".join(board_legend(board))
    for said in ("deviation over seeds", "test split twice", "not finished"):
        assert said in legend


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_gets_fewer_metrics_and_is_told(root: Path, width: int) -> None:
    (board,) = read(root)
    text = printed(board, width)
    assert max(map(len, text.splitlines())) <= width
    assert "55.0 ± 7.1" in text
    assert any("more metrics" in line for line in board_legend(board, width=width))


def test_equal_figures_share_a_place(tmp_path: Path) -> None:
    for name, recall in (("a", 0.5), ("b", 0.5), ("c", 0.4)):
        result(tmp_path / name, recall)
    lines = [line.split()[:2] for line in printed(read(tmp_path)[0]).splitlines()[5:8]]
    assert lines == [["1", "a"], ["1", "b"], ["3", "c"]]


def test_names_that_look_like_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    result(tmp_path / "[red]clip|", 0.5, protocol={"data": "[bold]"})
    found = read(tmp_path)
    assert "[red]clip|" in printed(found[0])
    assert "[bold], val split" in printed(found[0])
    assert "[red]clip\\|" in boards_markdown(found)


def test_markdown_is_a_table_with_its_notes(root: Path) -> None:
    text = boards_markdown(read(root))
    lines = text.splitlines()
    assert lines[0] == "## toy, val split"
    assert lines[2].startswith("| # | model | seeds | mean recall | t → i R@1 |")
    assert lines[4].startswith("| 1 | loss=InfoNCE | 2 | 55.0 ± 7.1 |")
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert "- ± is the deviation over seeds" in lines


def test_stopped_runs_are_told_how_to_go_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert resumable(read(root)) == ["go on     python train.py resume=c"]


def test_json_holds_everything_but_this_machine(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "board.json"
    write_boards_json(file, read(root), [LeftOut("x", "why")])
    text = file.read_text()
    content = json.loads(text)
    assert content["schema_version"] == 1
    assert content["left_out"] == [{"path": "x", "reason": "why"}]
    (board,) = content["boards"]
    assert [row["place"] for row in board["rows"]] == [1, 2, None]
    first = board["rows"][0]
    assert first["mean"]["mean_recall"] == 0.55
    assert [run["seed"] for run in first["runs"]] == [0, 1]
    assert first["runs"][0]["metrics"] == metrics(0.5)
    assert first["runs"][0]["settings"]["loss.temperature"] == 0.07
    assert str(tmp_path) not in text


def test_csv_has_a_row_a_model_with_settings_and_deviations(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "board.csv"
    write_boards_csv(file, read(root))
    with file.open(newline="") as opened:
        first, second, third = csv.DictReader(opened)
    assert (first["place"], first["model"], first["seeds"]) == ("1", "loss=InfoNCE", "2")
    assert first["loss._target_"] == "InfoNCE"
    assert float(first["mean_recall"]) == pytest.approx(0.55)
    assert float(first["mean_recall deviation"]) == pytest.approx(0.0707, abs=1e-4)
    assert first["runs"] == "a0 a1"
    assert second["mean_recall deviation"] == ""
    assert (third["place"], third["marks"]) == ("", "stopped, epoch 2 of 30")


def test_parquet_has_a_row_a_run_with_typed_columns(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "board.parquet"
    result(root / "d", 0.1)
    write_runs_parquet(file, read(root))
    rows = pq.read_table(file).to_pylist()
    assert [row["path"] for row in rows] == ["a0", "a1", "b", "d", "c"]
    assert rows[0]["metrics.mean_recall"] == 0.5
    assert rows[0]["settings.loss.temperature"] == 0.07
    assert rows[2]["settings.loss.bias"] == -10.0
    assert rows[0]["settings.loss.bias"] is None
    assert rows[0]["settings.optimizer.betas"] == "[0.9, 0.98]"
    assert rows[0]["cost.train_seconds"] == 12.5
    assert rows[3]["settings.loss.temperature"] is None


def test_no_boards_are_files_all_the_same(tmp_path: Path) -> None:
    write_boards_json(tmp_path / "b.json", [], [LeftOut("x", "why")])
    write_boards_csv(tmp_path / "b.csv", [])
    write_runs_parquet(tmp_path / "b.parquet", [])
    assert json.loads((tmp_path / "b.json").read_text())["boards"] == []
    assert pq.read_table(tmp_path / "b.parquet").num_rows == 0
    assert boards_markdown([]) == ""


def test_a_long_board_is_whole(tmp_path: Path) -> None:
    sweep(tmp_path, 60)
    text = printed(read(tmp_path)[0], 80)
    assert text.count("lr=") == 12
