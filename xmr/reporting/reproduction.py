"""A reproduction: the runs of an experiment, and each of its figures beside the published one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

from xmr.core.errors import ConfigError, DataError, did_you_mean
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import RESULTS_SCHEMA

ABSENT = "–"
HEADINGS = ("experiment", "metric", "published", "measured", "difference", "data", "command")
KEYS = ("source", "data", "split", "metrics")


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a document gives: `metrics` (fractions in [0, 1], ranks) of the split of the data set `data`."""

    source: str
    data: str
    split: str
    metrics: dict[str, float]

    @classmethod
    def from_config(cls, experiment: str, settings: Mapping[str, Any] | None) -> "Published | None":
        """What stands under `published` in the config of `experiment`; None where nothing does.

        Raises `ConfigError` for a missing or an unknown key, and for a metric that is no number.
        """
        if settings is None:
            return None
        for key in settings:
            if key not in KEYS:
                raise ConfigError(f"{experiment}: published.{key}; {did_you_mean(key, KEYS)}")
        for key in KEYS:
            if not settings.get(key):
                raise ConfigError(f"{experiment}: published.{key} is missing; give {', '.join(KEYS)}")
        for name, value in settings["metrics"].items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{experiment}: published.metrics: {name}={value} is no number")
        return cls(**settings)


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """One finished run: where it lies, what its results.json and environment.json hold, its training data.

    `changed_settings` are those that the experiment has otherwise now than the run had them.
    """

    seed: int
    folder: str
    results: Mapping[str, Any]
    environment: Mapping[str, Any]
    training_items: int
    train_seconds: float
    changed_settings: Sequence[str] = ()

    @property
    def figures(self) -> dict[str, float]:
        """The metrics, and the figures by the definitions of source documents."""
        return {**self.results["metrics"], **self.results["document"]["figures"]}

    @property
    def protocol(self) -> Protocol:
        """What was measured how; raises `DataError` for results of another version of xmr."""
        version = self.results["schema_version"]
        if version != RESULTS_SCHEMA:
            raise DataError(
                f"{self.folder}: results of schema version {version}, but this xmr reads {RESULTS_SCHEMA}; "
                f"remove the folder and run again"
            )
        return Protocol.from_json(self.results["protocol"])


@dataclass(frozen=True, kw_only=True, eq=False)
class Reproduction:
    """An experiment with its finished runs (which may be none), all of one protocol.

    `asked` is how many runs there were to be, `monitor` the metric that checkpoints are chosen by.
    """

    experiment: str
    command: str
    asked: int
    published: Published | None
    monitor: str
    runs: list[SeedResult] = field(default_factory=list)

    def otherwise(self) -> str | None:
        """In what the measured figures differ from the published ones: data, split; None where in nothing."""
        if self.published is None or not self.runs:
            return None
        protocol, size = self.runs[0].protocol, self.runs[0].training_items
        if protocol.data != self.published.data:
            return f"not the data of the published figures: {protocol.data}, {size:,} training items"
        if protocol.split != self.published.split:
            return f"not the split of the published figures: {protocol.split}, not {self.published.split}"
        return None

    def rows(self) -> list["Row"]:
        """One row for each published metric; without published ones, for the monitor and the mean recall."""
        if self.published is not None:
            wanted = list(self.published.metrics)
        else:
            wanted = list(dict.fromkeys([self.monitor, "mean_recall"]))
        return [Row(self, metric) for metric in wanted]


@dataclass(frozen=True)
class Row:
    """One metric of a reproduction."""

    of: Reproduction
    metric: str

    @property
    def values(self) -> dict[int, float]:
        """The figure of each run that has it, by seed."""
        return {run.seed: run.figures[self.metric] for run in self.of.runs if self.metric in run.figures}

    @property
    def published(self) -> float | None:
        """The document's figure; None where it gives none."""
        return None if self.of.published is None else self.of.published.metrics[self.metric]

    @property
    def mean(self) -> float | None:
        """Over seeds; None where nothing was measured."""
        return mean(self.values.values()) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Over n seeds, with the divisor n - 1; None for fewer than two."""
        return stdev(self.values.values()) if len(self.values) > 1 else None

    @property
    def difference(self) -> float | None:
        """Measured less published, where both are of the same data and split; else None."""
        if self.published is None or self.mean is None or self.of.otherwise():
            return None
        return self.mean - self.published

    def cells(self) -> dict[str, str]:
        """The row as text, by the names of `HEADINGS`."""
        values = (
            self.of.experiment,
            self.metric,
            self._show(self.published),
            self._measured(),
            self._show(self.difference, sign="+"),
            self._data(),
            self.of.command,
        )
        return dict(zip(HEADINGS, values, strict=True))

    def to_json(self) -> dict[str, Any]:
        """All of the row as JSON-able values: fractions in [0, 1], seeds as keys."""
        published, runs = self.of.published, self.of.runs
        return {
            "experiment": self.of.experiment,
            "metric": self.metric,
            "published": self.published,
            "source": None if published is None else published.source,
            "published_data": None if published is None else f"{published.data}, {published.split}",
            "measured": {"mean": self.mean, "deviation": self.deviation, "by_seed": self.values},
            "difference": self.difference,
            "not_as_published": self.of.otherwise(),
            "data": runs[0].protocol.data if runs else None,
            "split": runs[0].protocol.split if runs else None,
            "training_items": runs[0].training_items if runs else None,
            "command": self.of.command,
            "run_folders": {run.seed: run.folder for run in runs},
            "train_seconds": {run.seed: run.train_seconds for run in runs},
        }

    def _measured(self) -> str:
        text = self._show(self.mean)
        if self.deviation is not None:
            text += f" ± {self._show(self.deviation)}"
        return (
            text if len(self.values) == self.of.asked else f"{text} ({len(self.values)} of {self.of.asked})"
        )

    def _data(self) -> str:
        if not self.of.runs:
            return ABSENT
        protocol, size = self.of.runs[0].protocol, self.of.runs[0].training_items
        text = f"{protocol.data}, {protocol.split} split, {size:,} training items"
        return f"{text}; not as published" if self.of.otherwise() else text

    def _show(self, value: float | None, *, sign: str = "") -> str:
        """A fraction as a percentage, a rank as it is."""
        if value is None:
            return ABSENT
        return f"{value if self.metric.endswith('_rank') else 100 * value:{sign}.1f}"
