"""scripts/leaderboard.py: the boards of a folder, on the terminal and in every form of file."""

from pathlib import Path

import pytest

from tests.pipelines.running import Outcome, script_here
from tests.reporting.synthetic_runs import finished, result, sweep


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def leaderboard(*words: str, cwd: Path) -> Outcome:
    outcome = script_here("scripts/leaderboard.py", *words, cwd=cwd)
    assert "Traceback" not in outcome.stderr
    return outcome


def test_it_prints_boards_writes_files_and_says_where(tmp_path: Path) -> None:
    sweep(tmp_path / "runs", 12)
    half = finished(tmp_path / "runs/sweep/half") / "results.json"
    half.write_text(half.read_text()[:50])
    forms = ("html", "json", "csv", "markdown", "parquet")
    files = [word for form in forms for word in (f"--{form}", f"out/board.{form}")]
    outcome = leaderboard("runs", *files, cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "toy, val split" in outcome.stdout
    assert "loss=SigLIP" in outcome.stdout
    assert "left out  sweep/half/results.json: is half-written" in outcome.stdout
    for form in forms:
        assert f"out/board.{form}" in outcome.stdout
        assert (tmp_path / f"out/board.{form}").stat().st_size > 100
    assert "<html" in (tmp_path / "out/board.html").read_text()
    assert len(list((tmp_path / "out").iterdir())) == len(forms)


def test_it_sorts_by_any_metric(tmp_path: Path) -> None:
    result(tmp_path / "quick", 0.1, metrics={"mean_recall": 0.1, "text_to_image/median_rank": 2.0})
    result(tmp_path / "slow", 0.9, metrics={"mean_recall": 0.9, "text_to_image/median_rank": 5.0})
    by_recall = leaderboard(".", cwd=tmp_path).stdout
    by_rank = leaderboard(".", "--metric", "text_to_image/median_rank", cwd=tmp_path).stdout
    assert by_recall.index("slow") < by_recall.index("quick")
    assert by_rank.index("quick") < by_rank.index("slow")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a folder of runs"),
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "no run below empty; python train.py makes one"),
        (["runs", "--metric", "mean_recal"], "did you mean 'mean_recall'?"),
        (["runs", "--json", "empty"], "--json empty is a folder"),
        (["runs", "--wandb", "project"], "ENTITY/PROJECT"),
    ],
)
def test_misuse_is_explained(tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    finished(tmp_path / "runs/a")
    outcome = leaderboard(*words, cwd=tmp_path)
    assert outcome.code == 1
    assert said in outcome.stderr


def test_without_a_network_it_says_how_to_publish_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    finished(tmp_path / "runs/a")
    outcome = leaderboard("runs", "--to-wandb", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "WANDB_MODE=offline" in outcome.stdout
    assert "scripts/leaderboard.py runs --to-wandb" in outcome.stdout
