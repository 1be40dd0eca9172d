import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.miners import HardestNegative, RandomNegative, SemiHardNegative
from xmr.losses.triplet import TripletLoss

MINERS = [HardestNegative(), SemiHardNegative(), RandomNegative()]
by_miner = pytest.mark.parametrize("miner", MINERS, ids=lambda miner: type(miner).__name__)


def random_batch(items):
    torch.manual_seed(1)
    image, text = normalize(torch.randn(2, len(items), 5, dtype=torch.float64), dim=2)
    return image, text, torch.tensor(items)


def choose(miner, similarities, own, negatives):
    """The negative that `miner` stands for, found by looping; None leaves it to chance."""
    if isinstance(miner, RandomNegative):
        return None
    if isinstance(miner, SemiHardNegative):
        below = [j for j in negatives if similarities[j] < similarities[own]]
        if not below:
            return min(negatives, key=lambda j: similarities[j])
        negatives = below
    return max(negatives, key=lambda j: similarities[j])


def loop_reference(image, text, item_id, miner, margin, drawn):
    total = 0.0
    for (queries, gallery), chosen in zip(((image, text), (text, image)), drawn, strict=True):
        hinges = []
        for i in range(len(queries)):
            similarities = [float(queries[i] @ row) for row in gallery]
            negatives = [j for j in range(len(gallery)) if item_id[j] != item_id[i]]
            if negatives:
                j = choose(miner, similarities, i, negatives)
                j = int(chosen[i]) if j is None else j
                hinges.append(max(0.0, margin - similarities[i] + similarities[j]))
        total += sum(hinges) / max(1, len(hinges))
    return total / 2


@by_miner
@pytest.mark.parametrize("items", [[0, 1, 2, 3, 4, 5, 6], [4, 2, 4, 9, 4, 2, 0], [1, 1], [5]])
@pytest.mark.parametrize("margin", [0.2, 1.0])
def test_equals_the_loop(miner, items, margin):
    image, text, item_id = random_batch(items)
    similarity, positive = image @ text.T, item_id[:, None] == item_id[None, :]
    torch.manual_seed(5)
    drawn = [miner(similarity, positive), miner(similarity.T, positive)]
    torch.manual_seed(5)
    value = TripletLoss(miner=miner, margin=margin)(image, text, item_id)
    expected = loop_reference(image, text, item_id, miner, margin, drawn)
    assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_with_the_hardest_negative_it_is_vse_plus_plus():
    """Their code: clamp the cost matrices, clear the diagonal, sum the row and column maxima."""
    image, text, item_id = random_batch(list(range(9)))
    scores = image @ text.T
    diagonal = scores.diagonal()
    of_texts = (0.2 + scores - diagonal[:, None]).clamp(min=0).fill_diagonal_(0).amax(1)
    of_images = (0.2 + scores - diagonal[None, :]).clamp(min=0).fill_diagonal_(0).amax(0)
    value = TripletLoss(miner=HardestNegative(), margin=0.2)(image, text, item_id)
    torch.testing.assert_close(value * 2 * 9, of_texts.sum() + of_images.sum())


@by_miner
@pytest.mark.parametrize("margin", [0.2, 1.5])
def test_a_collapsed_model_has_the_margin(miner, margin):
    image, _, item_id = random_batch([4, 2, 4, 9])
    one_point = image[:1].expand_as(image)
    assert TripletLoss(miner=miner, margin=margin)(one_point, one_point, item_id).item() == pytest.approx(
        margin
    )


@by_miner
def test_a_batch_of_one_item_teaches_nothing(miner):
    image, text, item_id = random_batch([3, 3, 3])
    value = TripletLoss(miner=miner)(image.requires_grad_(), text, item_id)
    value.backward()
    assert value == 0
    assert not image.grad.any()


@pytest.mark.parametrize("margin", [0, -0.2, float("nan")])
def test_refuses_bad_margins(margin):
    with pytest.raises(ConfigError, match="margin"):
        TripletLoss(miner=HardestNegative(), margin=margin)
