"""Optimizers: parameters sorted into groups by name, each with its own learning rate."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from xmr.core.errors import ConfigError, check_at_least, check_positive, did_you_mean

NamedParameters = Iterable[tuple[str, nn.Parameter]]


class OptimizerFactory:
    """Builds a torch optimizer over the parameters that learn.

    `groups` maps patterns of parameter names (`model.image_encoder.*`, `loss.*`) to what differs there
    (`lr`, `weight_decay`, ...); the first match holds, a pattern that matches nothing is an error.
    Vectors and scalars (biases, norms, the temperature) get no weight decay.
    """

    def __init__(
        self,
        optimizer: Callable[..., Optimizer],
        *,
        lr: float,
        weight_decay: float = 0.0,
        groups: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        check_positive(lr=lr)
        check_at_least(0, weight_decay=weight_decay)
        self.optimizer = optimizer
        self.defaults = {"lr": lr, "weight_decay": weight_decay}
        self.groups = groups or {}
        self.options = options
        for pattern, settings in self.groups.items():
            where = f"optimizer.groups['{pattern}']"
            if not isinstance(settings, Mapping):
                raise ConfigError(f"{where}={settings}; write what differs there, as in {{lr: 1e-4}}")
            check_positive(**{f"{where}.lr": settings.get("lr", lr)})
            check_at_least(0, **{f"{where}.weight_decay": settings.get("weight_decay", weight_decay)})

    def build(
        self,
        named_parameters: NamedParameters,
        *,
        stage_lr: Callable[[str], tuple[float, ...]] = lambda _: (),
    ) -> Optimizer:
        """The optimizer; raises `ConfigError` when nothing learns, or a group matches nothing that does.

        So it does for a setting of a group that the optimizer does not know. `stage_lr` gives the factors
        of a parameter's rate by stage; each group has its own in "stage_lr".
        """
        members: dict[tuple[str, bool, tuple[float, ...]], list[nn.Parameter]] = {}
        for name, parameter in named_parameters:
            if parameter.requires_grad:
                pattern = next((p for p in self.groups if fnmatchcase(name, p)), "")
                kind = (pattern, parameter.ndim >= 2, stage_lr(name))
                members.setdefault(kind, []).append(parameter)
        if not members:
            raise ConfigError("no parameter learns: everything is in model.freeze; thaw a part")
        unused = set(self.groups) - {pattern for pattern, _, _ in members}
        if unused:
            raise ConfigError(
                f"optimizer.groups: {sorted(unused)} match no learning parameter, or none that an earlier "
                f"pattern leaves; mend the pattern or its place"
            )
        optimizer = self.optimizer(
            [self._settings(*key, parameters) for key, parameters in members.items()], **self.options
        )
        for pattern, settings in self.groups.items():
            for name in settings.keys() - optimizer.defaults.keys():
                hint = did_you_mean(name, optimizer.defaults)
                raise ConfigError(f"optimizer.groups['{pattern}'] sets '{name}', unknown here; {hint}")
        return optimizer

    def _settings(
        self, pattern: str, decays: bool, stage_lr: tuple[float, ...], parameters: list[nn.Parameter]
    ) -> dict[str, Any]:
        settings = {**self.defaults, **self.groups.get(pattern, {}), "params": parameters}
        settings |= {"stage_lr": stage_lr} if stage_lr else {}
        return settings if decays else {**settings, "weight_decay": 0.0}


def adamw(**options: Any) -> OptimizerFactory:
    """AdamW (Loshchilov and Hutter 2019), torch's."""
    return OptimizerFactory(torch.optim.AdamW, **options)


def sgd(**options: Any) -> OptimizerFactory:
    """SGD with momentum, torch's."""
    return OptimizerFactory(torch.optim.SGD, **options)
