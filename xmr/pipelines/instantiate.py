"""From config to objects: the one place that imports what a config names, and only from known packages."""

from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf

from xmr.core.errors import ConfigError, XmrError

PARTS = tuple(f"xmr.{name}" for name in ("data", "encoders", "models", "losses", "index", "training"))
"""Whose classes and functions a config may call."""
LIBRARIES = ("torch", "torchvision", "pytorch_lightning", "transformers")
"""Of which it may call classes: a function of theirs may run code from a file, as torch.hub.load does."""


def instantiate(config: DictConfig, **arguments: Any) -> Any:
    """The object that `config._target_` names, built with the config's and the given arguments.

    Containers arrive as plain lists and dicts. Raises `ConfigError` when a target is outside `PARTS` and
    `LIBRARIES` (nothing is imported then) or only reached through them, and what the component itself
    raises for bad arguments. Configs come with checkpoints and stores, so they are not trusted.
    """
    _check_targets(config)
    try:
        return hydra.utils.instantiate(config, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, XmrError):
            raise cause from error
        if isinstance(cause, TypeError | ValueError):
            raise ConfigError(f"{config.get('_target_')} can't be built: {cause}") from error
        raise


def target_class(config: DictConfig) -> Any:
    """The class that `config._target_` names, from a package that a config may call."""
    _check_targets(config)
    return hydra.utils.get_class(config._target_)


def _check_targets(config: DictConfig) -> None:
    targets = list(_targets(config))
    for target in targets:
        if not (isinstance(target, str) and _is_in(target, PARTS + LIBRARIES)):
            raise _refusal(target)
    for target in targets:
        try:
            found = resolve_name(target)
        except (ImportError, AttributeError, ValueError):
            continue  # which instantiating it will tell
        # xmr.core.files.os.system is in xmr by its name alone
        home = str(getattr(found, "__module__", ""))
        if not (_is_in(home, PARTS) or (_is_in(home, LIBRARIES) and isinstance(found, type))):
            raise _refusal(target)


def _is_in(name: str, packages: tuple[str, ...]) -> bool:
    return f"{name}.".startswith(tuple(f"{package}." for package in packages))


def _refusal(target: object) -> ConfigError:
    return ConfigError(
        f"_target_={target} is outside what a config may call; name a class or function of "
        f"{', '.join(PARTS)}, or a class of {', '.join(LIBRARIES)}"
    )


def _targets(config: Any) -> Iterator[Any]:
    if isinstance(config, DictConfig):
        for key in config:
            if key == "_target_":
                yield config[key]
            elif not OmegaConf.is_missing(config, key):
                yield from _targets(config[key])
    elif isinstance(config, ListConfig):
        for value in config:
            yield from _targets(value)
