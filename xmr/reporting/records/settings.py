"""What makes runs one model, and results comparable: settings that can change a result, and the protocol."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import translate
from typing import Any

from xmr.core.files import fingerprint

PLACES = ("data.path", "data.root", "data.image_root")

NO_RESULT = (
    "seed",
    "name",
    "resume",
    "experiment",
    "debug",
    "published*",
    "workers",
    "eval_batch_size",
    "paths*",
    "logger*",
    "hydra*",
    # where the data lies: its fingerprint, in the protocol, tells what it is, pixels aside
    *PLACES,
    "data.check_images",
    "evaluation.panels*",
    "evaluation.projections*",
    "trainer.log_every_n_steps",
    # what is logged to W&B besides the config
    "xmr_*",
    "_wandb*",
)
"""Patterns of settings that can't change a result; the seed is what runs of one model differ in."""

_NO_RESULT = re.compile("|".join(map(translate, NO_RESULT)))


def flat_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run's config that can change a result, by dotted key: `loss.temperature`.

    Lists of groups (`stages`) are numbered: `stages.0.epochs`; lists of values are values.
    """
    return {key: value for key, value in _leaves(config, "") if not _NO_RESULT.match(key)}


def places_of_data(config: Mapping[str, Any]) -> dict[str, Any]:
    """Where a run's data lay, by dotted key: other pixels may lie elsewhere, under the same fingerprint."""
    data = config.get("data")
    known = {f"data.{key}": value for key, value in data.items()} if isinstance(data, Mapping) else {}
    return {key: known[key] for key in PLACES if known.get(key) is not None}


def model_key(settings: Mapping[str, Any]) -> str:
    """Equal for equal settings, however their numbers were written (1 and 1.0)."""
    return fingerprint({key: _plain(value) for key, value in settings.items()})


def protocol_key(protocol: Mapping[str, Any]) -> str:
    """Equal for protocols that compare; the release of xmr does not count."""
    return fingerprint({name: value for name, value in protocol.items() if name != "xmr_version"})


def all_epochs(config: Mapping[str, Any]) -> int | None:
    """How many epochs a run of this config has at most; None where it does not tell."""
    stages = config.get("stages")
    if isinstance(stages, list) and stages:
        of_stages = [stage.get("epochs") for stage in stages if isinstance(stage, Mapping)]
        known = [epochs for epochs in of_stages if isinstance(epochs, int)]
        return sum(known) if len(known) == len(stages) else None
    trainer = config.get("trainer")
    epochs = trainer.get("max_epochs") if isinstance(trainer, Mapping) else None
    return epochs if isinstance(epochs, int) else None


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    groups: dict[str, Any] = {}
    if isinstance(value, Mapping):
        groups = {str(name): inner for name, inner in value.items()}
    elif isinstance(value, list) and value and all(isinstance(inner, Mapping) for inner in value):
        groups = {str(number): inner for number, inner in enumerate(value)}
    if not groups and key:
        yield key, value
    for name, inner in groups.items():
        yield from _leaves(inner, f"{key}.{name}" if key else name)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return str(value) if not isinstance(value, str | bool | None) else value
