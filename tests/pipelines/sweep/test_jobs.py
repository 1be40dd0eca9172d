"""Jobs of `-m` do not stop each other, share a machine fairly, and are all accounted for."""

import json
import os
import signal
import subprocess
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.pipelines.running import command, run_script, train_here
from xmr.core.errors import ConfigError
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.sweep import launchers as sweep_launchers
from xmr.pipelines.sweep.jobs import report
from xmr.pipelines.sweep.launchers import check_launcher, jobs_asked
from xmr.pipelines.sweep.machine import cores, shares, visible_gpus

TINY = (
    *("experiment=shapes", "data.size=40", "encoder/text=glove_mean", "model.dim=16", "batch_size=6"),
    *("trainer.max_epochs=1", "evaluation.panels.queries=1", "logger=csv_only"),
)


def notes_of(place: Path) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(place.glob("runs/*/sweep-*/*.json"))]


def test_a_failed_job_is_told_at_the_end_and_the_others_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("-m", *TINY, "name=three", "optimizer.lr=-1,0.001", "head.text.dropout=2,0.1")
    outcome = train_here(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert outcome.code == 1
    assert "Traceback" not in outcome.stderr
    assert "HYDRA_FULL_ERROR" not in outcome.stderr
    assert "HYDRA_FULL_ERROR" not in os.environ
    states = [(note["job"], note["state"]) for note in notes_of(tmp_path)]
    assert states == [
        ("optimizer.lr=-1 head.text.dropout=2", "failed"),
        ("optimizer.lr=-1 head.text.dropout=0.1", "failed"),
        ("optimizer.lr=0.001 head.text.dropout=2", "failed"),
        ("optimizer.lr=0.001 head.text.dropout=0.1", "finished"),
    ]
    end = outcome.stderr[outcome.stderr.index("4 jobs: 1 finished, 3 failed") :].splitlines()
    assert (
        "failed  optimizer.lr=-1 head.text.dropout=0.1: lr=-1, but it must be above 0; use a positive lr"
        in end
    )
    # one folder, of the job that ran, which W&B would show by its settings and with the others of the sweep
    (run,) = tmp_path.glob("runs/three/2*")
    assert (run / "results.json").is_file()
    wandb = OmegaConf.load(run / "config.yaml").logger.wandb
    assert wandb.name == "optimizer.lr=0.001 head.text.dropout=0.1"
    assert wandb.group.startswith("three-2")


def test_settings_that_do_not_fit_together_are_told_before_any_job_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("-m", *TINY, "loss=info_nce,triplet", "loss.temperature=0.1")
    outcome = train_here(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert outcome.code == 1
    assert "loss.temperature" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not notes_of(tmp_path)


def test_every_job_is_accounted_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    notes = tmp_path / "runs/toy/sweep-x"
    for number, state in enumerate(("finished", "failed", "stopped", "running")):
        (notes / f"../run{number}/checkpoints").mkdir(parents=True)
        (notes / f"../run{number}/checkpoints/last.ckpt").touch()
        about = {"job": f"seed={number}", "folder": f"runs/toy/run{number}", "state": state}
        notes.mkdir(exist_ok=True)
        (notes / f"{number:03d}.json").write_text(
            json.dumps({**about, "error": "no luck" if state == "failed" else None})
        )
    assert report(notes, 6) == 2
    said = capsys.readouterr().err
    assert "6 jobs: 1 finished, 1 failed, 1 stopped and saved, 1 died, 2 not begun" in said
    assert "failed  seed=1: no luck" in said
    assert "failed  seed=3: its process died" in said
    assert "python train.py resume=runs/toy/run2" in said
    assert "python train.py resume=runs/toy/run3" in said
    assert "python scripts/leaderboard.py runs/toy" in said


@pytest.mark.parametrize(
    ("words", "number", "slots"),
    [
        (["seed=0,1,2", "loss=info_nce,siglip"], 6, 1),
        (["seed=range(0,8)", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3"], 8, 3),
        (["seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3"], 2, 2),
        (["seed=range(0,500)", "hydra/launcher=joblib"], 500, cores()),
        (["seed=0,1,2,3", "hydra/launcher=submitit_local"], 4, 4),
        (["seed=0,1,2,3", "hydra/launcher=submitit_local", "hydra.sweeper.max_batch_size=2"], 4, 2),
        (["seed=0,1", "hydra/launcher=submitit_slurm"], 2, None),
        (["seed=0,1", "hydra/launcher=ray"], 2, None),
    ],
)
def test_how_many_jobs_run_side_by_side(words: list[str], number: int, slots: int | None) -> None:
    for word in words:
        if word.startswith("hydra/launcher="):
            pytest.importorskip(f"hydra_plugins.hydra_{word.partition('=')[2].partition('_')[0]}_launcher")
    register_resolvers()
    asked = jobs_asked(CONF, "train", ["-m", *words, "name=x"])
    assert (asked.number, asked.slots) == (number, slots)
    assert asked.swept == tuple(word.partition("=")[0] for word in words if not word.startswith("hydra"))
    assert asked.folder == Path("runs/x")


def test_runs_side_by_side_share_the_cores_and_take_gpus_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,3")
    assert visible_gpus() == ["GPU-a", "3"]
    environments = [shares(slot, 4, visible_gpus()) for slot in range(4)]
    assert [of["CUDA_VISIBLE_DEVICES"] for of in environments] == ["GPU-a", "3", "GPU-a", "3"]
    assert {of["OMP_NUM_THREADS"] for of in environments} == {str(max(1, cores() // 4))}
    # what the user has set stays
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OMP_NUM_THREADS" not in shares(0, 4, [])
    for none in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert visible_gpus() == []
        assert "CUDA_VISIBLE_DEVICES" not in shares(0, 4, visible_gpus())


def test_a_launcher_that_is_not_there_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(sweep_launchers, "version", missing)
    for launcher, extra in (("joblib", "sweep"), ("submitit_slurm", "sweep"), ("ray", "ray")):
        with pytest.raises(ConfigError, match=rf"launcher={launcher} .*pip install -e '\.\[{extra}\]'"):
            check_launcher(["-m", "seed=0,1", f"hydra/launcher={launcher}"])
    with pytest.raises(ConfigError, match="did you mean 'joblib'"):
        check_launcher(["hydra/launcher=jobib"])
    with pytest.raises(ConfigError, match=r"scripts/sweep\.py sweep=emoji_losses"):
        check_launcher(["sweep=emoji_losses"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
        ["hydra/launcher=submitit_local"],
        ["hydra/launcher=ray"],
    ],
)
def test_launchers_run_jobs_side_by_side(launcher: list[str], tmp_path: Path) -> None:
    name = launcher[0].partition("=")[2].partition("_")[0]
    pytest.importorskip(f"hydra_plugins.hydra_{name}_launcher")
    words = ("-m", *TINY, "name=many", "seed=0,1", "optimizer.lr=0.001,-1", *launcher)
    outcome = run_script("train.py", *words, cwd=tmp_path)
    assert outcome.code == 1, outcome.stderr
    assert "4 jobs: 2 finished, 2 failed" in outcome.stderr
    assert "failed  seed=1 optimizer.lr=-1: lr=-1" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    runs = [file.parent for file in tmp_path.glob("runs/many/2*/results.json")]
    assert len(runs) == 2
    groups = {OmegaConf.load(run / "config.yaml").logger.wandb.group for run in runs}
    assert len(groups) == 1
    for run in runs:
        assert json.loads((run / "environment.json").read_text())["torch_threads"] == 1  # tests set it


@pytest.mark.slow
def test_ctrl_c_keeps_finished_runs_and_says_how_to_go_on(tmp_path: Path) -> None:
    words = ("-m", *TINY, "name=long", "trainer.max_epochs=1,5000,7")
    process = subprocess.Popen(
        command("train.py", *words, cwd=tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while len(list(tmp_path.glob("runs/long/2*/checkpoints/last.ckpt"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "3 jobs: 1 finished, 1 stopped and saved, 1 not begun" in err
    stopped = next(note for note in notes_of(tmp_path) if note["state"] == "stopped")
    assert f"python train.py resume={stopped['folder']}" in err
    assert len(list(tmp_path.glob("runs/long/2*/results.json"))) == 1
