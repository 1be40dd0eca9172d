import math

import pytest
import torch

from xmr.core.errors import ConfigError
from xmr.losses.miners import HardestNegative, RandomNegative, SemiHardNegative
from xmr.losses.triplet_l2 import TripletL2

ITEMS = [[0, 1, 2, 3, 4], [4, 2, 4, 9, 4], [1, 1], [5]]


def batch(items, *, norm=1.0):
    torch.manual_seed(1)
    image, text = norm * torch.randn(2, len(items), 4, dtype=torch.float64)
    return image, text, torch.tensor(items)


def distance(first, second, squared):
    total = sum((float(a) - float(b)) ** 2 for a, b in zip(first, second, strict=True))
    return total if squared else math.sqrt(total)


def choose(miner, distances, own, negatives):
    if isinstance(miner, SemiHardNegative):
        further = [j for j in negatives if distances[j] > distances[own]]
        if not further:
            return max(negatives, key=lambda j: distances[j])
        negatives = further
    return min(negatives, key=lambda j: distances[j])


def loop_reference(sides, item_id, miner, margin, squared):
    values = []
    for queries, gallery in sides:
        total = 0.0
        for i in range(len(queries)):
            distances = [distance(queries[i], row, squared) for row in gallery]
            negatives = [j for j in range(len(gallery)) if item_id[j] != item_id[i]]
            if negatives:
                j = choose(miner, distances, i, negatives)
                total += max(0.0, margin + distances[i] - distances[j])
        values.append(total / len(queries))
    return sum(values) / len(values)


@pytest.mark.parametrize("miner", [HardestNegative(), SemiHardNegative()], ids=["hardest", "semi-hard"])
@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize(("margin", "squared"), [(1.0, True), (5.0, False)])
@pytest.mark.parametrize("directions", ["both", "image_to_text", "text_to_image"])
def test_equals_the_loop(miner, items, margin, squared, directions):
    image, text, item_id = batch(items)
    sides = {"image_to_text": [(image, text)], "text_to_image": [(text, image)]}
    loss = TripletL2(miner=miner, margin=margin, squared=squared, directions=directions)
    expected = loop_reference(
        sides.get(directions) or [(image, text), (text, image)], item_id, miner, margin, squared
    )
    assert loss(image, text, item_id).item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_random_negatives_have_the_mean_of_all():
    image, text, item_id = batch(list(range(8)))
    loss = TripletL2(miner=RandomNegative(), margin=1.0, squared=True, directions="image_to_text")
    drawn = torch.stack([loss(image, text, item_id) for _ in range(3000)]).mean()
    squared = torch.cdist(image, text).square()
    hinges = (1 + squared.diagonal()[:, None] - squared).clamp(min=0).fill_diagonal_(0)
    torch.testing.assert_close(drawn, hinges.sum() / (8 * 7), rtol=0.05, atol=0)


@pytest.mark.parametrize("squared", [True, False])
def test_gradients(squared):
    image, text, item_id = batch([4, 2, 4, 9, 4])
    loss = TripletL2(miner=HardestNegative(), margin=5.0, squared=squared)
    assert torch.autograd.gradcheck(
        lambda i, t: loss(i, t, item_id), (image.requires_grad_(), text.requires_grad_())
    )


@pytest.mark.parametrize("norm", [1.0, 1e4])
@pytest.mark.parametrize("squared", [True, False])
def test_a_collapsed_model_has_exactly_the_margin(norm, squared):
    """In float32 and at any norm: what is equal is at distance 0, not at the rounding of a product."""
    image, _, item_id = batch([0, 1, 2, 3], norm=norm)
    one_point = image[:1].float().expand(4, 4).clone().requires_grad_()
    value = TripletL2(miner=HardestNegative(), margin=5.0, squared=squared)(one_point, one_point, item_id)
    value.backward()
    assert value.item() == 5.0
    assert torch.isfinite(one_point.grad).all()


@pytest.mark.parametrize(
    ("bad", "message"), [({"margin": 0}, "margin"), ({"directions": "image_to_txt"}, "image_to_text")]
)
def test_refuses_bad_settings(bad, message):
    with pytest.raises(ConfigError, match=message):
        TripletL2(miner=HardestNegative(), **bad)
