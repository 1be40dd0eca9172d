"""The run folder: what it records, what resuming may change, and what damage is called."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.pipelines.run_folder import RunFolder, resumed_config


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
    config = resumed_config(run.path, [f"resume={run.path}", "trainer.max_epochs=5"])
    assert config.seed == 3
    assert config.trainer.max_epochs == 5


@pytest.mark.parametrize(("override", "said"), [("loss=triplet", "none of them"), ("trainer=x", "exchange")])
def test_resuming_exchanges_no_parts(run: RunFolder, override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resumed_config(run.path, [override])


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
