import csv
import os
import signal
from pathlib import Path

import pytest
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from tests.processes import join, start
from xmr.training.csv_logger import CsvLogger


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_run(path: Path, steps: range, *, resume_step: int | None = None) -> CsvLogger:
    """A loss at each step and, as from step 4 on each second, a recall."""
    logger = CsvLogger(path, resume_step=resume_step)
    for step in steps:
        logger.log_metrics({"train/loss": 1 / (step + 1), "epoch": step // 4}, step=step)
        if step >= 4 and step % 2 == 0:
            logger.log_metrics({"val/recall@1": torch.tensor(step / 8), "epoch": step // 4}, step=step)
    return logger


def test_each_row_is_in_the_file_at_once(tmp_path):
    logger = CsvLogger(tmp_path / "metrics.csv")
    assert rows(tmp_path / "metrics.csv") == []
    logger.log_metrics({"train/loss": 0.25, "epoch": 1}, step=3)
    assert rows(tmp_path / "metrics.csv") == [{"step": "3", "epoch": "1.0", "train/loss": "0.25"}]


def test_new_columns_leave_earlier_rows_as_they_were(tmp_path):
    logger = CsvLogger(tmp_path / "metrics.csv")
    logger.log_metrics({"a, b": 1 / 3}, step=0)
    logger.log_metrics({"c": float("nan"), 'quoted "d"': 2.0}, step=1)
    logger.log_metrics({"a, b": 0.5}, step=2)
    assert rows(tmp_path / "metrics.csv") == [
        {"step": "0", "epoch": "", "a, b": repr(1 / 3), "c": "", 'quoted "d"': ""},
        {"step": "1", "epoch": "", "a, b": "", "c": "nan", 'quoted "d"': "2.0"},
        {"step": "2", "epoch": "", "a, b": "0.5", "c": "", 'quoted "d"': ""},
    ]


@pytest.mark.parametrize("resume_step", [0, 3, 4, 6, 9])
def test_a_resumed_file_reads_as_if_the_run_had_never_stopped(tmp_path, resume_step):
    whole, resumed = tmp_path / "whole.csv", tmp_path / "resumed.csv"
    write_run(whole, range(10))
    write_run(resumed, range(10 if resume_step < 9 else 6))  # the run got further than its checkpoint, or not
    write_run(resumed, range(resume_step + 1 if resume_step < 9 else 6, 10), resume_step=resume_step)
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_resumed_file_is_cut_before_anything_is_logged(tmp_path):
    write_run(tmp_path / "metrics.csv", range(10))
    CsvLogger(tmp_path / "metrics.csv", resume_step=2)
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == ["0", "1", "2"]


def test_a_new_run_begins_with_an_empty_file(tmp_path):
    write_run(tmp_path / "metrics.csv", range(10))
    CsvLogger(tmp_path / "metrics.csv").log_metrics({"loss": 1.0}, step=0)
    assert rows(tmp_path / "metrics.csv") == [{"step": "0", "epoch": "", "loss": "1.0"}]


def test_a_resumed_run_may_lack_its_file(tmp_path):
    CsvLogger(tmp_path / "metrics.csv", resume_step=5).log_metrics({"loss": 1.0}, step=6)
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == ["6"]


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    write_run(path, range(4))
    whole = path.read_bytes()
    for cut in range(1, 12):
        path.write_bytes(whole[:-cut])
        CsvLogger(path, resume_step=100)
        assert [row["step"] for row in rows(path)] == ["0", "1", "2"]


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    write_run(path, range(10))
    before = path.read_bytes()
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    write_run(path, range(4, 6), resume_step=3)
    assert path.read_bytes() == before


def _log_and_die(path: Path) -> None:
    logger = write_run(path, range(6))
    logger.log_metrics({"late": 1.0}, step=6)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_loses_nothing_that_was_logged(tmp_path):
    path = tmp_path / "metrics.csv"
    assert join(start(_log_and_die, path)) == -signal.SIGKILL
    assert [row["step"] for row in rows(path)] == ["0", "1", "2", "3", "4", "4", "5", "6"]
    assert rows(path)[-1]["late"] == "1.0"
