import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xmr.core.errors import ConfigError
from xmr.losses.miners import HardestNegative, HardestOfPool, RandomNegative, SemiHardNegative

MINERS = [HardestNegative(), SemiHardNegative(), RandomNegative()]


@st.composite
def batches(draw):
    """Similarities with many ties, extremes included, and items that may own several rows."""
    size = draw(st.integers(1, 8))
    values = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0])
    similarity = torch.tensor(
        draw(st.lists(st.lists(values, min_size=size, max_size=size), min_size=size, max_size=size))
    )
    items = torch.tensor(draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))
    return similarity, items[:, None] == items[None, :]


@pytest.mark.parametrize("miner", MINERS, ids=lambda miner: type(miner).__name__)
@given(batch=batches())
@settings(max_examples=100, deadline=None)
def test_chooses_negatives_alone(miner, batch):
    similarity, positive = batch
    chosen = miner(similarity, positive)
    assert chosen.shape == (len(similarity),)
    for row, column in enumerate(chosen.tolist()):
        assert 0 <= column < len(similarity)
        assert positive[row].all() or not positive[row, column]


@given(batch=batches())
@settings(max_examples=100, deadline=None)
def test_hardest_is_the_most_similar_negative(batch):
    similarity, positive = batch
    for row, column in enumerate(HardestNegative()(similarity, positive).tolist()):
        if not positive[row].all():
            assert similarity[row, column] == similarity[row][~positive[row]].max()


@given(batch=batches())
@settings(max_examples=100, deadline=None)
def test_semi_hard_is_the_most_similar_below_the_own_one(batch):
    """FaceNet's: further away than the positive, but the nearest of those; where none is, the furthest."""
    similarity, positive = batch
    for row, column in enumerate(SemiHardNegative()(similarity, positive).tolist()):
        negatives = similarity[row][~positive[row]]
        below = negatives[negatives < similarity[row, row]]
        if len(below):
            assert similarity[row, column] == below.max()
        elif len(negatives):
            assert similarity[row, column] == negatives.min()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_random_draws_all_negatives_alike(dtype):
    torch.manual_seed(0)
    size, rounds = 400, 50
    positive = torch.eye(size, dtype=torch.bool)
    positive[:, 0] = positive[0] = True
    counts = torch.zeros(size)
    for _ in range(rounds):
        counts += RandomNegative()(torch.zeros(size, size, dtype=dtype), positive).bincount(minlength=size)
    assert counts[0] == rounds  # row 0 has no negative and may give any position: its own
    expected = rounds * (size - 1) / (size - 2)
    chi_squared = ((counts[1:] - expected) ** 2 / expected).sum()
    assert 0.7 < chi_squared / (size - 2) < 1.3


def test_random_follows_the_global_seed():
    similarity, positive = torch.zeros(50, 50), torch.eye(50, dtype=torch.bool)
    torch.manual_seed(3)
    first, second = (RandomNegative()(similarity, positive) for _ in range(2))
    torch.manual_seed(3)
    assert torch.equal(RandomNegative()(similarity, positive), first)
    assert not torch.equal(first, second)


def test_hardest_of_a_pool_is_between_random_and_hardest():
    torch.manual_seed(0)
    similarity, positive = torch.rand(30, 40), torch.eye(30, 40, dtype=torch.bool)
    positive[3] = True
    positive[3, [5, 9]] = False  # fewer negatives than the pool takes
    rows = torch.arange(30)
    hardest = HardestNegative()(similarity, positive)
    assert torch.equal(HardestOfPool(pool=100)(similarity, positive), hardest)
    for pool in (1, 4, 39):
        assert not positive[rows, HardestOfPool(pool=pool)(similarity, positive)].any()
    # the hardest of 10 out of 39 is the hardest of all with chance 10/39
    found = sum((HardestOfPool(pool=10)(similarity, positive) == hardest)[4:].sum() for _ in range(400))
    assert found / (400 * 26) == pytest.approx(10 / 39, rel=0.1)


def test_a_pool_has_at_least_one():
    with pytest.raises(ConfigError, match="pool=0"):
        HardestOfPool(pool=0)
