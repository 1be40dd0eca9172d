"""The plan of a sweep: which runs it makes, how they are chosen, and the command line of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from xmr.core.errors import ConfigError
from xmr.pipelines.sweep.space import Parameter, Value, hydra_text, shown

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Method:
    """A sampler or a pruner by its name, with its options."""

    name: str
    options: Mapping[str, int]


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep runs: `overrides` (key=value) of train.py that hold for all runs, and a `space` of others.

    `n_trials` runs bring `metric` of the val split in `direction`. `grid` holds all combinations of a grid,
    else nothing. `config` is that of the first run.
    """

    name: str
    metric: str
    direction: Direction
    sampler: Method
    pruner: Method
    n_trials: int
    overrides: tuple[str, ...]
    space: Mapping[str, Parameter]
    grid: Sequence[Mapping[str, Value]]
    config: DictConfig

    @property
    def folder(self) -> Path:
        """Where the study and the runs lie."""
        return Path(self.config.paths.runs) / "sweeps" / self.name

    @property
    def epochs(self) -> int | None:
        """How many epochs a run has at most; None where the runs differ in it."""
        if any(key.split(".")[0] == "stages" or key == "trainer.max_epochs" for key in self.space):
            return None
        if self.config.stages:
            return sum(stage.epochs for stage in self.config.stages)
        return self.config.trainer.max_epochs

    def label(self, params: Mapping[str, Value]) -> str:
        """The values of the space, for people: `loss=siglip seed=1`."""
        return " ".join(f"{key}={shown(params[key])}" for key in self.space)

    def words(self, params: Mapping[str, Value], folder: Path) -> list[str]:
        """The arguments of train.py for the run with these values of the space, in `folder`."""
        own = {
            "name": self.name,
            "evaluation.monitor": self.metric,
            "logger.wandb.group": self.name,
            # W&B shows it instead of the folder's name
            "logger.wandb.name": self.label(params),
            "hydra.run.dir": str(folder),
        }
        given = {override.partition("=")[0].lstrip("+") for override in self.overrides}
        return [
            *self.overrides,
            *(f"{key}={of.text(params[key])}" for key, of in self.space.items()),
            *(f"{key}={hydra_text(value)}" for key, value in own.items() if key.lstrip("+") not in given),
        ]

    def fixed(self) -> dict[str, Any]:
        """What may not change while a study goes on, as JSON-able values."""
        return {
            "metric": self.metric,
            "direction": self.direction,
            "sampler": [self.sampler.name, dict(self.sampler.options)],
            "pruner": [self.pruner.name, dict(self.pruner.options)],
            "overrides": sorted(self.overrides),
            **{f"space.{key}": parameter.to_json() for key, parameter in self.space.items()},
        }

    def check_same(self, begun: Mapping[str, Any]) -> None:
        """Raise `ConfigError` when the study was begun with other settings than this plan's."""
        now = self.fixed()
        changed = [key for key in {**begun, **now} if begun.get(key) != now.get(key)]
        if changed:
            told = "; ".join(f"{key}: {begun.get(key)}, now {now.get(key)}" for key in changed)
            raise ConfigError(
                f"{self.folder} was begun with other settings ({told}); go on with those, "
                f"or begin a sweep of its own with name=ANOTHER"
            )
