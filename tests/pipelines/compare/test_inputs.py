"""The models of a comparison are found by folder, group, evaluation; what does not compare is one error."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.evaluation.made_results import made_queries
from tests.pipelines.made_runs import PROTOCOL, made_models, made_run
from tests.pipelines.running import run_script, script_here
from xmr.core.errors import DataError, MissingFilesError, XmrError
from xmr.core.files import write_json
from xmr.evaluation.results_file import write_queries
from xmr.pipelines.compare.inputs import read_models


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user with two models of two seeds each."""
    monkeypatch.chdir(tmp_path)
    made_models(tmp_path)
    return tmp_path


def refused(*words: str, cwd: Path) -> str:
    """The one error message of scripts/compare.py."""
    outcome = script_here("scripts/compare.py", *words, cwd=cwd)
    assert outcome.code == 1, outcome.stdout
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.count("error:") == 1
    return outcome.stderr


def test_an_evaluation_is_found_by_its_name_or_split(runs: Path) -> None:
    for name in ("a0", "b0"):
        run = next(runs.glob(f"runs/*/{name}"))
        made_run(run / "evaluations/test-best", split="test", skill=0.7, seed=len(name))
        (run / "evaluations/test-best/config.yaml").unlink()
    one, other = (f"runs/{name[0]}/{name}" for name in ("a0", "b0"))
    results = json.loads((runs / other / "evaluations/test-best/results.json").read_text())
    write_json(
        runs / other / "evaluations/test-best/results.json", {**results, "run": {"id": "b0", "name": "b"}}
    )
    for evaluation in ("test", "test-best"):
        a, _ = read_models(one, other, evaluation=evaluation)
        assert a.runs[0].protocol.split == "test"
        assert a.runs[0].config.seed == 0, "the run's own config"
    a, _ = read_models(f"{one}/evaluations/test-best", f"{other}/evaluations/test-best/results.json")
    assert a.runs[0].config.seed == 0
    with pytest.raises(DataError, match="split: 'test' and 'val'"):
        read_models(f"{one}/evaluations/test-best", other)
    shutil.copytree(runs / one / "evaluations/test-best", runs / one / "evaluations/test-last")
    with pytest.raises(MissingFilesError, match="fits test-best, test-last"):
        read_models(one, other, evaluation="test")
    with pytest.raises(MissingFilesError, match="it has test-best, test-last"):
        read_models(one, other, evaluation="val")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def other_fingerprint(run: Path) -> None:
    made_run(run, data_fingerprint="xyz")


def other_schema(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    write_json(run / "results.json", {**results, "schema_version": 2})


def no_number(run: Path) -> None:
    text = (run / "results.json").read_text()
    (run / "results.json").write_text(
        re.sub(r'"text_to_image/mAP": [\d.]+', '"text_to_image/mAP": NaN', text)
    )


def copied(run: Path) -> None:
    shutil.rmtree(run)
    shutil.copytree(run.parent.parent / "a/a0", run)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (shutil.rmtree, "runs/b/b0 does not exist"),
        (
            lambda run: (run / "queries.parquet").unlink(),
            "scripts/evaluate.py checkpoint=runs/b/b0 split=val",
        ),
        (lambda run: (run / "results.json").unlink(), "finish the run with train.py resume=runs/b/b0"),
        (lambda run: cut(run / "results.json"), "half-written"),
        (lambda run: cut(run / "queries.parquet"), "no whole Parquet file"),
        (lambda run: [path.unlink() for path in run.iterdir()], "no run folder"),
        (other_fingerprint, "data_fingerprint: 'abc' and 'xyz'"),
        (other_schema, "schema version 2"),
        (no_number, "NaN"),
        (copied, "one checkpoint of run a0"),
        (lambda run: (run / "config.yaml").write_text("a: [1,"), "is it damaged?"),
    ],
)
def test_what_does_not_compare_is_one_error(runs: Path, harm, said: str) -> None:
    harm(runs / "runs/b/b0")
    assert said in refused("runs/a/a0", "runs/b/b0", cwd=runs)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("runs/a/a0", "runs/a/a0", "named twice"),
        ("runs/a/a1", "runs/a/latest", "named twice"),
        ("runs/a", "runs/b/b0,runs/a/a1", "named twice"),
        ("runs/a", "runs/a/a0", "named twice"),
        ("runs/a/a0,runs/b/b0", "runs/b/b1", "differ in more than their seed: loss.margin is 0.0 and 1.5"),
        ("runs/a,runs/twice/again", "runs/b", "both have seed 0: they are one"),
        ("runs", "runs/b/b1", "runs is no run folder and holds none"),
        ("runs/a/a0", "", "''"),
    ],
)
def test_runs_that_are_named_wrongly(runs: Path, a: str, b: str, said: str) -> None:
    made_run(runs / "runs/twice/again", skill=0.1, config={"loss": {"margin": 0.0}})
    with pytest.raises(XmrError, match=re.escape(said)):
        read_models(a, b)


def test_queries_that_differ_are_counted_with_examples(runs: Path) -> None:
    fewer = made_queries(items=10, texts=2, labels=False)
    write_queries(runs / "runs/b/b0/queries.parquet", fewer, PROTOCOL)
    assert "2 are A's alone ('i10', 'i11')" in refused("runs/a/a0", "runs/b/b0", cwd=runs)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--html", "runs"), "--html runs is a folder"),
        (("--json", "runs"), "--json runs is a folder"),
        (("--set", "data.path=x"), "add one of them"),
        (("--wandb",), "W&B is disabled"),
    ],
)
def test_what_cannot_be_written_is_said_at_once(
    runs: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert said in refused("runs/a/a0", "runs/b/typo", *words, cwd=runs)


def test_a_typo_is_answered_without_torch(runs: Path) -> None:
    timed = {"PYTHONPROFILEIMPORTTIME": "1"}
    outcome = run_script("scripts/compare.py", "runs/a/a0", "runs/b/typo", cwd=runs, **timed)
    assert outcome.code == 1
    assert "runs/b/typo does not exist" in outcome.stderr
    imported = {line.rpartition("|")[2].strip() for line in outcome.stderr.splitlines()}
    assert "xmr.pipelines.compare.inputs" in imported
    assert not imported & {"torch", "pytorch_lightning", "wandb", "pandas"}


def test_another_checkpoint_is_another_model(runs: Path) -> None:
    file = runs / "runs/a/a1/results.json"
    write_json(file, {**json.loads(file.read_text()), "checkpoint": "checkpoints/last.ckpt"})
    with pytest.raises(DataError, match=r"checkpoint is checkpoints/best\.ckpt and checkpoints/last\.ckpt"):
        read_models("runs/a", "runs/b")


def test_runs_of_other_settings_in_folders_of_one_name_compare(runs: Path) -> None:
    made_run(runs / "other/a0", skill=0.3, config={"loss": {"margin": 9.0}})
    a, b = read_models("runs/a/a0", "other/a0")
    assert (len(a.runs), len(b.runs)) == (1, 1)
