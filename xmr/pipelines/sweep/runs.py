"""The run of a trial: what is left to do for it, doing that by train.py, and what came of it."""

import shlex
import signal
from collections.abc import Mapping

from xmr.core.errors import XmrError
from xmr.evaluation.results_file import read_results
from xmr.pipelines.reproduction_runs import error_of
from xmr.pipelines.run_folder import RunFolder
from xmr.pipelines.sweep.engines import LOG, Engine, Process
from xmr.pipelines.sweep.metric import epoch_values
from xmr.pipelines.sweep.plan import SweepPlan
from xmr.pipelines.sweep.study import ClaimedTrial


class TrialRun:
    """Brings one claimed trial to its end: call `step` now and then, until it says that it has ended."""

    def __init__(self, plan: SweepPlan, trial: ClaimedTrial, engine: Engine, slot: int) -> None:
        self.plan, self.trial, self.slot = plan, trial, slot
        self.folder = RunFolder(trial.folder)
        self.values: Mapping[int, float] = {}
        self._engine = engine
        self._pruned = False
        words = self._next_command()
        self._process = None if words is None else self._start(words)

    def _next_command(self) -> list[str] | None:
        """The script and its arguments that bring the run further; None when it is done."""
        if self.folder.results_file.is_file():
            return None
        if (self.folder.checkpoints / "last.ckpt").is_file():
            return ["train.py", f"resume={self.folder.path}"]
        return ["train.py", *self.plan.words(self.trial.params, self.folder.path)]

    def _start(self, words: list[str]) -> Process:
        log = self.folder.path / LOG
        with log.open("ab") as file:
            file.write(f"$ python {shlex.join(words)}\n".encode())
            self._log_start = file.tell()
        return self._engine.start(words, self.folder.path, self.slot)

    def step(self) -> str | None:
        """Look how far the run is: "finished", "stopped early" or "failed" when it has ended, else None.

        A run whose values by epoch are not worth going on is stopped.
        """
        code = 0 if self._process is None else self._process.poll()
        self.values = epoch_values(self.folder.metrics_file, self.plan.metric)
        if self.trial.report(self.values) and code is None and self._process is not None:
            self._pruned = True
            self._process.stop()
        if code is None:
            return None
        if self._pruned and not self.folder.results_file.is_file():
            self.trial.tell_pruned()
            return "stopped early"
        try:
            # one that was stopped after it had finished
            self.trial.tell_value(self._value(0 if self._pruned else code))
        except XmrError as error:
            self.trial.tell_failed(str(error))
            return "failed"
        return "finished"

    def _value(self, code: int) -> float:
        """The metric of the results; raises `XmrError` when the run has none."""
        if code:
            raise XmrError(self._error(code))
        metrics = read_results(self.folder.results_file)["metrics"]
        if self.plan.metric not in metrics:
            raise XmrError(f"{self.folder.results_file} has no {self.plan.metric}")
        return metrics[self.plan.metric]

    def _error(self, code: int) -> str:
        output = (self.folder.path / LOG).read_bytes()[self._log_start :].decode(errors="replace")
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return error_of(code, output)

    def interrupt(self) -> None:
        """Ask the run to save and stop."""
        if self._process is not None:
            self._process.stop()

    @property
    def ended(self) -> bool:
        """Whether its process has ended."""
        return self._process is None or self._process.poll() is not None
