"""A killed run goes on as if it had never stopped, through the real command line."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from tests.pipelines.running import command, run_script, script_here

SETTINGS = (
    "data=shapes",
    "data.size=120",
    "encoder/text=glove_gru",
    "encoder.text.dim=32",
    "model.freeze=[image_encoder]",
    "loss=triplet",
    "miner=random",
    "batch_size=8",
    "trainer.max_epochs=6",
    "trainer.log_every_n_steps=1",
    "evaluation.panels.queries=2",
    "logger=csv_only",
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def uninterrupted(workplace: Path) -> Path:
    outcome = script_here("train.py", *SETTINGS, "name=whole", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    return (workplace / "runs/whole/latest").resolve()


def interrupted(workplace: Path, name: str, signum: int) -> tuple[Path, int]:
    """Start a run, send `signum` once its first epoch is saved, and give its folder and exit code."""
    process = subprocess.Popen(
        command("train.py", *SETTINGS, f"name={name}", cwd=workplace),
        cwd=workplace,
        env=os.environ.copy(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    link = workplace / "runs" / name / "latest"
    deadline = time.monotonic() + 300
    while not (link / "checkpoints/last.ckpt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signum)
    return link.resolve(), process.wait(timeout=120)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def history(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
    ids=["kill", "term", "ctrl-c"],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    workplace: Path, uninterrupted: Path, signum: int, code: int
) -> None:
    run, exit_code = interrupted(workplace, f"stopped{signum}", signum)
    assert exit_code == code
    assert not (run / "results.json").exists(), "the run had finished before the signal: make it longer"

    resume = run_script if signum == signal.SIGKILL else script_here
    outcome = resume("train.py", f"resume={run}", cwd=workplace)

    assert outcome.code == 0, outcome.stderr
    expected, resumed = weights(uninterrupted), weights(run)
    assert expected.keys() == resumed.keys()
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert history(run) == history(uninterrupted)
    assert (run / "results.json").exists()
