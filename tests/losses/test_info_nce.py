import math

import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.info_nce import InfoNCE


def random_batch(size=7, dim=5, *, items=None):
    generator = torch.Generator().manual_seed(0)
    image, text = normalize(torch.randn(2, size, dim, generator=generator, dtype=torch.float64), dim=2)
    return image, text, torch.arange(size) if items is None else torch.tensor(items)


def loop_reference(image, text, item_id, temperature):
    """Both directions, each positive in turn, averaged outside the logarithm."""
    size, total = len(image), 0.0
    for queries, gallery in ((image, text), (text, image)):
        for i in range(size):
            weights = [math.exp(float(queries[i] @ gallery[j]) / temperature) for j in range(size)]
            positives = [j for j in range(size) if item_id[j] == item_id[i]]
            total -= sum(math.log(weights[j] / sum(weights)) for j in positives) / len(positives)
    return total / (2 * size)


@pytest.mark.parametrize("items", [None, [4, 2, 4, 9, 4, 2, 0], [1, 1, 1, 1, 1, 1, 1]])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_the_loop(items, temperature):
    batch = random_batch(items=items)
    loss = InfoNCE(temperature=temperature).double()
    expected = loop_reference(*batch, math.exp(-loss.log_scale.item()))
    assert loss(*batch).item() == pytest.approx(expected, rel=1e-12)


def test_gradients_are_those_of_the_loop():
    image, text, item_id = random_batch(items=[4, 2, 4, 9, 4, 2, 0])
    loss = InfoNCE(temperature=0.2).double()
    assert torch.autograd.gradcheck(
        lambda i, t: loss(i, t, item_id), (image.requires_grad_(), text.requires_grad_())
    )


@pytest.mark.parametrize("items", [None, [4, 2, 4, 9, 4, 2, 0]])
def test_a_collapsed_model_has_log_batch_size(items):
    image, _, item_id = random_batch(items=items)
    one_point = image[:1].expand_as(image)
    assert InfoNCE().double()(one_point, one_point, item_id).item() == pytest.approx(math.log(7))


def test_temperature_stops_at_its_limit_and_can_come_back():
    image, _, item_id = random_batch()
    loss, at_limit = InfoNCE().double(), InfoNCE(temperature=0.01).double()
    with torch.no_grad():
        loss.log_scale.fill_(9.0)
    mismatched = image.roll(1, dims=0)
    value = loss(image, mismatched, item_id)
    torch.testing.assert_close(value, at_limit(image, mismatched, item_id))
    assert loss.diagnostics()["temperature"] == pytest.approx(0.01)
    value.backward()
    assert loss.log_scale.grad > 0  # descending makes the temperature rise


@pytest.mark.parametrize("temperature", [0.009, 0, -1, float("nan")])
def test_refuses_temperatures_that_it_would_not_use(temperature):
    with pytest.raises(ConfigError, match=r"use temperature >= 0\.01"):
        InfoNCE(temperature=temperature)


def test_a_fixed_temperature_does_not_learn():
    loss = InfoNCE(temperature=0.2, learn_temperature=False)
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    assert loss.diagnostics() == {"temperature": pytest.approx(0.2)}
