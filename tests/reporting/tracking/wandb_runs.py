"""Real runs of wandb for the tests, made offline by xmr's own calls in a process of their own.

python -m tests.reporting.tracking.wandb_runs FOLDER ID SEED LOSS HOW ...     (HOW: finished, stopped, live)
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.reporting.tracking.wandb_server import WandbServer
from xmr.core.files import write_json
from xmr.core.run_state import RunningMark
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import QueryResults, write_queries
from xmr.reporting.tracking import run as wandb_run

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "xmr-tests"
PROTOCOL = Protocol(data="emoji", data_fingerprint="abcd", split="val")
EPOCHS = 3
RECALL, RANK = "text_to_image/recall@1", "text_to_image/median_rank"
LOSSES = {"a": "InfoNCE", "b": "SigLIP"}
FINISHED = ("a1", "a2", "b1", "b2")


def isolate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """No W&B setting or key of this machine, and every file of W&B below `folder`."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(folder / "netrc"))
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(folder))


def finished_runs(root: Path) -> Path:
    """Four finished runs, two models with two seeds, in folders `root/runs/<id>`; made once for all tests.

    The first was stopped and resumed: it has two parts.
    """
    if not (root / "made").exists():
        parts = [("a1", "stopped"), *((run_id, "finished") for run_id in FINISHED)]
        runs = [(root / "runs" / id_, id_, id_[1], LOSSES[id_[0]], how) for id_, how in parts]
        make_runs(*(word for run in runs for word in run))
        (root / "made").touch()
    return root / "runs"


def make_runs(*words: str | Path, **environment: str) -> None:
    """Run this file, for FOLDER ID SEED LOSS HOW and so on."""
    quiet = {**os.environ, "WANDB_SILENT": "true", **environment}
    subprocess.run(_command(*words), cwd=ROOT, env=quiet, check=True, timeout=120)


def upload(server: WandbServer, runs: Path, *arguments: str) -> str:
    """`wandb sync` of every offline run below `runs`; what it said."""
    folders = sorted(map(str, runs.glob("*/wandb/offline-run-*")))
    command = [sys.executable, "-m", "wandb", "sync", *arguments, *folders]
    environment = {**os.environ, **server.environment()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout + done.stderr


@contextmanager
def connect(server: WandbServer, folder: Path) -> Iterator[None]:
    """This process as a client of `server`, with the files of W&B in `folder`."""
    import wandb

    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, folder)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        wandb.teardown()  # settings that an earlier test left in this process
        yield
        wandb.teardown()


def start_live_run(folder: Path, run_id: str) -> "subprocess.Popen[bytes]":
    """A run that logs and then waits, in a session of its own, so that it can be killed with all of wandb."""
    words = _command(folder, run_id, "1", "InfoNCE", "live")
    process = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 60
    # wandb writes when 32 KiB are full
    while sum(file.stat().st_size for file in folder.glob("wandb/*/*.wandb")) <= 32 * 1024:
        if time.monotonic() > deadline or process.poll() is not None:
            process.kill()
            raise TimeoutError("wandb wrote nothing")
        time.sleep(0.05)
    return process


def results(run_id: str, seed: int) -> dict:
    """What a run's results.json holds."""
    metrics = {"mean_recall": 0.3 + 0.01 * seed, RECALL: 0.25, RANK: 12.0}
    return {
        "schema_version": 3,
        "protocol": PROTOCOL.to_json(),
        "metrics": metrics,
        "intervals": {RECALL: [0.125, 0.5]},
        "seed": seed,
        "created": f"2026-11-22T12:00:0{seed}+00:00",
        "run": {"id": run_id, "name": "emoji"},
        "model": {"parameters": 100, "trained_parameters": 50},
        "cost": {"train_seconds": 1.5, "epochs": EPOCHS},
        "checkpoint": "checkpoints/best.ckpt",
        "epoch": EPOCHS,
    }


def config(seed: int, loss: str) -> dict:
    """The settings of a run."""
    return {
        "name": "emoji",
        "seed": seed,
        "loss": {"_target_": f"xmr.losses.{loss}", "temperature": 0.07},
        "head": {"dimension": 512, "dropout": 0.0},
        "trainer": {"max_epochs": EPOCHS},
        "data": {"path": "/somewhere/else"},
    }


def _command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "tests.reporting.tracking.wandb_runs", *map(str, words)]


def _train(folder: Path, run_id: str, seed: int, loss: str, how: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run = wandb_run.start_run(folder, mode="offline", project=PROJECT, name=run_id, config=config(seed, loss))
    prefix = f"{PROTOCOL.split}/{PROTOCOL.data}"
    wandb_run.log_protocol(run, PROTOCOL.to_json())
    wandb_run.define_metrics(run, [f"{prefix}/{name}" for name in ("mean_recall", RECALL, RANK)])
    for epoch in range(1, EPOCHS):
        # the first epoch is the best
        figures = {"mean_recall": 0.5 / epoch, RECALL: 0.5 / epoch, RANK: 10.0 * epoch}
        named = {f"{prefix}/{name}": value for name, value in figures.items()}
        run.log({**named, "epoch": epoch, wandb_run.STEP: 10 * epoch})
    if how == "stopped":
        wandb_run.finish(1)
        return
    if how == "live":
        mark = RunningMark(folder)
        for step in range(200):
            run.log({"train/loss": 1 / (step + 1), "note": "x" * 400, wandb_run.STEP: 1000 + step})
        time.sleep(100)
        mark.release()
    content = results(run_id, seed)
    write_json(folder / "results.json", content)
    hits = np.random.default_rng(seed).integers(0, 2, 8).astype(float)
    ids = np.array([f"q{number}" for number in range(len(hits))])
    nothing = ("",) * len(ids)
    of = QueryResults("text_to_image", ids, ids, nothing, nothing, {"recall@1": hits})
    write_queries(folder / "queries.parquet", {"text_to_image": of}, PROTOCOL)
    panel = folder / "panel.png"
    Image.new("RGB", (20, 10), "red").save(panel)
    wandb_run.log_panels(run, {"panels/text_to_image-random": panel}, 10 * EPOCHS)
    wandb_run.log_evaluation(run, folder, content)
    wandb_run.finish()


if __name__ == "__main__":
    for at in range(1, len(sys.argv), 5):
        where, run_id, number, *rest = sys.argv[at : at + 5]
        _train(Path(where), run_id, int(number), *rest)
