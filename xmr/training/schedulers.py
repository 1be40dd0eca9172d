"""Learning-rate schedules, as factors of each group's own rate by step."""

import math
from typing import Protocol

from xmr.core.errors import ConfigError, check_at_least, check_positive


class Schedule(Protocol):
    """How the learning rate goes over a run."""

    def factor(self, step: int, total_steps: int) -> float:
        """The factor of each group's own rate at `step` in 0..total_steps."""


class WarmupCosine:
    """Linear rise over the first `warmup` share of all steps, then a half cosine down to `final`.

    `warmup` is in [0, 1); `final` in [0, 1] is a factor of the peak.
    """

    def __init__(self, *, warmup: float = 0.05, final: float = 0.0) -> None:
        check_at_least(0, warmup=warmup, final=final)
        if warmup >= 1 or final > 1:
            raise ConfigError(f"warmup={warmup}, final={final}; use warmup in [0, 1) and final in [0, 1]")
        self.warmup = warmup
        self.final = final

    def factor(self, step: int, total_steps: int) -> float:
        """The factor at `step` in 0..total_steps."""
        warmup_steps = round(self.warmup * total_steps)
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


class Constant:
    """One rate from the first step to the last."""

    def factor(self, step: int, total_steps: int) -> float:
        """Always 1."""
        return 1.0


class StepDecay:
    """The rate times `factor` after each `every` share of all steps, in (0, 1] (torch's StepLR, by shares).

    StepLR(8, 0.1) in a run of 50 epochs is `every` 0.16 and `factor` 0.1.
    """

    def __init__(self, *, every: float, factor: float = 0.1) -> None:
        check_positive(every=every, factor=factor)
        if every > 1 or factor > 1:
            raise ConfigError(f"every={every}, factor={factor}; use shares in (0, 1]")
        self.every = every
        self.by = factor

    def factor(self, step: int, total_steps: int) -> float:
        """The factor at `step` in 0..total_steps."""
        # shares such as 0.1 have no exact binary value: the third tenth begins at step 30 of 100
        return self.by ** int(step / max(1, total_steps) / self.every + 1e-9)


class Exponential:
    """A rate that decays smoothly to the share `final` in (0, 1] of itself at the end."""

    def __init__(self, *, final: float = 0.01) -> None:
        check_positive(final=final)
        if final > 1:
            raise ConfigError(f"final={final} is a share of the rate that a run begins with; use at most 1")
        self.final = final

    def factor(self, step: int, total_steps: int) -> float:
        """The factor at `step` in 0..total_steps."""
        return self.final ** min(1.0, step / max(1, total_steps))
