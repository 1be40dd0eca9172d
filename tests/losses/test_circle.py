import math

import pytest
import torch
from pytorch_metric_learning import losses
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.circle import CircleLoss


def batch(items):
    torch.manual_seed(2)
    image, text = normalize(torch.randn(2, len(items), 4, dtype=torch.float64), dim=2)
    return image, text, torch.tensor(items)


@pytest.mark.parametrize("items", [[0, 1, 2, 3, 4], [4, 2, 4, 9, 4], [1, 1], [5]])
@pytest.mark.parametrize(("margin", "scale"), [(0.25, 8.0), (0.4, 80.0)])
def test_equals_the_loop(items, margin, scale):
    """Equations 5 and 6 of the paper, term by term."""
    image, text, item_id = batch(items)
    total = 0.0
    for queries, gallery in ((image, text), (text, image)):
        for i in range(len(items)):
            positives, negatives = [], []
            for j in range(len(items)):
                s = float(queries[i] @ gallery[j])
                if item_id[i] == item_id[j]:
                    positives.append(math.exp(-scale * max(0, 1 + margin - s) * (s - (1 - margin))))
                else:
                    negatives.append(math.exp(scale * max(0, s + margin) * (s - margin)))
            total += math.log(1 + sum(negatives) * sum(positives))
    value = CircleLoss(margin=margin, scale=scale)(image, text, item_id)
    assert value.item() == pytest.approx(total / (2 * len(items)), rel=1e-10, abs=1e-15)


def test_is_that_of_pytorch_metric_learning_and_so_are_its_gradients():
    """Theirs normalises by itself, which the gradients show."""
    ours, theirs = batch([4, 2, 4, 9, 4, 0]), batch([4, 2, 4, 9, 4, 0])
    gradients = []
    for image, text, item_id in ours, theirs:
        image.requires_grad_()
        text.requires_grad_()
        if image is ours[0]:
            value = CircleLoss(margin=0.25, scale=32.0)(
                normalize(image, dim=1), normalize(text, dim=1), item_id
            )
        else:
            loss = losses.CircleLoss(m=0.25, gamma=32)
            value = sum(
                loss(anchors, item_id, ref_emb=others, ref_labels=item_id.clone()) / 2
                for anchors, others in ((image, text), (text, image))
            )
        value.backward()
        gradients.append([value.detach(), image.grad, text.grad])
    torch.testing.assert_close(*gradients)


def test_a_batch_of_one_item_teaches_nothing():
    image, text, item_id = batch([3, 3])
    value = CircleLoss()(image.requires_grad_(), text, item_id)
    value.backward()
    assert value == 0
    assert not image.grad.any()


@pytest.mark.parametrize("bad", [{"margin": 0}, {"scale": -1.0}])
def test_refuses_bad_settings(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        CircleLoss(**bad)
