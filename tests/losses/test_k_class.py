import pytest
import torch

from xmr.core.errors import ConfigError, DataError
from xmr.losses.instance import InstanceLoss
from xmr.losses.k_class import KClassLoss

ASSIGNMENT = torch.tensor([2, 0, 1, 2, 2, 0, 1, 1])


def built(clusters=3) -> KClassLoss:
    loss = KClassLoss(clusters=clusters, dropout=0.0)
    loss.set_classes(classes=len(ASSIGNMENT), dim=4)
    return loss


def test_is_the_instance_loss_of_the_clusters():
    loss, by_hand = built(), InstanceLoss(dropout=0.0)
    loss.set_clusters(ASSIGNMENT)
    by_hand.set_classes(classes=3, dim=4)
    rows = torch.randn(3, 4)
    loss.load_state_dict({**loss.state_dict(), "instance.classifier.weight": rows})
    by_hand.load_state_dict({"classifier.weight": rows})
    image, text = torch.randn(2, 4, 4)
    value = loss(image, text, torch.tensor([3, 1, 7, 0]))
    torch.testing.assert_close(value, by_hand(image, text, torch.tensor([2, 0, 1, 2])))
    loss.set_weights({"text": 0.0})
    by_hand.set_weights({"text": 0.0})
    value = loss(image, text, torch.tensor([3, 1, 7, 0]))
    torch.testing.assert_close(value, by_hand(image, text, torch.tensor([2, 0, 1, 2])))


def test_clusters_travel_with_the_checkpoint():
    first, second = built(), built()
    first.set_clusters(ASSIGNMENT)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.assignment, ASSIGNMENT)
    image, text = torch.randn(2, 1, 4)
    assert torch.equal(first(image, text, torch.tensor([5])), second(image, text, torch.tensor([5])))


def test_asks_for_clusters():
    for loss in KClassLoss(clusters=3), built():
        with pytest.raises(ConfigError, match="set_clusters"):
            loss(*torch.zeros(2, 1, 4), torch.tensor([0]))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (ASSIGNMENT[:-1], "each of the 8 items"),
        (ASSIGNMENT.double(), "whole number"),
        (ASSIGNMENT + 1, r"0\.\.2"),
        (ASSIGNMENT - 1, r"0\.\.2"),
    ],
)
def test_refuses_bad_clusters(assignment, message):
    with pytest.raises(DataError, match=message):
        built().set_clusters(assignment)


def test_refuses_more_clusters_than_items():
    with pytest.raises(ConfigError, match="clusters=9 > 8 items"):
        built(clusters=9)
