"""Stages: what learns, how fast, and by which weights of the loss, in one stretch of epochs after another."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from xmr.core.errors import ConfigError, check_positive, check_whole
from xmr.core.types import Modality
from xmr.training.schedulers import Schedule

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`epochs` epochs in which the parts `freeze` rest, besides those that always do.

    `lr` maps patterns of parameter names to factors of their learning rates; the first match holds. The
    schedule runs from its start to its end within the stage. `loss` has the weights of the loss's terms.
    After `patience` evaluations without a better monitored metric the next stage begins.
    """

    name: str
    epochs: int
    freeze: tuple[str, ...] = ()
    lr: Mapping[str, float] = field(default_factory=dict)
    loss: Mapping[str, float] = field(default_factory=dict)
    patience: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "freeze", tuple(self.freeze or ()))
        for name in ("lr", "loss"):
            object.__setattr__(self, name, dict(getattr(self, name) or {}))
        check_whole(0, **{f"stages.{self.name}.epochs": self.epochs})
        for pattern, factor in self.lr.items():
            check_positive(**{f"stages.{self.name}.lr['{pattern}']": factor})
        if self.patience is not None:
            check_whole(1, **{f"stages.{self.name}.patience": self.patience})


class Stages(pl.Callback):
    """Runs one stage after the other in a single fit; a resumed run goes on in the middle of any.

    `cached` has for each stage the modalities whose features come from the cache, `live` a shared flag for
    each modality that stops to come from it. `monitor` is the metric that `patience` waits for.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        monitor: str = "",
        cached: Sequence[frozenset[Modality]] | None = None,
        live: Mapping[Modality, Tensor] | None = None,
    ) -> None:
        self.stages = tuple(stages)
        self.monitor = monitor
        self.cached = cached
        self.live = live or {}
        self.epochs = sum(stage.epochs for stage in self.stages)
        # where each stage that has begun did so: (epoch, step)
        self._starts: list[tuple[int, int]] = [(0, 0)]
        self._best: float | None = None
        self._waited = 0
        self._steps_per_epoch = 1
        self._applied = 0  # how many stages have been put in force
        self._finished = False
        self._skip_empty()
        self._set_live()

    @property
    def current(self) -> Stage:
        """The stage that the run is in."""
        return self.stages[len(self._starts) - 1]

    def factors(self, name: str) -> tuple[float, ...]:
        """The factor of the learning rate of the parameter `name` in each stage."""
        return tuple(
            next((factor for pattern, factor in stage.lr.items() if fnmatchcase(name, pattern)), 1.0)
            for stage in self.stages
        )

    def check_patterns(self, names: Sequence[str]) -> None:
        """Raise `ConfigError` for a pattern of parameter names that matches none of `names`."""
        for stage in self.stages:
            for pattern in stage.lr:
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise ConfigError(
                        f"stages.{stage.name}.lr['{pattern}'] matches no learning parameter; mend the pattern"
                    )

    def rate(self, factors: Sequence[float], schedule: Schedule, total_steps: int) -> Callable[[int], float]:
        """The learning rate by step, as a factor of the group's own, where stages multiply by `factors`."""
        self._steps_per_epoch = max(1, total_steps // max(1, self.epochs))

        def factor(step: int) -> float:
            number, begin = self._stage_at(step)
            length = self.stages[number].epochs * self._steps_per_epoch
            # torch asks for step 0 when a resumed run builds the schedule
            return factors[number] * schedule.factor(max(0, step - begin), length)

        return factor

    def _stage_at(self, step: int) -> tuple[int, int]:
        """The stage that `step` belongs to, unless one ends early, and the step where it begins."""
        number, begin = len(self._starts) - 1, self._starts[-1][1]
        while number + 1 < len(self.stages):
            end = begin + self.stages[number].epochs * self._steps_per_epoch
            if step < end:
                break
            number, begin = number + 1, end
        return number, begin

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin, or go on in the middle of an epoch; a run whose last stage has ended does not go on."""
        self._apply(trainer, pl_module)
        trainer.should_stop = self._finished

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the stage in force that the epoch before led to."""
        if self._applied < len(self._starts):
            self._apply(trainer, pl_module)
            log.info("stage %s starts at epoch %d", self.current.name, trainer.current_epoch + 1)

    def _skip_empty(self) -> None:
        """Go past stages without an epoch."""
        while self.current.epochs == 0 and len(self._starts) < len(self.stages):
            self._starts.append(self._starts[-1])

    def _apply(self, trainer: pl.Trainer, pl_module: Any) -> None:
        stage, number = self.current, len(self._starts) - 1
        self._applied = len(self._starts)
        if len(self.stages) > 1:
            pl_module.model.set_frozen(pl_module.always_frozen.union(stage.freeze))
        if stage.loss:
            pl_module.loss.set_weights(dict(stage.loss))
        if self.cached is not None:
            pl_module.cached = self.cached[number]
        self._set_live()
        scheduler: Any = trainer.lr_scheduler_configs[0].scheduler
        for group, factor in zip(scheduler.optimizer.param_groups, scheduler.lr_lambdas, strict=True):
            group["lr"] = group["initial_lr"] * factor(trainer.global_step)

    def _set_live(self) -> None:
        if self.cached is not None:
            for modality, flag in self.live.items():
                flag.fill_(modality not in self.cached[len(self._starts) - 1])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the evaluations since the best one of this stage."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None or self.current.patience is None:
            return
        score = -float(value) if self.monitor.endswith("_rank") else float(value)
        if self._best is None or score > self._best:
            self._best, self._waited = score, 0
        else:
            self._waited += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lead to the next stage when this one has had its epochs or waited long enough, or end the run.

        This comes before the epoch's checkpoint, so that a resumed run's workers read for the right stage.
        """
        patience = self.current.patience
        whole = trainer.current_epoch + 1 >= self._starts[-1][0] + self.current.epochs
        if not whole and (patience is None or self._waited < patience):
            return
        if len(self._starts) == len(self.stages):
            self._finished = trainer.should_stop = True
            return
        self._starts.append((trainer.current_epoch + 1, trainer.global_step))
        self._best, self._waited = None, 0
        self._skip_empty()

    def state_dict(self) -> dict[str, Any]:
        """Where the stages began, and how long the best metric of this one is ago."""
        return {
            "starts": self._starts,
            "best": self._best,
            "waited": self._waited,
            "finished": self._finished,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on in the stored stage."""
        self._starts = [(epoch, step) for epoch, step in state_dict["starts"]]
        self._best, self._waited = state_dict["best"], state_dict["waited"]
        # more epochs than before (trainer.max_epochs of a run without stages) are still to come
        self._finished = state_dict["finished"] and len(self.stages) > 1
        self._set_live()
