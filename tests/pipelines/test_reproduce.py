"""A reproduction runs what is left to run, keeps what is done, and says what failed."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.pipelines.running import command, run_script, script_here
from xmr.core.errors import XmrError
from xmr.data.shapes import load_shapes
from xmr.pipelines import reproduction_runs
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.overrides import check_overrides
from xmr.pipelines.reproduction_runs import Experiment, SeedRun, error_of

# keeps to what train.py does with a run folder: the link, the checkpoint, the signal, resume=
STAND_IN = """
import json, os, signal, sys, time
from pathlib import Path

settings = dict(word.split("=", 1) for word in sys.argv[1:])
if settings.get("seed") == "13":
    print("warning: an old file", file=sys.stderr)
    sys.exit("error: data.path=x does not exist; give another")
if "resume" in settings:
    (Path(settings["resume"]) / "results.json").write_text("{}")
    sys.exit()
place = Path(settings["hydra.run.dir"].removeprefix("${run_dir:").removesuffix("}").replace(",", "/"))
run = place / str(time.time_ns())
(run / "checkpoints").mkdir(parents=True)

def save(signum, frame):
    with (run / "signals").open("a") as file:
        file.write(f"{signum}\\n")
    (run / "checkpoints/last.ckpt").touch()
    sys.exit(130)

signal.signal(signal.SIGINT, save)
(run / "metrics.csv").write_text("step,epoch,train/loss\\n0,0.0,\\n4,2.0,1.5\\n5,3.")
(place / "latest").symlink_to(run.name)
time.sleep(60 if settings.get("seed") == "1" else 0)
"""


def seed_run(*settings: str, seed: int = 0, split: str = "val") -> SeedRun:
    register_resolvers()
    config = check_overrides(CONF, "train", ["experiment=shapes", *settings])
    return SeedRun(Experiment("shapes", tuple(settings), config), seed, split)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A train.py that learns nothing, and the current folder beside it."""
    (tmp_path / "train.py").write_text(STAND_IN)
    monkeypatch.setattr(reproduction_runs, "CONF", tmp_path / "conf")
    monkeypatch.setattr(reproduction_runs, "POLL_SECONDS", 0.05)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begin(run: SeedRun, *files: str) -> None:
    """A run folder with `files`, as `latest` of the run."""
    folder = run.place / "20260101-000000-abcdef"
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{}")
    (run.place / "latest").symlink_to(folder.name)


def test_what_is_left_to_do_is_told_by_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fresh, early, stopped, done, tested = (seed_run(seed=seed, split="test") for seed in range(5))
    begin(early, "config.yaml")
    begin(stopped, "config.yaml", "checkpoints/last.ckpt")
    stopped.folder.config_file.write_text(OmegaConf.to_yaml(stopped.experiment.config, resolve=True))
    begin(done, "results.json", "checkpoints/last.ckpt")
    begin(tested, "results.json", "evaluations/test-best/results.json")
    for run in (fresh, early):
        words = run.next_command()
        assert words is not None
        assert words[:3] == ["train.py", "experiment=shapes", f"seed={run.seed}"]
        assert str(run.place.parent) in words[-1]
    assert stopped.next_command() == ["train.py", f"resume={stopped.place}/latest"]
    assert done.next_command() == ["scripts/evaluate.py", f"checkpoint={done.place}/latest", "split=test"]
    assert tested.next_command() is None
    assert seed_run(seed=3, split="val").next_command() is None


def test_runs_are_found_again_by_their_settings() -> None:
    settings = ("data.size=30", "trainer.max_epochs=2")
    run = seed_run(*settings)
    assert run.place == seed_run(*reversed(settings)).place
    assert run.place.parent == seed_run(*settings, seed=1).place.parent
    assert run.place != seed_run(*settings, seed=1).place
    assert run.place != seed_run("data.size=31", "trainer.max_epochs=2").place
    assert seed_run("paths.runs=elsewhere").place.parts[0] == "elsewhere"


def test_a_run_made_before_the_experiment_changed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = seed_run("data.size=30", seed=2)
    begin(run, "results.json")
    run.folder.config_file.write_text(OmegaConf.to_yaml(run.experiment.config, resolve=True))
    assert run.changed_settings() == []
    then = run.folder.load_config()
    then.merge_with({"optimizer": {"lr": 9}, "seed": 2, "callbacks": {"gone": {"every": 5}}})
    run.folder.config_file.write_text(OmegaConf.to_yaml(then))
    assert {"optimizer.lr", "callbacks.gone.every"} <= set(run.changed_settings())
    assert "seed" not in run.changed_settings()


def test_a_stopped_run_of_an_experiment_that_has_changed_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = seed_run()
    begin(run, "config.yaml", "checkpoints/last.ckpt")
    then = OmegaConf.create(OmegaConf.to_container(run.experiment.config, resolve=True))
    then.merge_with({"optimizer": {"lr": 9}})
    run.folder.config_file.write_text(OmegaConf.to_yaml(then))
    words = run.next_command()
    assert words is not None
    assert words[1] == "experiment=shapes"


def test_the_shown_command_makes_all_seeds() -> None:
    experiment = seed_run("data.size=30").experiment
    assert experiment.command(1) == "python train.py experiment=shapes data.size=30 seed=0"
    assert experiment.command(3) == "python train.py experiment=shapes data.size=30 seed=0,1,2 -m"


