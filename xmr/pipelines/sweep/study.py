"""The study of a sweep: what Optuna keeps of its trials in study.db, shared by all who work on it."""

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, CmaEsSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import URL

from xmr.pipelines.sweep.locks import TrialLock
from xmr.pipelines.sweep.plan import Method, SweepPlan
from xmr.pipelines.sweep.space import shown

# user attributes of a trial: its folder's name, the number of its combination of a grid, what went wrong, the
# number of the failed trial that it runs again, and whether whoever drew it died before it began
FOLDER, GRID, ERROR, AGAIN, STILLBORN = "folder", "grid", "error", "again", "stillborn"
LOCK_SECONDS = 60
LABEL_LENGTH = 60


class SweepStudy:
    """The trials of `plan`, in the database `study.db` of its folder, which is created when there is none.

    A trial is claimed by one process at a time. One whose process is gone is claimed again, with its number
    and its folder, so that its run goes on. Raises `ConfigError` when it was begun with other settings.
    """

    def __init__(self, plan: SweepPlan) -> None:
        self.plan = plan
        self.file = plan.folder / "study.db"
        plan.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(plan.folder / ".study.lock", timeout=LOCK_SECONDS)
        self._distributions = {key: of.distribution() for key, of in plan.space.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._lock:
            self._study = optuna.create_study(
                study_name=plan.name,
                storage=optuna.storages.RDBStorage(
                    URL.create("sqlite", database=str(self.file)).render_as_string(),
                    # another process may be writing
                    engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}},
                ),
                direction=plan.direction,
                pruner=_pruner(plan.pruner),
                load_if_exists=True,
            )
            begun = self._study.user_attrs.get("plan")
            if begun is None:
                self._study.set_user_attr("plan", json.loads(json.dumps(plan.fixed())))
        if begun is not None:
            plan.check_same(begun)

    def trials(self) -> list[FrozenTrial]:
        """All trials so far, by number, without those that are run again and those that never began."""
        found = [
            trial for trial in self._study.get_trials(deepcopy=False) if STILLBORN not in trial.user_attrs
        ]
        again = {trial.user_attrs.get(AGAIN) for trial in found}
        return [trial for trial in found if trial.number not in again]

    @property
    def done(self) -> bool:
        """Whether all trials have ended."""
        trials = self.trials()
        return len(trials) >= self.plan.n_trials and all(trial.state.is_finished() for trial in trials)

    def best(self) -> FrozenTrial | None:
        """The finished trial with the best value."""
        finished = [trial for trial in self.trials() if trial.state is TrialState.COMPLETE]
        sign = 1 if self.plan.direction == "maximize" else -1
        return max(finished, key=lambda trial: sign * (trial.value or 0.0), default=None)

    def folder(self, trial: FrozenTrial | Trial) -> Path:
        """The run folder of a trial."""
        return self.plan.folder / trial.user_attrs[FOLDER]

    def claim(self) -> "ClaimedTrial | None":
        """A trial to work on: one that was left behind, one that waits, or a new one; None for none."""
        with self._lock:
            for left in self.trials():
                if left.state is TrialState.RUNNING and (claimed := self._claim_left(left)) is not None:
                    return claimed
            trials = self.trials()
            waiting = any(trial.state is TrialState.WAITING for trial in trials)
            if not waiting and len(trials) >= self.plan.n_trials:
                return None
            if self.plan.grid and not waiting:
                self._enqueue_next_of_grid()
            # of its own for each trial: one with the same seed would draw the same values again, after a
            # restart and in another process
            self._study.sampler = _sampler(
                self.plan.sampler, seed=len(self._study.get_trials(deepcopy=False))
            )
            return self._begin(self._study.ask(self._distributions))

    def _claim_left(self, left: FrozenTrial) -> "ClaimedTrial | None":
        if FOLDER not in left.user_attrs:
            Trial(self._study, left._trial_id).set_user_attr(STILLBORN, True)
            self._study.tell(left.number, state=TrialState.FAIL)
            return None
        lock = TrialLock(self.folder(left))
        if not lock.claim():
            return None
        if self.trial(left.number).state is not TrialState.RUNNING:
            lock.release()  # it has ended since it was looked at
            return None
        return ClaimedTrial(self, Trial(self._study, left._trial_id), lock)

    def _begin(self, trial: Trial) -> "ClaimedTrial":
        if FOLDER not in trial.user_attrs:
            values = "-".join(shown(trial.params[key]) for key in self.plan.space)
            label = re.sub(r"[^A-Za-z0-9.]+", "-", values).strip("-.")[:LABEL_LENGTH]
            # two sweeps of one name may go to one W&B project, where the folder's name is the run's id
            trial.set_user_attr(FOLDER, f"{trial.number:03d}-{label}-{secrets.token_hex(3)}")
        lock = TrialLock(self.folder(trial))
        lock.claim()
        return ClaimedTrial(self, trial, lock)

    def _enqueue_next_of_grid(self) -> None:
        begun = {trial.user_attrs.get(GRID) for trial in self.trials()}
        number = next(number for number in range(len(self.plan.grid)) if number not in begun)
        self._study.enqueue_trial(dict(self.plan.grid[number]), user_attrs={GRID: number})

    def trial(self, number: int) -> FrozenTrial:
        """The trial of that number as it stands."""
        return self._study.get_trials(deepcopy=False)[number]

    def tell(self, trial: Trial, value: float | None, state: TrialState) -> None:
        """Note how a trial has ended."""
        self._study.tell(trial, value, state)

    def retry_failed(self) -> int:
        """Have the failed trials run again, in their folders: how many they are."""
        with self._lock:
            failed = [trial for trial in self.trials() if trial.state is TrialState.FAIL]
            for trial in failed:
                kept = {key: trial.user_attrs[key] for key in (FOLDER, GRID) if key in trial.user_attrs}
                self._study.enqueue_trial(trial.params, user_attrs={**kept, AGAIN: trial.number})
        return len(failed)


