"""The run folder: what a run leaves behind, and what it takes to make it again."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from xmr.core.errors import ConfigError, DataError, MissingFilesError, did_you_mean
from xmr.core.files import write_json, write_text
from xmr.pipelines.overrides import check_epochs, dotted_keys

VERSIONED = (
    "xmr",
    "torch",
    "torchvision",
    "pytorch-lightning",
    "transformers",
    "numpy",
    "hydra-core",
    "wandb",
)

CHANGED_BY_RESUME = (
    "trainer.max_epochs",
    "workers",
    "eval_batch_size",
    "paths.*",
    "data.path",
    "data.root",
    "data.image_root",
    "logger.*",
    "evaluation.panels.*",
)


class RunFolder:
    """`runs/<name>/<time>-<id>/`: the paths of what a run leaves behind, and their reading and writing."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.panels = self.path / "panels"
        self.config_file = self.path / "config.yaml"
        self.metrics_file = self.path / "metrics.csv"
        self.results_file = self.path / "results.json"
        self.test_touches_file = self.path / "test_touches.jsonl"

    @property
    def run_id(self) -> str:
        """The folder's name: time and id of the run."""
        return self.path.resolve().name

    def describe(self, config: DictConfig) -> None:
        """Write the resolved config, the command line, the commit and the environment."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.config_file, OmegaConf.to_yaml(config, resolve=True))
        write_json(self.path / "environment.json", environment())
        self._become_latest()

    def _become_latest(self) -> None:
        """Have the link `latest` beside this folder point to it, so that commands can name the newest run."""
        beside = self.path.parent / f".latest.{self.run_id}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(self.run_id)
        beside.replace(self.path.parent / "latest")

    def discard(self) -> None:
        """Remove what a run that never began has left: its log, and the folders that are empty then."""
        (self.path / "run.log").unlink(missing_ok=True)
        for folder in (self.path, self.path.parent):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def note_resume(self, config: DictConfig) -> None:
        """Write the config as changed, and add the resuming command and its environment to resumes.jsonl."""
        write_text(self.config_file, OmegaConf.to_yaml(config, resolve=True))
        _append_json(self.path / "resumes.jsonl", environment())

    def load_config(self) -> DictConfig:
        """The config that the run was started with; raises `MissingFilesError` when it is no run folder."""
        if not self.config_file.is_file():
            raise MissingFilesError(
                f"{self.path} is no run folder: it has no config.yaml; give one of runs/<name>/"
            )
        try:
            config = OmegaConf.load(self.config_file)
        except (YAMLError, OmegaConfBaseException, OSError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{self.config_file} can't be read ({reason}); is it damaged?") from error
        if not isinstance(config, DictConfig):
            raise DataError(f"{self.config_file} holds no settings; is it damaged?")
        return config

    def last_checkpoint(self) -> Path:
        """`last.ckpt`; raises `MissingFilesError` when the run never got so far."""
        path = self.checkpoints / "last.ckpt"
        if not path.is_file():
            raise MissingFilesError(
                f"{path} does not exist: the run stopped before its first checkpoint; start it anew"
            )
        return path

    def load_results(self) -> dict[str, Any]:
        """What results.json holds; raises `MissingFilesError` when the run has not finished."""
        if not self.results_file.is_file():
            raise MissingFilesError(
                f"{self.results_file} does not exist: finish the run with resume={self.path}"
            )
        return json.loads(self.results_file.read_text(encoding="utf-8"))

    def touch_test(self, entry: dict[str, Any]) -> int:
        """Note that the test split was evaluated; the number of times so far, this one included."""
        _append_json(self.test_touches_file, entry)
        return len(self.test_touches_file.read_text(encoding="utf-8").splitlines())


def resumed_config(folder: RunFolder, overrides: Sequence[str]) -> DictConfig:
    """The config of the run in `folder` with `overrides` (key=value) of what a resumed run may change.

    The rest of a run is in its checkpoint (weights, optimizer, schedule), where a new value would do nothing.
    """
    for override in overrides:
        key = override.partition("=")[0]
        if not any(fnmatch(key, pattern) for pattern in CHANGED_BY_RESUME):
            raise ConfigError(
                f"resume= keeps the settings of the run, and '{key}' is one of them; start a new run "
                f"(a resumed one may change {', '.join(CHANGED_BY_RESUME)})"
            )
    config = with_overrides(folder.load_config(), overrides)
    check_epochs(config, overrides)
    return config


def with_overrides(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """A copy of a stored `config` with values changed by `overrides` (key=value).

    Raises `ConfigError` for an unknown key, one that names a whole group, and a value that can't be read.
    """
    config = config.copy()
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"'{override}' is no key=value; write settings as key=value")
        known = dotted_keys(config)
        if key not in known:
            raise ConfigError(f"unknown setting '{key}'; {did_you_mean(key, known)}")
        if isinstance(OmegaConf.select(config, key), DictConfig):
            raise ConfigError(f"'{key}' is a group of settings; change the settings in it one by one")
        try:
            OmegaConf.update(config, key, OmegaConf.create(f"value: {value}").value)
        except (YAMLError, OmegaConfBaseException) as error:
            raise ConfigError(f"can't read the value of '{override}' ({error})") from error
    return config


def environment() -> dict[str, Any]:
    """The command line, commit, versions and machine, as JSON-able values."""
    import torch  # takes seconds, which reading a run's settings need not wait for

    return {
        "command": shlex.join(["python", *sys.argv]),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_changed_files": (_git("status", "--porcelain") or "").splitlines(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in VERSIONED},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def _append_json(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _git(*arguments: str) -> str | None:
    """What git says of the code's own checkout; None where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
