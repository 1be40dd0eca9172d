"""Learning-rate schedules, as factors of each group's own rate by step."""

import math
from typing import Protocol

from xmr.core.errors import ConfigError, check_at_least


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
