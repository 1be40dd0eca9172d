import math

import pytest
import torch
from pytorch_metric_learning import losses

from xmr.core.errors import ConfigError
from xmr.losses.margin_softmax import ArcFace, CosFace

CLASSES, DIM = 6, 4
BOTH = pytest.mark.parametrize("build", [ArcFace, CosFace])


def batch(items=(4, 2, 4, 5, 0)):
    torch.manual_seed(2)
    image, text = 3 * torch.randn(2, len(items), DIM, dtype=torch.float64)
    return image, text, torch.tensor(items)


def built(build, **settings):
    loss = build(**settings)
    torch.manual_seed(3)
    loss.set_classes(classes=CLASSES, dim=DIM)
    return loss.double()


def own_logit(build, cosine, margin):
    if build is CosFace:
        return cosine - margin
    angle = math.acos(cosine)
    return math.cos(angle + margin) if angle + margin <= math.pi else cosine - margin * math.sin(margin)


@BOTH
@pytest.mark.parametrize("items", [(4, 2, 4, 5, 0), (1,), (3, 3)])
@pytest.mark.parametrize(("margin", "scale"), [(0.0, 5.0), (0.35, 16.0), (2.5, 4.0)])
def test_equals_the_loop(build, items, margin, scale):
    loss = built(build, margin=margin, scale=scale)
    image, text, item_id = batch(items)
    weight, total = loss.weight.detach(), 0.0
    for side in (image, text):
        for row, own in zip(side, items, strict=True):
            cosines = [float(row @ of) / float(row.norm() * of.norm()) for of in weight]
            logits = [scale * (own_logit(build, c, margin) if k == own else c) for k, c in enumerate(cosines)]
            total -= logits[own] - math.log(sum(map(math.exp, logits)))
    assert loss(image, text, item_id).item() == pytest.approx(total / (2 * len(items)), rel=1e-9)


@BOTH
def test_is_that_of_pytorch_metric_learning(build):
    loss = built(build, margin=0.4, scale=16.0)
    image, text, item_id = batch()
    theirs = (
        losses.ArcFaceLoss(CLASSES, DIM, margin=math.degrees(0.4), scale=16)
        if build is ArcFace
        else losses.CosFaceLoss(CLASSES, DIM, margin=0.4, scale=16)
    ).double()
    theirs.W.data = loss.weight.detach().T.clone()
    expected = theirs(torch.cat([image, text]), item_id.repeat(2))
    torch.testing.assert_close(loss(image, text, item_id), expected, rtol=1e-6, atol=0)


@BOTH
def test_gradients_are_finite_where_the_feature_is_its_class(build):
    """The angle has no derivative at 0 and at pi."""
    loss = built(build).float()
    own = loss.weight.detach()[:3].clone().requires_grad_()
    for sign in (1, -1):
        loss(sign * own, sign * own, torch.arange(3)).backward()
    assert torch.isfinite(own.grad).all()
    assert torch.isfinite(loss.weight.grad).all()


@BOTH
def test_asks_for_its_classes_and_refuses_bad_settings(build):
    with pytest.raises(ConfigError, match="set_classes"):
        build()(*batch())
    with pytest.raises(ConfigError, match="margin"):
        build(margin=-0.1)
    with pytest.raises(ConfigError, match="scale"):
        build(scale=0)
