"""From config to objects: the one place that imports what a config names, and only from known packages."""

from collections.abc import Iterator
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, ListConfig, OmegaConf

from xmr.core.errors import ConfigError, XmrError

ALLOWED_PACKAGES = ("xmr", "torch", "torchvision", "pytorch_lightning", "transformers")


def instantiate(config: DictConfig, **arguments: Any) -> Any:
    """The object that `config._target_` names, built with the config's and the given arguments.

    Containers arrive as plain lists and dicts. Raises `ConfigError` when a target is outside
    `ALLOWED_PACKAGES` (nothing is imported then), and what the component itself raises for bad arguments.
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
    for target in _targets(config):
        if not isinstance(target, str) or target.split(".")[0] not in ALLOWED_PACKAGES:
            raise ConfigError(
                f"_target_={target} is outside the packages that a config may call "
                f"({', '.join(ALLOWED_PACKAGES)}); name a class or function of one of them"
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
