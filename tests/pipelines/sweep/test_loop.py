"""A sweep runs each trial to its end, once, whatever happens to those who work on it."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pipelines.running import command, run_script
from tests.pipelines.sweep.stand_in import prepare, start_sweep, stop_sweeps

pytest.importorskip("optuna", reason="sweeps need Optuna: pip install -e '.[sweep]'")

GRID = {(loss, seed) for loss in ("info_nce", "siglip", "triplet") for seed in (0, 1)}


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Path]:
    prepare(tmp_path)
    yield tmp_path
    stop_sweeps()


def runs_of(place: Path, name: str = "toys") -> list[Path]:
    files = place.glob(f"runs/sweeps/{name}/*/config.yaml")
    return sorted(file.parent for file in files if file.parent.name != "latest")


def settings_of(run: Path) -> dict:
    return json.loads((run / "config.yaml").read_text())


def commands_of(run: Path) -> list[str]:
    return [line for line in (run / "output.log").read_text().splitlines() if line.startswith("$ python")]


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def end(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    return out, err


def test_a_grid_is_run_once_by_two_processes_and_nothing_is_left_for_a_third(toys: Path) -> None:
    first, second = start_sweep(toys, "workers=2", "workers=2"), start_sweep(toys)
    outputs = [end(first)[0], end(second)[0]]
    runs = runs_of(toys)
    assert sorted((settings_of(run)["loss"], settings_of(run)["seed"]) for run in runs) == sorted(GRID)
    assert [run.name[:4] for run in runs] == [f"{number:03d}-" for number in range(6)]
    # both return when all is done, and show all of it
    for out in outputs:
        assert "6 of 6 trials finished" in out
        assert re.search(r"best +trial \d: 30\.30 %, loss=info_nce seed=1", out)
        assert "python scripts/leaderboard.py runs/sweeps/toys --html" in out
    out, err = end(start_sweep(toys))
    assert "6 of 6 trials finished" in out
    assert "runs:" not in err
    assert len(runs_of(toys)) == 6


def test_a_killed_sweep_goes_on_with_the_trials_in_their_folders(toys: Path) -> None:
    (toys / "GO").unlink()
    process = start_sweep(toys, "workers=2")
    wait_for(lambda: len(list(toys.glob("runs/sweeps/toys/*/checkpoints/last.ckpt"))) == 2, process)
    process.kill()
    process.communicate()
    folders = [run.name for run in runs_of(toys)]
    # one run dies with the sweep, the other one goes on without it
    killed, alive = (toys / "runs/sweeps/toys" / name for name in folders)
    assert kill_run(killed)

    process = start_sweep(toys, "workers=2")
    wait_for(lambda: len(commands_of(killed)) == 2, process)
    (toys / "GO").touch()
    end(process)
    runs = runs_of(toys)
    assert sorted((settings_of(run)["loss"], settings_of(run)["seed"]) for run in runs) == sorted(GRID)
    assert {killed, alive} <= set(runs)
    assert commands_of(killed)[1] == f"$ python train.py resume={killed.relative_to(toys)}"
    assert len(commands_of(alive)) == 1
    epochs = [line.split(",")[1] for line in (killed / "metrics.csv").read_text().splitlines()[1::2]]
    assert epochs == ["0.0", "1.0", "2.0", "3.0"]


def kill_run(run: Path) -> bool:
    """Kill the process of a run, found by its command line; False when it has ended."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
        except OSError:  # the process has ended
            continue
        if b"train.py" in words and run.name.encode() in words:
            os.kill(int(file.parent.name), signal.SIGKILL)
            return True
    return False


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_has_its_runs_save_and_keeps_what_is_finished(
    toys: Path, signum: signal.Signals
) -> None:
    (toys / "GO").unlink()
    process = start_sweep(toys)
    wait_for(lambda: list(toys.glob("runs/sweeps/toys/*/checkpoints/last.ckpt")), process)
    process.send_signal(signum)
    out, _ = end(process, 128 + signum)
    (run,) = runs_of(toys)
    assert (run / "signals").read_text().split() == [str(int(signal.SIGTERM))]
    assert "0 of 6 trials finished, 1 running" in out

    (toys / "GO").touch()
    out, _ = end(start_sweep(toys, "workers=3"))
    assert "6 of 6 trials finished" in out
    assert commands_of(run)[1] == f"$ python train.py resume={run.relative_to(toys)}"


