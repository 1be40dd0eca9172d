"""Runs a sweep: claims trials of its study, brings their runs to an end, and says what came of them."""

import shlex
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live

from xmr.pipelines.cli import print_error
from xmr.pipelines.sweep.engines import LOG, Engine, LocalEngine, RayEngine
from xmr.pipelines.sweep.plan import SweepPlan
from xmr.pipelines.sweep.runs import TrialRun
from xmr.pipelines.sweep.study import ERROR, SweepStudy
from xmr.pipelines.sweep.table import trial_table, value_shown

POLL_SECONDS = 0.5
LOOK_SECONDS = 2.0
# of a terminal's lines, those that the table's frame takes
FRAME = 8


def run_sweep(
    plan: SweepPlan, *, workers: int = 1, engine: str = "local", retry_failed: bool = False
) -> None:
    """Run the trials of `plan` that are left, `workers` at a time, and report; exit code 1 when one failed.

    Returns when all trials have ended, those of other processes that work on the study included. Interrupted,
    it has its runs save, and the same command goes on with them.
    """
    study = SweepStudy(plan)
    if retry_failed:
        study.retry_failed()
    with Interrupts() as interrupts:
        if not study.done:
            _run_trials(study, RayEngine(workers) if engine == "ray" else LocalEngine(workers), interrupts)
    _report(study)
    if interrupts.signum is not None:
        print_error("interrupted; finished trials are kept: run the same command again to go on")
        sys.exit(128 + interrupts.signum)
    if any(ERROR in trial.user_attrs for trial in study.trials()):
        sys.exit(1)


class Interrupts:
    """Notes Ctrl-C, SIGTERM and SIGHUP until it is safe to stop; a second one stops at once."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # one that is ignored stays so: nohup means it
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._before[signum] = signal.signal(signum, self._note)
        return self

    def _note(self, signum: int, _: FrameType | None) -> None:
        if self.signum is not None:
            sys.exit(128 + signum)
        self.signum = signum

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)


def _run_trials(study: SweepStudy, engine: Engine, interrupts: Interrupts) -> None:
    runs: dict[int, TrialRun] = {}
    look_again = 0.0
    with Progress(study) as progress:
        try:
            while interrupts.signum is None:
                if len(runs) < engine.slots and time.monotonic() >= look_again:
                    _fill(runs, study, engine, progress)
                    if not runs and study.done:
                        return
                    # what is left is in the hands of other processes, which may die
                    look_again = time.monotonic() + LOOK_SECONDS
                progress.draw(list(runs.values()))
                time.sleep(POLL_SECONDS)
                if interrupts.signum is not None:
                    return  # runs that got the signal as well have not failed
                for slot, run in list(runs.items()):
                    if (outcome := run.step()) is not None:
                        progress.ended(runs.pop(slot), outcome)
                        look_again = 0.0
        finally:
            _let_go(list(runs.values()))
            engine.close()


def _fill(runs: dict[int, TrialRun], study: SweepStudy, engine: Engine, progress: "Progress") -> None:
    """Start a trial in each slot that is free, as long as there are any."""
    for slot in range(engine.slots):
        if slot in runs:
            continue
        if (trial := study.claim()) is None:
            return
        runs[slot] = TrialRun(study.plan, trial, engine, slot)
        progress.began(runs[slot])


def _let_go(runs: Sequence[TrialRun]) -> None:
    """Have the runs save and stop, and leave their trials to whoever comes next."""
    for run in runs:
        run.interrupt()
    while any(not run.ended for run in runs):
        time.sleep(POLL_SECONDS)
    for run in runs:
        run.trial.release()


class Progress:
    """The table of trials, redrawn as they go on; without a terminal, a line as each begins or ends."""

    def __init__(self, study: SweepStudy) -> None:
        self._study = study
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def began(self, run: TrialRun) -> None:
        """A trial was claimed."""
        self._say(f"trial {run.trial.number} runs: {self._study.plan.label(run.trial.params)}")

    def ended(self, run: TrialRun, outcome: str) -> None:
        """A trial has ended."""
        plan = self._study.plan
        trial = self._study.trial(run.trial.number)
        said = trial.user_attrs.get(ERROR) or f"{plan.metric} {value_shown(trial.value, plan.metric)}"
        self._say(f"trial {trial.number} {outcome}: {said}")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def draw(self, runs: list[TrialRun]) -> None:
        """Show how far all are."""
        if not self._console.is_terminal:
            return
        epochs = self._study.plan.epochs
        notes = {}
        for run in runs:
            epoch = max(run.values, default=None)
            of = "" if epochs is None else f" of {epochs}"
            notes[run.trial.number] = "prepares" if epoch is None else f"epoch {epoch}{of}"
        rows = max(3, self._console.height - FRAME)
        table = trial_table(
            self._study.plan, self._study.trials(), self._study.best(), notes=notes, rows=rows
        )
        self._live.update(table, refresh=True)


def _report(study: SweepStudy) -> None:
    """The table of all trials, the failed ones with their errors, where all lies, and what to run next."""
    out, plan, trials, best = Console(), study.plan, study.trials(), study.best()
    say = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    out.print(trial_table(plan, trials, best, notes={}))
    if best is not None:
        say(f"best    trial {best.number}: {value_shown(best.value, plan.metric)}, {plan.label(best.params)}")
        say(f"        {study.folder(best)}")
    for trial in trials:
        if ERROR in trial.user_attrs:
            say(f"failed  trial {trial.number}, {plan.label(trial.params)}: {trial.user_attrs[ERROR]}")
            say(f"        log {study.folder(trial) / LOG}")
    if any(ERROR in trial.user_attrs for trial in trials):
        say("        the same command with --retry-failed runs them again")
    folder = shlex.quote(str(plan.folder))
    say(f"study   {study.file}")
    say(f"runs    {plan.folder}/")
    say(f"board   python scripts/leaderboard.py {folder} --html {folder}/board.html")
