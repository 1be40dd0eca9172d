"""Learning-rate schedules, as factors of each group's own rate by step."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from xmr.core.errors import ConfigError, check_at_least


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

    def build(self, optimizer: Optimizer, total_steps: int) -> LambdaLR:
        """A torch scheduler, to be stepped once a training step."""
        return LambdaLR(optimizer, lambda step: self.factor(step, total_steps))


class Constant(WarmupCosine):
    """One rate from the first step to the last."""

    def __init__(self) -> None:
        super().__init__(warmup=0.0, final=1.0)
