import math

import pytest
import torch
from pytorch_metric_learning.losses import NPairsLoss
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.n_pair import NPair


def batch(items):
    torch.manual_seed(2)
    image, text = torch.randn(2, len(items), 4, dtype=torch.float64)
    return image, text, torch.tensor(items)


@pytest.mark.parametrize("items", [[0, 1, 2, 3, 4], [4, 2, 4, 9, 4], [1, 1], [5]])
@pytest.mark.parametrize("norm_weight", [0.0, 0.1])
def test_equals_the_loop(items, norm_weight):
    image, text, item_id = batch(items)
    total = 0.0
    for queries, gallery in ((image, text), (text, image)):
        for i in range(len(items)):
            own = float(queries[i] @ gallery[i])
            wrong = [float(queries[i] @ gallery[j]) for j in range(len(items)) if item_id[j] != item_id[i]]
            total += math.log(1 + sum(math.exp(s - own) for s in wrong)) / (2 * len(items))
            total += norm_weight * float(queries[i] @ queries[i]) / (2 * len(items))
    value = NPair(norm_weight=norm_weight)(image, text, item_id)
    assert value.item() == pytest.approx(total, rel=1e-12)


def test_one_way_is_that_of_pytorch_metric_learning():
    """Theirs normalises, and takes one pair of each label from a list of vectors."""
    image, text, item_id = batch(list(range(6)))
    image, text = normalize(image, dim=1), normalize(text, dim=1)
    anchors, partners = torch.arange(6), torch.arange(6, 12)
    none = torch.empty(0, dtype=torch.int64)
    both = torch.cat([image, text])
    labels = torch.cat([item_id, item_id])
    theirs = [
        NPairsLoss()(both, labels, (first, second, none, none))
        for first, second in ((anchors, partners), (partners, anchors))
    ]
    torch.testing.assert_close(NPair(norm_weight=0.0)(image, text, item_id), sum(theirs) / 2)


def test_refuses_a_negative_weight():
    with pytest.raises(ConfigError, match="norm_weight"):
        NPair(norm_weight=-1)
