"""Checks the command line before Hydra sees it, so that a misspelt key names the nearest valid one."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import ConfigError, did_you_mean

# of Hydra's command line: what follows them is no setting
FLAGS_WITH_VALUE = ("--cfg", "-c", "--package", "-p", "--info", "-i", "--config-dir", "-cd")


# these print what there is and run nothing
TELLING = (
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--shell-completion",
    "-sc",
)
SWEEP = ("--multirun", "-m")


def check_overrides(conf: Path, config_name: str, arguments: Sequence[str]) -> DictConfig:
    """The config that the arguments ask for (of a sweep, the first).

    Raises `ConfigError` for the first override that names no config group, option or key, and for several
    values where no sweep is asked for.
    """
    words = settings_of(arguments)
    stray = [word for word in words if "=" not in word and not word.startswith("~")]
    if stray:
        raise ConfigError(f"'{stray[0]}' is no key=value; write settings as key=value")
    try:
        overrides = OverridesParser.create().parse_overrides(words)
    except HydraException as error:
        raise ConfigError(f"can't read the settings given: {error}") from error
    groups = {str(path.relative_to(conf)) for path in conf.rglob("*") if path.is_dir()}
    chosen = []
    for override in overrides:
        if override.key_or_group in groups:
            _check_option(conf, override)
            chosen.append(_first_choice(override))
    config = compose_config(conf, config_name, chosen)
    known = dotted_keys(config)
    for override in overrides:
        key = override.key_or_group
        if key in groups or override.is_add() or override.is_delete() or key.startswith(("hydra.", "hydra/")):
            continue
        if key not in known:
            raise ConfigError(f"unknown setting '{key}'; {_nearest(key, [*known, *groups])}")
    sweeps = [override.input_line for override in overrides if override.is_sweep_override()]
    if sweeps and not any(flag in arguments for flag in SWEEP):
        key, _, values = str(sweeps[0]).partition("=")
        raise ConfigError(
            f"{key}={values} gives several values; choose one, write {key}=[{values}] where a list is meant, "
            f"or add -m for a run of each"
        )
    config = compose_config(conf, config_name, [_first_choice(override) for override in overrides])
    check_epochs(config, words)
    return config


def check_epochs(config: DictConfig, overrides: Sequence[str]) -> None:
    """Raise `ConfigError` where a number of epochs is asked for that stages, with their own, would ignore."""
    asked = [word for word in overrides if word.startswith("trainer.max_epochs=")]
    if asked and config.get("stages"):
        epochs = asked[-1].partition("=")[2]
        raise ConfigError(
            f"{asked[-1]} has no meaning beside stages, which have epochs of their own; "
            f"start the run with stages.0.epochs={epochs}, or with stages=null for one stage"
        )


def asks_to_be_told(arguments: Sequence[str]) -> bool:
    """Whether Hydra is to print the help or the config, and to run nothing."""
    return any(word.partition("=")[0] in TELLING for word in arguments)


def settings_of(arguments: Sequence[str]) -> list[str]:
    """The arguments without Hydra's own flags and their values."""
    flag_values = {n + 1 for n, word in enumerate(arguments) if word in FLAGS_WITH_VALUE}
    return [word for n, word in enumerate(arguments) if not word.startswith("-") and n not in flag_values]


def with_lists(arguments: Sequence[str], keys: Collection[str]) -> list[str]:
    """`key=a,b` as `key=[a,b]` for the settings `keys`, unless a sweep is asked for."""
    if any(flag in arguments for flag in SWEEP):
        return list(arguments)
    words = []
    for word in arguments:
        key, equals, value = word.partition("=")
        is_list = equals and key in keys and "," in value and not value.startswith("[")
        words.append(f"{key}=[{value}]" if is_list else word)
    return words


def compose_config(conf: Path, config_name: str, overrides: Sequence[str]) -> DictConfig:
    """The config that `overrides` give; raises `ConfigError` when they do not fit together."""
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return compose(config_name, overrides=list(overrides))
        except HydraException as error:
            raise ConfigError(" ".join(str(error).split())) from error


def _check_option(conf: Path, override: Override) -> None:
    group = override.key_or_group
    options = [path.stem for path in (conf / group).glob("*.yaml")]
    if not options:
        inner = " or ".join(f"{group}/{path.name}=..." for path in sorted((conf / group).iterdir()))
        raise ConfigError(f"'{group}' has parts of its own; choose {inner}")
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.value()]
    for value in values:
        if value is not None and (option := str(value)) not in options:
            raise ConfigError(f"{group}={option} does not exist; {did_you_mean(option, options)}")


def _first_choice(override: Override) -> str:
    if override.is_sweep_override():
        return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
    return override.input_line or ""


def dotted_keys(config: DictConfig) -> list[str]:
    """Every dotted key, of inner nodes as well as of leaves; a number is a place in a list."""

    def keys(node: Any, prefix: str) -> Iterator[str]:
        inner = enumerate(node) if isinstance(node, list) else node.items() if isinstance(node, dict) else ()
        for key, value in inner:
            yield f"{prefix}{key}"
            yield from keys(value, f"{prefix}{key}.")

    return list(keys(OmegaConf.to_container(config), ""))


def _nearest(key: str, known: list[str]) -> str:
    """The nearest known key; where only the last part is wrong, among its siblings."""
    parent, _, _ = key.rpartition(".")
    siblings = [name for name in known if name.rpartition(".")[0] == parent]
    return did_you_mean(key, siblings or known) if parent in known or not parent else did_you_mean(key, known)
