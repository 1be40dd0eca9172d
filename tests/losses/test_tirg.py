import math

import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.tirg import BatchSoftmax, SoftTriplet

ITEMS = pytest.mark.parametrize("items", [[0, 1, 2, 3, 4], [4, 2, 4, 9, 4], [1, 1], [5]])


def batch(items):
    torch.manual_seed(2)
    image, text = normalize(torch.randn(2, len(items), 6, dtype=torch.float64), dim=2)
    return image, text, torch.tensor(items)


@ITEMS
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_batch_softmax_equals_the_loop(items, scale):
    image, text, item_id = batch(items)
    total = 0.0
    for i in range(len(items)):
        query = scale * text[i]
        weights = [math.exp(float(query @ (scale * target))) for target in image]
        own = [j for j in range(len(items)) if item_id[j] == item_id[i]]
        total -= sum(math.log(weights[j] / sum(weights)) for j in own) / len(own)
    value = BatchSoftmax(scale=scale).double()(image, text, item_id)
    assert value.item() == pytest.approx(total / len(items), rel=1e-12, abs=1e-15)


@ITEMS
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_soft_triplet_equals_the_loop(items, scale):
    """Squared distances of scaled vectors, triplet by triplet."""
    image, text, item_id = batch(items)
    violations = []
    for i in range(len(items)):
        to_own = float((scale * text[i] - scale * image[i]).square().sum())
        for j in range(len(items)):
            if item_id[j] != item_id[i]:
                to_other = float((scale * text[i] - scale * image[j]).square().sum())
                violations.append(math.log1p(math.exp(to_own - to_other)))
    value = SoftTriplet(scale=scale).double()(image, text, item_id)
    assert value.item() == pytest.approx(sum(violations) / max(1, len(violations)), rel=1e-12)


@pytest.mark.parametrize("build", [BatchSoftmax, SoftTriplet])
def test_queries_are_the_text_side(build):
    """One target that all queries choose is wrong for queries, not for targets choosing queries."""
    image, text, item_id = batch([0, 1, 2])
    text[1] = text[2] = text[0]
    loss = build()
    assert loss(image, text, item_id) != loss(text, image, item_id)


@pytest.mark.parametrize("build", [BatchSoftmax, SoftTriplet])
def test_the_scale_learns_unless_it_is_fixed(build):
    assert build().diagnostics() == {"scale": 4.0}
    assert [p.requires_grad for p in build(learn_scale=False).parameters()] == [False]
    with pytest.raises(ConfigError, match="scale"):
        build(scale=0)
