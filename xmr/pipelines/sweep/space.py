"""The search space of a sweep: what conf/sweep/*.yaml says of each setting, and what becomes of it."""

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Quote, QuotedString

from xmr.core.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = bool | int | float | str | None
RANGE_KEYS = ("low", "high", "log", "step")
# what Hydra takes for another type than a text, or for an end of one
PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
KEYWORDS = {"null", "true", "false", "nan", "inf"}


@dataclass(frozen=True)
class Choices:
    """One of several values, each as it is in the file."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[Value, ...]:
        """The values as a study stores them: lists and mappings by their text."""
        return tuple(
            v if v is None or isinstance(v, bool | int | float | str) else hydra_text(v) for v in self.values
        )

    def texts(self) -> tuple[str, ...]:
        """All values as they are written on the command line, to check them."""
        return tuple(map(hydra_text, self.values))

    def text(self, label: Value) -> str:
        """The value of that label as it is written on the command line."""
        # 1 and true are equal to Python
        same = (own is label or (own == label and type(own) is type(label)) for own in self.labels)
        return hydra_text(self.values[list(same).index(True)])

    def to_json(self) -> Any:
        """As it is written in a sweep's file."""
        return list(self.values)

    def distribution(self) -> "BaseDistribution":
        """The same for Optuna."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.labels)

    def wandb(self) -> dict[str, Any]:
        """The same for a W&B sweep file."""
        return {"values": [v if isinstance(v, int | float) else hydra_text(v) for v in self.values]}


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; whole when both are, in steps of `step` if given."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    def texts(self) -> tuple[str, ...]:
        """Both ends as they are written on the command line, to check them."""
        return (self.text(self.low), self.text(self.high))

    def text(self, value: Value) -> str:
        """A value as it is written on the command line."""
        return hydra_text(value)

    def values(self) -> tuple[Value, ...]:
        """All values, of a range in steps."""
        step = self.step or 1
        # 0.1 + 0.2 is above 0.3
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        found = [self.low + number * step for number in range(count)]
        return tuple(found if self.whole else [float(f"{value:.12g}") for value in found])

    def to_json(self) -> Any:
        """As it is written in a sweep's file."""
        return asdict(self)

    def distribution(self) -> "BaseDistribution":
        """The same for Optuna."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def wandb(self) -> dict[str, Any]:
        """The same for a W&B sweep file; a logarithmic range of whole numbers is rounded there."""
        ends = {"min": self.low, "max": self.high}
        if self.log:
            return {"distribution": "q_log_uniform_values" if self.whole else "log_uniform_values", **ends}
        if self.step is not None and (not self.whole or self.step != 1):
            return {"distribution": "q_uniform", "q": self.step, **ends}
        return {"distribution": "int_uniform" if self.whole else "uniform", **ends}


Parameter = Choices | Range


def parse_space(space: Any, where: str) -> dict[str, Parameter]:
    """Each setting's choices or range, in the order given; raises `ConfigError` for what is neither."""
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(
            f"{where}: space is empty; name settings, as in space: {{loss: [info_nce, siglip]}}"
        )
    return {str(key): _parameter(f"space.{key}", value, where) for key, value in space.items()}


def _parameter(key: str, value: Any, where: str) -> Parameter:
    if isinstance(value, Mapping):
        return _range(key, value, where)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(
            f"{where}: {key}={value} is one value; give choices, as in [{value}, ...], or a range "
            f"{{low: 0.1, high: 1.0}}, or move it to overrides"
        )
    choices = Choices(tuple(value))
    if not choices.values or len(set(choices.texts())) < len(choices.values):
        raise ConfigError(f"{where}: {key}={value}; give at least one choice, and each once")
    return choices


def _range(key: str, value: Mapping[str, Any], where: str) -> Range:
    for name in value:
        if name not in RANGE_KEYS:
            raise ConfigError(f"{where}: {key}.{name}; {did_you_mean(str(name), RANGE_KEYS)}")
    of = {"log": False, "step": None, **value}
    numbers = [of.get("low"), of.get("high"), *([of["step"]] if of["step"] is not None else [])]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise ConfigError(f"{where}: {key}={dict(value)}; low, high and step must be numbers")
    found = Range(of["low"], of["high"], log=bool(of["log"]), step=of["step"])
    if not found.low < found.high:
        raise ConfigError(f"{where}: {key}: low={found.low} is not below high={found.high}")
    if found.log and (found.low <= 0 or found.step is not None):
        raise ConfigError(f"{where}: {key}: log: true needs low > 0 (it is {found.low}) and no step")
    if found.step is not None and not 0 < found.step <= found.high - found.low:
        raise ConfigError(f"{where}: {key}: step={found.step} must be above 0 and at most high - low")
    return found


def grid_of(space: Mapping[str, Parameter], where: str) -> list[dict[str, Value]]:
    """Every combination, the last setting varying fastest; raises `ConfigError` for a range without step."""
    for key, parameter in space.items():
        if isinstance(parameter, Range) and parameter.step is None:
            raise ConfigError(
                f"{where}: sampler=grid needs choices, but space.{key} is a range; give it a step, "
                f"a list of values, or use sampler=tpe"
            )
    values = [of.labels if isinstance(of, Choices) else of.values() for of in space.values()]
    return [dict(zip(space, combination, strict=True)) for combination in itertools.product(*values)]


def hydra_text(value: Any) -> str:
    """`value` as it is written behind `key=` on Hydra's command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        plain = PLAIN.fullmatch(value) and value.lower() not in KEYWORDS
        return value if plain else quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{hydra_text(inner)}" for key, inner in value.items()) + "}"
    return "[" + ",".join(map(hydra_text, value)) + "]"


def quoted(text: str) -> str:
    """`text` in Hydra's quotes, which let any character stand."""
    return QuotedString(text, Quote.single).with_quotes()


def shown(value: Any) -> str:
    """`value` for people: short numbers, texts without quotes."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
