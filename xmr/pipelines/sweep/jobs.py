"""Hydra's multirun (-m): each job runs, whatever becomes of the others, and failures are told at the end."""

import fcntl
import itertools
import json
import os
import secrets
import shlex
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import ConfigError, XmrError
from xmr.core.files import write_json
from xmr.pipelines.cli import (
    CONF,
    imported,
    print_error,
    quiet_libraries,
    register_resolvers,
    stopped_by_signals,
)
from xmr.pipelines.sweep.launchers import JobsAsked, jobs_asked
from xmr.pipelines.sweep.machine import shares, visible_gpus

# of a job, and what the report calls them
STATES = {"finished": "finished", "failed": "failed", "stopped": "stopped and saved", "running": "died"}

# the files that hold this process's share of the machine, by the folder of the sweep
_held: dict[Path, int] = {}


class Job:
    """A job of a sweep, as Hydra calls it, in this process or in one that a launcher has started.

    It notes in `notes`/<number>.json how it went. Its error, which is no concern of the other jobs, goes
    there, too.
    """

    def __init__(self, task: str, name: str, notes: Path, asked: JobsAsked) -> None:
        self.task, self.name, self.notes, self.asked = task, name, notes, asked

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive in another process, which knows nothing of xmr yet."""
        self.__dict__ = state
        register_resolvers()
        quiet_libraries()

    def __call__(self, config: DictConfig) -> None:
        """Run it; raises `SystemExit` alone, when the user has interrupted it."""
        job = HydraConfig.get()
        label = " ".join(word for word in job.overrides.task if word.partition("=")[0] in self.asked.swept)
        file = self.notes / f"{job.job.num:03d}.json"
        folder = os.path.relpath(job.runtime.output_dir)
        note: dict[str, Any] = {"job": label, "folder": folder, "state": "running", "error": None}
        write_json(file, note)
        try:
            with self._elsewhere(file.with_suffix(".log")):
                imported(self.task)(self._named(config, label))
            note["state"] = "finished"
        except XmrError as error:
            note |= {"state": "failed", "error": str(error)}
        except Exception as error:  # noqa: BLE001  # whatever a job fails of, the others go on
            said = f"{type(error).__name__}: {error}"
            note |= {"state": "failed", "error": said, "traceback": traceback.format_exc()}
        finally:
            # one that is interrupted saves: it can be resumed
            note["state"] = "stopped" if note["state"] == "running" else note["state"]
            write_json(file, note)
        if note["error"]:
            print_error(f"job {label}: {note['error']}")
        elif self.asked.slots != 1:
            tell(f"job {label}: finished, {folder}")

    def _elsewhere(self, log: Path) -> ExitStack:
        """Of several jobs side by side, each has its share of the machine, and prints to its own file."""
        stack = ExitStack()
        if self.asked.slots == 1:
            return stack
        if self.asked.slots is not None and self.notes not in _held:
            slot = self._free_slot(self.asked.slots)
            os.environ.update(shares(slot, self.asked.slots, visible_gpus()))
        if threads := os.environ.get("SLURM_CPUS_PER_TASK"):
            os.environ.setdefault("OMP_NUM_THREADS", threads)
        file = stack.enter_context(log.open("w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(file))
        stack.enter_context(redirect_stderr(file))
        return stack

    def _free_slot(self, slots: int) -> int:
        """The first slot that no other process holds; this one holds it to its end, over all of its jobs.

        A launcher may replace a process before it has quite ended, so that there are more than `slots`.
        """
        for slot in itertools.count():
            file = os.open(self.notes / f".slot{slot}", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            _held[self.notes] = file
            break
        return slot % slots

    def _named(self, config: DictConfig, label: str) -> DictConfig:
        """`config` with a W&B group of the sweep, unless one is set, and what the run is called there."""
        wandb = config.get("logger", {}).get("wandb")
        if wandb is not None:
            group = self.name if wandb.get("group") == config.name else wandb.get("group")
            named = {"group": group, "name": wandb.get("name") or label}
            OmegaConf.update(config, "logger.wandb", named, merge=True, force_add=True)
        return config


def run_jobs(task: str, config_name: str, config: DictConfig, arguments: Sequence[str]) -> None:
    """Run the jobs of a command line with -m; `config` is that of the first.

    Ends with exit code 1 when one failed, with that of the signal when interrupted. Raises `ConfigError` when
    the jobs can't be composed; then none has run.
    """
    asked = jobs_asked(CONF, config_name, arguments)
    began = f"{datetime.now():%Y%m%d-%H%M%S}"
    name = f"{config.get('name', config_name)}-{began}"
    notes = (asked.folder / f"sweep-{began}-{secrets.token_hex(3)}").absolute()
    # errors come here instead of being printed by Hydra; jobs have noted their own
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    main = hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)
    code = 0
    try:
        with stopped_by_signals():
            main(Job(task, name, notes, asked))()
    except HydraException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    except launcher_errors() as error:
        print_error(f"the launcher gave up ({type(error).__name__}: {' '.join(str(error).split())[:300]})")
        code = 1
    except KeyboardInterrupt:
        code = 130
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os.environ.pop("HYDRA_FULL_ERROR") if before is None else os.environ.update(HYDRA_FULL_ERROR=before)
    failed = report(notes, asked.number)
    if code or failed:
        sys.exit(code or 1)


def launcher_errors() -> tuple[type[BaseException], ...]:
    """What launchers raise when a process of theirs dies without a word."""
    known = [("ray.exceptions", "RayError"), ("submitit.core.utils", "FailedJobError")]
    loaded = [getattr(sys.modules[module], name) for module, name in known if module in sys.modules]
    return (BrokenExecutor, *loaded)


def report(notes: Path, jobs: int) -> int:
    """Say how the jobs went, the failed ones with their errors: how many failed."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(notes.glob("*.json"))]
    of = {state: [note for note in found if note["state"] == state] for state in STATES}
    not_begun = jobs - len(found)
    parts = [f"{len(of[state])} {words}" for state, words in STATES.items() if of[state]]
    tell(f"\n{jobs} jobs: {', '.join([*parts, *([f'{not_begun} not begun'] if not_begun else [])])}")
    for note in of["failed"]:
        tell(f"failed  {note['job']}: {note['error']}")
        if "traceback" in note:
            tell("        its traceback is in the notes")
    for note in of["running"]:
        tell(f"failed  {note['job']}: its process died; what it printed is in {notes}")
    for note in (*of["stopped"], *of["running"]):
        if Path(note["folder"], "checkpoints/last.ckpt").is_file():
            tell(f"resume  python train.py resume={shlex.quote(note['folder'])}")
    tell(f"notes   {os.path.relpath(notes)}/")
    if of["finished"]:
        tell(f"board   python scripts/leaderboard.py {shlex.quote(os.path.relpath(notes.parent))}")
    return len(of["failed"]) + len(of["running"])


def tell(line: str) -> None:
    """A line on stderr, as it stands."""
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
