import math

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from xmr.core.errors import ConfigError
from xmr.training.schedulers import Constant, Schedule, WarmupCosine


def rates(schedule: Schedule, total: int, *, lr: float = 0.5) -> list[float]:
    """The learning rate of each step, as a training loop meets it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)
    scheduler, seen = LambdaLR(optimizer, lambda step: schedule.factor(step, total)), []
    for _ in range(total):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("total", [1, 2, 7, 100])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("final", [0.0, 0.2, 1.0])
def test_equals_the_loop(total, warmup, final):
    rising, expected = round(warmup * total), []
    for step in range(total):
        if step < rising:
            expected.append(0.5 * (step + 1) / (rising + 1))
        else:
            share = (step - rising) / (total - rising)
            expected.append(0.5 * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * share))))
    assert rates(WarmupCosine(warmup=warmup, final=final), total) == pytest.approx(expected)


def test_rises_to_the_peak_and_falls_to_the_final_rate():
    schedule = WarmupCosine(warmup=0.2, final=0.1)
    seen = [schedule.factor(step, 100) for step in range(101)]
    assert seen[:21] == sorted(seen[:21])
    assert seen[20:] == sorted(seen[20:], reverse=True)
    assert (seen[20], seen[100]) == (1.0, pytest.approx(0.1))
    assert min(seen) > 0  # the first step trains too


def test_stays_at_the_final_rate_beyond_the_end():
    assert WarmupCosine(final=0.1).factor(130, 100) == pytest.approx(0.1)


def test_each_group_keeps_its_own_peak():
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = torch.optim.SGD(
        [{"params": [parameters[0]], "lr": 1.0}, {"params": [parameters[1]], "lr": 0.1}]
    )
    LambdaLR(optimizer, lambda step: WarmupCosine(warmup=0.5).factor(step, 10))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1 / 6, 0.1 / 6])


def test_constant_is_constant():
    assert rates(Constant(), 9) == [0.5] * 9


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"warmup": -0.1}, "warmup"),
        ({"warmup": 1.0}, "warmup"),
        ({"final": -1}, "final"),
        ({"final": 2}, "final"),
    ],
)
def test_errors_name_the_setting(settings, named):
    with pytest.raises(ConfigError, match=f"{named}="):
        WarmupCosine(**settings)
