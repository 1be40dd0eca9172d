import math

import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.info_nce import InfoNCE
from xmr.losses.soft_info_nce import SoftInfoNCE


def batch(items):
    torch.manual_seed(2)
    image, text = normalize(torch.randn(2, len(items), 4, dtype=torch.float64), dim=2)
    return image, text, torch.tensor(items)


def softmax(values):
    weights = [math.exp(value) for value in values]
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize("items", [[0, 1, 2, 3, 4], [4, 2, 4, 9, 4], [1, 1], [5]])
@pytest.mark.parametrize(("softness", "target_temperature"), [(0.3, 0.1), (1.0, 1.0)])
def test_equals_the_loop(items, softness, target_temperature):
    image, text, item_id = batch(items)
    loss = SoftInfoNCE(temperature=0.2, softness=softness, target_temperature=target_temperature).double()
    temperature, total, size = loss.diagnostics()["temperature"], 0.0, len(items)
    for queries, gallery in ((image, text), (text, image)):
        for i in range(size):
            chances = softmax([float(queries[i] @ row) / temperature for row in gallery])
            alike = softmax([float(queries[i] @ row) / target_temperature for row in queries])
            same = [float(item_id[j] == item_id[i]) for j in range(size)]
            for j in range(size):
                target = (1 - softness) * same[j] / sum(same) + softness * alike[j]
                total -= target * math.log(chances[j])
    assert loss(image, text, item_id).item() == pytest.approx(total / (2 * size), rel=1e-12)


def test_without_softness_it_is_info_nce():
    pairs = batch([4, 2, 4, 9, 4])
    torch.testing.assert_close(SoftInfoNCE(softness=0.0)(*pairs), InfoNCE()(*pairs))


def test_a_near_duplicate_is_not_wholly_wrong():
    """Choosing the text of a near copy of one's image costs less than with hard labels, relatively."""
    image, _, item_id = batch([0, 1, 2, 3])
    image[1] = image[0]
    swapped = image[[1, 0, 2, 3]].roll(1, dims=0)
    soft, hard = SoftInfoNCE(softness=1.0), InfoNCE()
    assert soft(image, image, item_id) < soft(image, swapped, item_id)
    target = soft._target(image, item_id)
    torch.testing.assert_close(target[0, 0], target[0, 1])
    torch.testing.assert_close(target.sum(1), torch.ones(4, dtype=torch.float64))
    assert hard(image, image, item_id) > 0.25  # rows 0 and 1 can't be told apart: log 2 for half the rows


def test_targets_are_constants_for_the_gradient():
    image, _, item_id = batch([0, 1, 2])
    loss = SoftInfoNCE(softness=1.0).double()
    image.requires_grad_()
    assert not loss._target(image, item_id).requires_grad


@pytest.mark.parametrize(
    "bad", [{"softness": -0.1}, {"softness": 1.1}, {"target_temperature": 0}, {"temperature": 0}]
)
def test_refuses_bad_settings(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        SoftInfoNCE(**bad)
