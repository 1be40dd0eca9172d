"""The run folder: what a run leaves behind, and what it takes to make it again."""

import json
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.files import write_json, write_text

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
        beside.symlink_to(self.run_id)
        beside.replace(self.path.parent / "latest")

    def load_config(self) -> DictConfig:
        """The config that the run was started with; raises `MissingFilesError` when it is no run folder."""
        if not self.config_file.is_file():
            raise MissingFilesError(
                f"{self.path} is no run folder: it has no config.yaml; give one of runs/<name>/"
            )
        config = OmegaConf.load(self.config_file)
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
        with self.test_touches_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return len(self.test_touches_file.read_text(encoding="utf-8").splitlines())


def resumed_config(folder: Path | str, overrides: list[str]) -> DictConfig:
    """The config of the run in `folder` with the command line's `overrides` (key=value) on top."""
    config = RunFolder(folder).load_config()
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "resume":
            continue
        if OmegaConf.is_missing(config, key) or OmegaConf.select(config, key, default=OmegaConf) is OmegaConf:
            raise ConfigError(
                f"resume= keeps the run's own settings; '{override}' is none of them: leave it out"
            )
        if OmegaConf.is_dict(OmegaConf.select(config, key)):
            raise ConfigError(f"resume= can't exchange '{key}'; start a new run for that")
        OmegaConf.update(config, key, OmegaConf.create(f"value: {value}").value)
    return config


def environment() -> dict[str, Any]:
    """The command line, commit, versions and machine, as JSON-able values."""
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


def _git(*arguments: str) -> str | None:
    """What git says of the code's own checkout; None where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
