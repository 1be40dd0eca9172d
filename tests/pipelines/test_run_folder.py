"""The run folder: what it records, what resuming may change, and what damage is called."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.pipelines.evaluate import note_use
from xmr.pipelines.run_folder import RunFolder, resumed_config, with_overrides


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs/toy/one")
    folder.describe(OmegaConf.create({"seed": 3, "trainer": {"max_epochs": 2}, "double": "${seed}"}))
    return folder


def test_config_is_resolved_and_the_environment_recorded(run: RunFolder) -> None:
    assert run.load_config() == {"seed": 3, "trainer": {"max_epochs": 2}, "double": 3}
    recorded = json.loads((run.path / "environment.json").read_text())
    assert recorded["packages"]["torch"]
    assert recorded["command"].startswith("python ")


def test_latest_points_to_the_newest_run(run: RunFolder) -> None:
    latest = run.path.parent / "latest"
    assert latest.resolve() == run.path
    newer = RunFolder(run.path.parent / "two")
    newer.describe(OmegaConf.create({}))
    assert latest.resolve() == newer.path


def test_resuming_takes_the_runs_settings_and_changes_values(run: RunFolder) -> None:
    config = resumed_config(run, ["trainer.max_epochs=5"])
    assert config.seed == 3
    assert config.trainer.max_epochs == 5


def test_resuming_a_run_of_stages_takes_no_other_number_of_epochs(run: RunFolder) -> None:
    run.describe(OmegaConf.create({"trainer": {"max_epochs": 2}, "stages": [{"name": "I", "epochs": 4}]}))
    with pytest.raises(ConfigError, match="beside stages"):
        resumed_config(run, ["trainer.max_epochs=5"])


@pytest.mark.parametrize("override", ["loss=triplet", "optimizer.lr=1", "seed=4", "trainer=x"])
def test_resuming_refuses_what_the_checkpoint_holds(run: RunFolder, override: str) -> None:
    with pytest.raises(ConfigError, match="start a new run"):
        resumed_config(run, [override])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.max_epoch=1", "did you mean 'trainer.max_epochs'"),
        ("trainer=x", "one by one"),
        ("seed", "key=value"),
        ("seed=a: b: c", "can't read the value"),
    ],
)
def test_bad_overrides_are_explained(run: RunFolder, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        with_overrides(run.load_config(), [override])


def test_discarding_keeps_what_others_put_there(run: RunFolder, tmp_path: Path) -> None:
    (run.path / "run.log").write_text("log")
    run.discard()
    assert run.config_file.exists()
    assert not (run.path / "run.log").exists()
    empty = RunFolder(tmp_path / "runs/other/one")
    empty.path.mkdir(parents=True)
    empty.discard()
    assert not empty.path.parent.exists()


def test_what_is_missing_is_named(tmp_path: Path, run: RunFolder) -> None:
    with pytest.raises(MissingFilesError, match="no run folder"):
        RunFolder(tmp_path).load_config()
    with pytest.raises(MissingFilesError, match="before its first checkpoint"):
        run.last_checkpoint()
    with pytest.raises(MissingFilesError, match="resume="):
        run.load_results()


def test_test_touches_are_counted(run: RunFolder) -> None:
    assert run.touch_test({"checkpoint": "best.ckpt"}) == 1
    assert run.touch_test({"checkpoint": "best.ckpt"}) == 2


def test_each_look_at_the_test_split_is_noted_and_the_second_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = tmp_path / "run/checkpoints/best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    told: list[str] = []
    for split in ("val", "test", "val", "test"):
        note_use(split, checkpoint, "f00d", tell=told.append)
    lines = (tmp_path / "run/test_touches.jsonl").read_text().splitlines()
    assert [json.loads(line)["data_fingerprint"] for line in lines] == ["f00d"] * 2
    assert len(told) == 1
    assert "2 times" in told[0]
