"""The runs of a reproduction: where each lies, what is left to do for it, and doing that by train.py."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import XmrError
from xmr.core.files import fingerprint
from xmr.pipelines.cli import CONF
from xmr.pipelines.run_folder import RunFolder

POLL_SECONDS = 1.0
TAIL_BYTES = 4096


@dataclass(frozen=True)
class Experiment:
    """An experiment, the overrides (key=value) that it is run with, and the config that they give."""

    name: str
    settings: tuple[str, ...]
    config: DictConfig

    @property
    def place(self) -> Path:
        """Where its runs go: the same overrides lead to the same folder, whatever their order."""
        overrides = fingerprint(sorted(self.settings))[:8]
        return Path(self.config.paths.runs) / "reproductions" / self.name / overrides

    @property
    def epochs(self) -> int:
        """How many epochs a run has at most."""
        if self.config.stages:
            return sum(stage.epochs for stage in self.config.stages)
        return self.config.trainer.max_epochs

    def command(self, seeds: int) -> str:
        """The command line that trains with seeds 0 to `seeds` - 1."""
        words = ["python", "train.py", f"experiment={self.name}", *self.settings]
        return shlex.join(
            [*words, f"seed={','.join(map(str, range(seeds)))}", *(["-m"] if seeds > 1 else [])]
        )


@dataclass(frozen=True)
class SeedRun:
    """The run of an experiment with one seed, scored on `split`."""

    experiment: Experiment
    seed: int
    split: str

    @property
    def place(self) -> Path:
        """What holds the run's folder, the link `latest` to it, and the log."""
        return self.experiment.place / f"seed{self.seed}"

    @property
    def log(self) -> Path:
        """What the commands have printed."""
        return self.place / "output.log"

    @property
    def folder(self) -> RunFolder:
        """The run's folder by its link; before training has begun there is none."""
        return RunFolder(self.place / "latest")

    @property
    def results_file(self) -> Path:
        """The results of the split."""
        if self.split == "val":
            return self.folder.results_file
        return self.folder.path / "evaluations" / f"{self.split}-best" / "results.json"

    def next_command(self) -> list[str] | None:
        """The script and its arguments that bring the run further; None when it is done.

        A run that stopped before its first checkpoint, or whose experiment has changed since, is started
        anew, in a folder of its own.
        """
        folder = self.folder
        if folder.results_file.is_file():
            if self.results_file.is_file():
                return None
            return ["scripts/evaluate.py", f"checkpoint={folder.path}", f"split={self.split}"]
        # without its config.yaml, train.py says what is missing
        same = not folder.config_file.is_file() or not self.changed_settings()
        if (folder.checkpoints / "last.ckpt").is_file() and same:
            return ["train.py", f"resume={folder.path}"]
        name, settings = self.experiment.name, self.experiment.settings
        where = f"hydra.run.dir=${{run_dir:{self.place.parent},{self.place.name}}}"
        return ["train.py", f"experiment={name}", *settings, f"seed={self.seed}", where]

    def changed_settings(self) -> list[str]:
        """The settings that the run had otherwise than the experiment has them now."""
        then, now = _flat(self.folder.load_config()), _flat(self.experiment.config)
        changed = {key for key in {*then, *now} if key not in then or key not in now or then[key] != now[key]}
        return sorted(key for key in changed if key.split(".")[0] not in ("seed", "published"))

    def bring_to_end(self, tell: Callable[[str], None]) -> None:
        """Do what is left, saying to `tell` how far it is; raises `XmrError` with a command's error."""
        before = None
        while (words := self.next_command()) is not None:
            if words == before:
                raise XmrError(f"python {shlex.join(words)} left no results")
            self._run(words, tell)
            before = words

    def _run(self, words: list[str], tell: Callable[[str], None]) -> None:
        """A script of the repository in a process of its own, its output added to the log."""
        self.place.mkdir(parents=True, exist_ok=True)
        with self.log.open("a+b") as log:
            log.write(f"$ python {shlex.join(words)}\n".encode())
            log.flush()
            start = log.tell()
            process = subprocess.Popen(
                [sys.executable, str(CONF.parent / words[0]), *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # a terminal's Ctrl-C would reach the run as well as the signal below, and a second one
                # stops it before it has saved
                start_new_session=True,
            )
            try:
                self._wait(process, words, tell)
            except BaseException:
                process.send_signal(signal.SIGINT)
                tell("stops and saves")
                process.wait()
                raise
            if process.returncode:
                log.seek(start)
                raise XmrError(error_of(process.returncode, log.read().decode(errors="replace")))

    def _wait(self, process: subprocess.Popen[bytes], words: list[str], tell: Callable[[str], None]) -> None:
        while process.poll() is None:
            tell(self._state() if words[0] == "train.py" else f"scores {self.split}")
            try:
                process.wait(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def _state(self) -> str:
        epoch = _last_epoch(self.folder.metrics_file)
        return "prepares" if epoch is None else f"epoch {epoch} of {self.experiment.epochs}"


def _flat(config: DictConfig) -> dict[str, Any]:
    """The values of a config by their dotted keys."""

    def leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                yield from leaves(inner, f"{key}.{name}" if key else name)
        else:
            yield key, value

    return dict(leaves(OmegaConf.to_container(config, resolve=True), ""))


def error_of(code: int, output: str) -> str:
    """What a command that ended with exit `code` says went wrong: its error, or else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
    if errors:
        return errors[-1]
    return f"exit code {code}; " + (f"last line: {lines[-1]}" if lines else "it printed nothing")


def _last_epoch(metrics: Path) -> int | None:
    """The epoch of the last whole row of metrics.csv, which may be long and is being written."""
    if not metrics.is_file():
        return None
    with metrics.open("rb") as file:
        columns = file.readline().decode().strip().split(",")
        file.seek(max(file.tell(), metrics.stat().st_size - TAIL_BYTES))
        rows = file.read().decode().split("\n")[:-1]
    epoch = rows[-1].split(",")[columns.index("epoch")] if rows and "epoch" in columns else ""
    return int(float(epoch)) if epoch else None
