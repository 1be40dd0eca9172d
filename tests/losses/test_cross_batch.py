import math

import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.cross_batch import InfoNCEQueue, TripletQueue
from xmr.losses.info_nce import InfoNCE
from xmr.losses.memory import EmbeddingMemory
from xmr.losses.miners import HardestNegative, SemiHardNegative
from xmr.losses.triplet import TripletLoss

BATCHES = [[0, 1, 2], [3, 1, 4], [2, 2, 5], [0, 0, 0]]


def batches():
    torch.manual_seed(0)
    return [
        (*normalize(torch.randn(2, 3, 5, dtype=torch.float64), dim=2), torch.tensor(items))
        for items in BATCHES
    ]


def remembered(step, queue):
    """The last rows before `step`, newest batch first: (image, text, item)."""
    rows = [row for batch in batches()[:step][::-1] for row in zip(*batch, strict=True)]
    return rows[:queue]


def info_nce_loop(step, queue, temperature):
    image, text, item_id = batches()[step]
    old, total = remembered(step, queue), 0.0
    for side, queries, gallery in ((1, image, text), (0, text, image)):
        for i in range(3):
            own = [j for j in range(3) if item_id[j] == item_id[i]]
            candidates = [*gallery, *(row[side] for row in old if row[2] != item_id[i])]
            weights = [math.exp(float(queries[i] @ row) / temperature) for row in candidates]
            total -= sum(math.log(weights[j] / sum(weights)) for j in own) / len(own)
    return total / 6


def triplet_loop(step, queue, margin):
    image, text, item_id = batches()[step]
    old, total = remembered(step, queue), 0.0
    for side, queries, gallery in ((1, image, text), (0, text, image)):
        candidates = [
            *zip(gallery, item_id.tolist(), strict=True),
            *((row[side], int(row[2])) for row in old),
        ]
        for i in range(3):
            negatives = [float(queries[i] @ row) for row, item in candidates if item != item_id[i]]
            if negatives:
                total += max(0.0, margin - float(queries[i] @ gallery[i]) + max(negatives))
    return total / 6


@pytest.mark.parametrize("queue", [0, 4, 100])
def test_info_nce_equals_the_loop(queue):
    loss = InfoNCEQueue(temperature=0.2, queue=queue).double()
    temperature = loss.diagnostics()["temperature"]
    for step, batch in enumerate(batches()):
        assert loss(*batch).item() == pytest.approx(info_nce_loop(step, queue, temperature), rel=1e-12)


@pytest.mark.parametrize("queue", [0, 4, 100])
def test_triplet_equals_the_loop(queue):
    loss = TripletQueue(miner=HardestNegative(), margin=1.0, queue=queue)
    for step, batch in enumerate(batches()):
        assert loss(*batch).item() == pytest.approx(triplet_loop(step, queue, 1.0), rel=1e-12, abs=1e-15)


def test_without_a_queue_they_are_the_plain_losses():
    pairs = [
        (InfoNCEQueue(queue=0), InfoNCE()),
        (TripletQueue(miner=SemiHardNegative(), queue=0), TripletLoss(miner=SemiHardNegative())),
    ]
    for queued, plain in pairs:
        for batch in batches():
            assert torch.equal(queued(*batch), plain(*batch))


def test_old_rows_of_the_same_item_count_for_nothing():
    """With nothing else remembered, the loss is that of an empty memory, whatever the old rows are."""
    image, text, item_id = batches()[3]  # three rows of one item
    loss = InfoNCEQueue(queue=10).double()
    expected = loss(image, text, item_id)
    assert len(loss.memory.item_id) == 3
    torch.testing.assert_close(loss(image, text, item_id), expected)


def test_gradients_are_those_of_the_batch_alone():
    """A step after the memory changed in place would fail, or be wrong."""
    loss = InfoNCEQueue(temperature=0.2, queue=5).double()
    loss(*batches()[0])
    image, text, item_id = batches()[1]
    loss.eval()
    assert torch.autograd.gradcheck(
        lambda i, t: loss(i, t, item_id), (image.requires_grad_(), text.requires_grad_())
    )
    loss.train()
    value = loss(image, text, item_id)
    loss(*batches()[2])
    value.backward()
    assert not loss.memory.image.requires_grad


def test_memory_keeps_the_newest_rows_and_fills_gradually():
    memory, seen = EmbeddingMemory(size=4), []
    for start in range(0, 9, 3):
        ids = torch.arange(start, start + 3)
        memory.push(ids[:, None].double(), -ids[:, None].double(), ids)
        seen.append(memory.item_id.tolist())
        assert memory.image.flatten().tolist() == memory.item_id.tolist()
        assert memory.text.flatten().tolist() == [-i for i in memory.item_id.tolist()]
    assert seen == [[0, 1, 2], [3, 4, 5, 0], [6, 7, 8, 3]]
    assert memory.image.dtype == torch.float64


def test_memory_rests_in_evaluation():
    loss = InfoNCEQueue(queue=5).double().eval()
    loss(*batches()[0])
    assert len(loss.memory.item_id) == 0


def test_a_checkpoint_of_any_fill_is_restored():
    first, second = InfoNCEQueue(queue=5).double(), InfoNCEQueue(queue=5).double()
    second.load_state_dict(first.state_dict())
    for batch in batches():
        assert torch.equal(first(*batch), second(*batch))
        second = InfoNCEQueue(queue=5).double()
        second.load_state_dict(first.state_dict())


def test_a_collapsed_model_guesses_among_all_candidates():
    loss = InfoNCEQueue(queue=5)
    one_point = torch.ones(3, 1)
    loss(one_point, one_point, torch.tensor([0, 1, 2]))
    value = loss(one_point, one_point, torch.tensor([3, 4, 5])).item()
    assert value == pytest.approx(math.log(6))


def test_refuses_negative_queues():
    with pytest.raises(ConfigError, match="size=-1"):
        InfoNCEQueue(queue=-1)
