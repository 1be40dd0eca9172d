import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.ranking import RankingLoss


def batch(items, *, seed=0):
    torch.manual_seed(seed)
    image, text = normalize(torch.randn(2, len(items), 5, dtype=torch.float64), dim=2)
    return image, text, torch.tensor(items)


def loop_reference(image, text, items, old, margin):
    """With pools as large as all candidates, the hardest of all; `old` has (image, text, item)."""
    total, size = 0.0, len(items)
    texts = [*zip(text, items.tolist(), strict=True), *((row[1], int(row[2])) for row in old)]
    images = [*zip(image, items.tolist(), strict=True), *((row[0], int(row[2])) for row in old)]
    for i in range(size):
        own = float(image[i] @ text[i])
        wrong_texts = [float(image[i] @ row) for row, item in texts if item != items[i]]
        wrong_images = [float(text[i] @ row) for row, item in images if item != items[i]]
        total += max(0.0, margin - (own - max(wrong_texts))) if wrong_texts else 0.0
        total += max(0.0, margin - (own - max(wrong_images))) if wrong_images else 0.0
    return total / size


@pytest.mark.parametrize("items", [[0, 1, 2, 3], [4, 2, 4, 9], [1, 1], [5]])
@pytest.mark.parametrize("memory", [0, 3])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_equals_the_loop(items, memory, margin):
    loss = RankingLoss(margin=margin, text_pool=100, image_pool=100, memory=memory)
    first, second = batch([7, 4, 0], seed=1), batch(items)
    loss(*first)
    old = list(zip(*first, strict=True))[:memory]
    assert loss(*second).item() == pytest.approx(loop_reference(*second, old, margin), rel=1e-12, abs=1e-15)


def test_pools_differ_by_side():
    """Negatives come from the pool: hardest of many texts, a random image."""
    image, text, item_id = batch(list(range(40)))
    loss = RankingLoss(text_pool=39, image_pool=1, memory=0)
    cosine = image @ text.T
    own, others = cosine.diagonal(), cosine.clone().fill_diagonal_(-2)
    of_images = (1 - own + others.amax(1)).clamp(min=0).mean()
    values = torch.stack([loss(image, text, item_id) for _ in range(400)]) - of_images
    wrong = (1 - own[None, :] + cosine).clamp(min=0).fill_diagonal_(0)
    torch.testing.assert_close(values.mean(), wrong.sum() / (40 * 39), rtol=0.02, atol=0)
    assert values.std() > 0


def test_a_larger_pool_is_harder():
    image, text, item_id = batch(list(range(60)))
    means = [
        torch.stack([RankingLoss(text_pool=pool, memory=0)(image, text, item_id) for _ in range(20)]).mean()
        for pool in (1, 4, 16, 64)
    ]
    assert means == sorted(means)


def test_a_collapsed_model_has_the_margin_twice():
    one_point = torch.ones(3, 1)
    loss = RankingLoss(margin=0.7)
    assert loss(one_point, one_point, torch.arange(3)).item() == pytest.approx(loss.collapsed_value(3))
    assert loss.collapsed_value(3) == pytest.approx(1.4)


@pytest.mark.parametrize("bad", [{"margin": 0}, {"text_pool": 0}, {"image_pool": 0}, {"memory": -1}])
def test_refuses_bad_settings(bad):
    with pytest.raises(ConfigError):
        RankingLoss(**bad)