def test_a_failed_trial_is_told_at_the_end_with_its_error_and_can_be_run_again(toys: Path) -> None:
    words = ("space.seed=[0,13]", "workers=3", "name=unlucky")
    out, err = end(start_sweep(toys, *words), 1)
    assert "3 of 6 trials finished, 3 failed" in out
    for loss in ("info_nce", "siglip", "triplet"):
        assert f"loss={loss} seed=13: seed=13 brings bad luck; use another" in out
    assert err.count("brings bad luck") == 3
    # it is not tried again unasked, and still told
    out, err = end(start_sweep(toys, *words), 1)
    assert "runs:" not in err
    assert "3 failed" in out

    train = toys / "train.py"
    train.write_text(train.read_text().replace('settings.get("seed") == 13', "False"))
    out, _ = end(start_sweep(toys, *words, "--retry-failed"))
    assert "6 of 6 trials finished" in out
    assert "failed" not in out
    assert len(runs_of(toys, "unlucky")) == 6


def test_runs_that_lag_behind_are_stopped_early(toys: Path) -> None:
    out, _ = end(
        start_sweep(
            toys,
            "space.loss=[info_nce,siglip,triplet]",
            "space.seed=[0]",
            "pruner={name: median, startup_trials: 1, warmup_epochs: 2}",
            "trainer.max_epochs=40",
            "name=pruned",
            pace=0.05,
        )
    )
    assert "1 of 3 trials finished, 2 stopped early" in out
    for run in runs_of(toys, "pruned"):
        epochs = int((run / "checkpoints/last.ckpt").read_text())
        if settings_of(run)["loss"] == "info_nce":
            assert epochs == 40
        else:
            # not in the first two epochs, and not at the end: it asked to be told when it may save
            assert 3 <= epochs < 40
            assert (run / "signals").exists()
            assert not (run / "results.json").exists()


REAL = (
    *(
        "scripts/sweep.py",
        "sweep=emoji_losses",
        "space.loss=[info_nce,siglip]",
        "space.seed=[0,1]",
        "name=real",
    ),
    *("experiment=shapes", "data.size=30", "encoder/text=glove_mean", "model.dim=16", "batch_size=4"),
    *("trainer.max_epochs=40", "evaluation.panels.queries=1", "logger=csv_only"),
)


@pytest.mark.slow
def test_real_runs_of_a_killed_sweep_go_on_to_the_bit(tmp_path: Path) -> None:
    process = subprocess.Popen(command(*REAL, cwd=tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: list(tmp_path.glob("runs/sweeps/real/*/checkpoints/last.ckpt")), process)
    process.kill()
    process.communicate()
    (run,) = runs_of(tmp_path, "real")
    killed = kill_run(run)
    outcome = run_script(*REAL, "workers=2", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "4 of 4 trials finished" in outcome.stdout
    assert len(runs_of(tmp_path, "real")) == 4
    if killed:
        assert "resume=" in commands_of(run)[-1]
    # what a run of its own gives
    words = shlex.split(commands_of(run)[0])[2:]
    alone = [word for word in words if not word.startswith(("hydra.run.dir", "name", "+logger"))]
    assert run_script(*alone, "name=alone", cwd=tmp_path).code == 0
    found, expected = (
        json.loads((folder / "results.json").read_text())["metrics"]
        for folder in (run, tmp_path / "runs/alone/latest")
    )
    assert found == expected


@pytest.mark.slow
def test_ray_runs_trials_and_stops_those_that_lag_behind(toys: Path) -> None:
    pytest.importorskip("ray")
    process = start_sweep(
        toys,
        *("engine=ray", "workers=2", "space.seed=[0,13]", "pruner={name: median, startup_trials: 1}"),
        *("trainer.max_epochs=60", "name=rays"),
        pace=0.05,
    )
    out, _ = end(process, 1)
    assert "3 failed" in out
    assert "seed=13 brings bad luck" in out
    assert (
        "1 of 6 trials finished, 2 stopped early" in out or "2 of 6 trials finished, 1 stopped early" in out
    )
    assert len(runs_of(toys, "rays")) == 6
