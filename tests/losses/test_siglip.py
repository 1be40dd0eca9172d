import math

import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.siglip import SigLIP


@pytest.mark.parametrize("items", [range(7), [4, 2, 4, 9, 4, 2, 0]])
@pytest.mark.parametrize(("temperature", "bias"), [(0.1, -10.0), (0.5, 0.3)])
def test_equals_the_loop(items, temperature, bias):
    """Algorithm 1 of the paper, pair by pair."""
    torch.manual_seed(0)
    image, text = normalize(torch.randn(2, 7, 5, dtype=torch.float64), dim=2)
    loss = SigLIP(temperature=temperature, bias=bias).double()
    scale, bias = math.exp(loss.log_scale.item()), loss.bias.item()
    total = 0.0
    for i in range(7):
        for j in range(7):
            label = 1 if items[i] == items[j] else -1
            total += math.log1p(math.exp(-label * (scale * float(image[i] @ text[j]) + bias)))
    assert loss(image, text, torch.tensor(list(items))).item() == pytest.approx(total / 7, rel=1e-12)


def test_starts_as_in_the_paper():
    loss = SigLIP()
    assert loss.diagnostics() == {"temperature": pytest.approx(0.1), "bias": -10.0}
    # one pair at cosine 1: 10 * 1 - 10 = 0, an even guess
    one = torch.tensor([[1.0, 0.0]])
    assert loss(one, one, torch.zeros(1)).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("temperature", [0, -0.1, float("nan")])
def test_refuses_bad_temperatures(temperature):
    with pytest.raises(ConfigError, match="temperature"):
        SigLIP(temperature=temperature)