class ClaimedTrial:
    """A trial that this process works on, until `tell_*` or `release`."""

    def __init__(self, study: SweepStudy, trial: Trial, lock: TrialLock) -> None:
        self._study, self._trial, self.lock = study, trial, lock
        self.number, self.params = trial.number, trial.params
        self.folder = study.folder(trial)
        self._reported = set(study.trial(trial.number).intermediate_values)

    def report(self, values: Mapping[int, float]) -> bool:
        """Note the metric by epoch, as far as it is not noted; whether the trial should be stopped early."""
        new = {epoch: value for epoch, value in values.items() if epoch not in self._reported}
        prune = False
        for epoch, value in sorted(new.items()):
            self._trial.report(value, epoch)
            prune = self._trial.should_prune() or prune
        self._reported |= set(new)
        return prune

    def tell_value(self, value: float) -> None:
        """The run has finished with this value."""
        self._tell(value=value, state=TrialState.COMPLETE)

    def tell_pruned(self) -> None:
        """The run was stopped early; its last value counts."""
        self._tell(state=TrialState.PRUNED)

    def tell_failed(self, error: str) -> None:
        """The run failed with this error."""
        self._trial.set_user_attr(ERROR, error)
        self._tell(state=TrialState.FAIL)

    def _tell(self, *, state: TrialState, value: float | None = None) -> None:
        self._study.tell(self._trial, value, state)
        self.release()

    def release(self) -> None:
        """Leave it to whoever claims it next, once its run has ended."""
        self.lock.release()


def _sampler(method: Method, *, seed: int) -> BaseSampler:
    if method.name == "tpe":
        return TPESampler(n_startup_trials=method.options["startup_trials"], seed=seed)
    if method.name == "cmaes":
        return CmaEsSampler(n_startup_trials=method.options["startup_trials"], seed=seed)
    return RandomSampler(seed=seed)  # every value of a grid is given


def _pruner(method: Method) -> BasePruner:
    options = method.options
    if method.name == "median":
        return MedianPruner(
            n_startup_trials=options["startup_trials"],
            # epochs are counted from 1
            n_warmup_steps=options["warmup_epochs"] + 1,
        )
    if method.name == "successive_halving":
        return SuccessiveHalvingPruner(
            min_resource=options["min_epochs"], reduction_factor=options["reduction_factor"]
        )
    return NopPruner()