def test_an_interrupted_run_saves_once_and_goes_on_later(stand_in: Path) -> None:
    run, states = seed_run("trainer.max_epochs=4", seed=1), []

    def interrupt(state: str) -> None:
        states.append(state)
        if state.startswith("epoch"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.bring_to_end(interrupt)
    folder = run.folder.path
    assert (folder / "signals").read_text().split() == [str(int(signal.SIGINT))]
    assert "epoch 2 of 4" in states, "a row that is half written does not count"

    run.bring_to_end(states.append)
    assert run.next_command() is None
    assert run.folder.path.resolve() == folder.resolve()
    commands = [line for line in run.log.read_text().splitlines() if line.startswith("$ python")]
    assert len(commands) == 2
    assert commands[1] == f"$ python train.py resume={folder}"


def test_a_failed_run_tells_its_error_and_keeps_its_log(stand_in: Path) -> None:
    run = seed_run(seed=13)
    with pytest.raises(XmrError, match=r"^data.path=x does not exist; give another$"):
        run.bring_to_end(lambda state: None)
    assert "an old file" in run.log.read_text()


def test_a_command_that_leaves_no_results_is_not_repeated_for_ever(stand_in: Path) -> None:
    run = seed_run()
    with pytest.raises(XmrError, match="left no results"):
        run.bring_to_end(lambda state: None)
    assert len(list(run.place.glob("[0-9]*"))) == 1


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("error: first\nTraining\nerror: k=9 > 5; use 5\n", "k=9 > 5; use 5"),
        (
            "Traceback\n  File\nRuntimeError: out of memory\n\n",
            "exit code 1; last line: RuntimeError: out of memory",
        ),
        ("\n", "exit code 1; it printed nothing"),
    ],
)
def test_the_error_of_a_command(output: str, said: str) -> None:
    assert error_of(1, output) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shape"], "did you mean 'shapes'?"),
        (["shapes", "--data", "dta=table"], "did you mean 'data'?"),
        (["shapes", "--set", "seed=4"], "--seeds"),
        (["shapes", "--seeds", "0"], "seeds=0"),
        (["shapes", "--set", "published={source: a}"], "published.data is missing"),
    ],
)
def test_mistakes_are_told_before_anything_runs(words: list[str], said: str, tmp_path: Path) -> None:
    outcome = script_here("scripts/reproduce.py", *words, cwd=tmp_path)
    assert outcome.code == 1
    assert said in outcome.stderr
    assert not list(tmp_path.iterdir())


FIGURES = "published={source: nobody, data: shapes, split: test, metrics: {text_to_image/recall@1: 0.5}}"
WORDS = (
    "scripts/reproduce.py",
    *("shapes", "--data", "data.size=30", "--set", "encoder/text=glove_mean", "model.dim=16"),
    *("batch_size=4", "trainer.max_epochs=20", "evaluation.panels.queries=1", "logger=csv_only", FIGURES),
    *("--seeds", "2", "--json", "rows.json", "--markdown", "table.md"),
)


@pytest.mark.slow
def test_a_stopped_reproduction_goes_on_and_ends_in_a_table(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(*WORDS, "--split", "test", cwd=tmp_path),
        cwd=tmp_path,
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("runs/reproductions/shapes/*/seed0/latest/checkpoints/last.ckpt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "– (0 of 2)" in out
    (first,) = tmp_path.glob("runs/reproductions/shapes/*/seed0/latest")
    assert not (first / "results.json").exists(), "the run had finished before the signal: make it longer"

    outcome = run_script(*WORDS, "--split", "test", cwd=tmp_path)
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert "resume=" in (first.parent / "output.log").read_text()
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["training_items"] == sum(item.split == "train" for item in load_shapes(size=30).items)
    assert row["not_as_published"] is None
    assert row["difference"] == pytest.approx(row["measured"]["mean"] - 0.5)
    for seed, folder in row["run_folders"].items():
        results = json.loads((tmp_path / folder / "evaluations/test-best/results.json").read_text())
        assert results["metrics"]["text_to_image/recall@1"] == row["measured"]["by_seed"][seed]
    assert "| shapes | text_to_image/recall@1 | 50.0 |" in (tmp_path / "table.md").read_text()

    # on the val split the same runs answer, without training, and are not compared with figures of test
    again = run_script(*WORDS, cwd=tmp_path, timeout=60)
    assert again.code == 0, again.stderr
    assert "not the split of the published figures: val, not test" in again.stdout
    assert "difference" not in again.stdout
    assert len(list(tmp_path.glob("runs/reproductions/shapes/*/seed*/2*"))) == 2


@pytest.mark.slow
def test_a_failed_run_is_listed_and_the_others_go_on(tmp_path: Path) -> None:
    outcome = run_script(
        "scripts/reproduce.py",
        *("vsepp", "shapes", "--data", "data=table", "data.path=missing.csv"),
        *("--seeds", "1", "--json", "rows.json"),
        cwd=tmp_path,
    )
    assert outcome.code == 1
    failures = json.loads((tmp_path / "rows.json").read_text())["failures"]
    assert [failure["experiment"] for failure in failures] == ["vsepp", "shapes"]
    for failure in failures:
        assert "missing.csv" in failure["error"]
        assert "missing.csv" in (tmp_path / failure["log"]).read_text()
        assert f"failed: {failure['experiment']}, seed 0: {failure['error']}" in outcome.stdout
