import math

import pytest
import torch

from xmr.core.errors import ConfigError
from xmr.losses.contrastive import ContrastiveLoss


def batch(items):
    torch.manual_seed(1)
    image, text = 0.4 * torch.randn(2, len(items), 3, dtype=torch.float64)
    return image, text, torch.tensor(items)


def pair_loss(first, second, label, margin):
    distance = math.sqrt(sum((float(a) - float(b)) ** 2 for a, b in zip(first, second, strict=True)))
    return 0.5 * (label * distance**2 + (1 - label) * max(0.0, margin - distance) ** 2)


@pytest.mark.parametrize("items", [[0, 1, 2, 3, 4], [4, 2, 4, 9, 4], [1, 1], [5], [3, 8]])
@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("negatives", [None, 100])
def test_equals_the_loop(items, margin, negatives):
    image, text, item_id = batch(items)
    size = range(len(items))
    positives = [pair_loss(image[i], text[i], 1, margin) for i in size]
    wrong = [pair_loss(image[i], text[j], 0, margin) for i in size for j in size if item_id[i] != item_id[j]]
    expected = (sum(positives) / len(positives) + sum(wrong) / max(1, len(wrong))) / 2
    value = ContrastiveLoss(margin=margin, negatives=negatives)(image, text, item_id)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_one_random_negative_has_the_mean_of_all():
    image, text, item_id = batch([4, 2, 4, 9, 1, 0])
    drawn = [ContrastiveLoss()(image, text, item_id) for _ in range(3000)]
    # every row has its own share of negatives here: one each
    distance = torch.cdist(image, text)
    negative = item_id[:, None] != item_id[None, :]
    hinge = (1 - distance).clamp(min=0).square() * negative
    expected = ((image - text).square().sum(1).mean() + (hinge.sum(1) / negative.sum(1)).mean()) / 4
    torch.testing.assert_close(torch.stack(drawn).mean(), expected, rtol=0.02, atol=0)
    assert torch.stack(drawn).std() > 0


@pytest.mark.parametrize("negatives", [None, 2])
def test_gradients_are_finite_for_duplicates(negatives):
    image, text, item_id = batch([0, 1, 2, 3])
    text[2] = image[0]  # a negative at distance 0
    image.requires_grad_()
    ContrastiveLoss(negatives=negatives)(image, text, item_id).backward()
    assert torch.isfinite(image.grad).all()
    image, text, item_id = batch([0, 1, 2, 3])
    if negatives is None:
        loss = ContrastiveLoss(negatives=None)
        assert torch.autograd.gradcheck(lambda i: loss(i, text, item_id), image.requires_grad_())


@pytest.mark.parametrize("negatives", [None, 1])
def test_a_collapsed_model(negatives):
    one_point, loss = torch.ones(3, 2), ContrastiveLoss(margin=2.0, negatives=negatives)
    assert loss(one_point, one_point, torch.arange(3)).item() == loss.collapsed_value(3) == 1.0


@pytest.mark.parametrize("bad", [{"margin": 0}, {"negatives": 0}])
def test_refuses_bad_settings(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        ContrastiveLoss(**bad)
