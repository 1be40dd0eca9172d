import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError
from xmr.losses.info_nce import InfoNCE
from xmr.losses.instance import InstanceLoss
from xmr.losses.miners import HardestNegative
from xmr.losses.siglip import SigLIP
from xmr.losses.triplet import TripletLoss
from xmr.losses.weighted_sum import WeightedSum


def built(**weights) -> WeightedSum:
    loss = WeightedSum(
        terms={
            "ranking": TripletLoss(miner=HardestNegative(), margin=1.0),
            "instance": InstanceLoss(dropout=0.0),
        },
        weights=weights,
    )
    torch.manual_seed(0)
    loss.set_classes(classes=9, dim=5)
    return loss


def batch():
    torch.manual_seed(1)
    image, text = torch.randn(2, 6, 5)
    return 3 * image, text, torch.tensor([3, 1, 8, 8, 0, 2])


def test_adds_the_terms_and_normalises_for_those_on_embeddings():
    image, text, item_id = batch()
    loss = built(ranking=2.0)
    loss.set_weights({"instance": 0.5, "instance.text": 0.1})
    ranking, instance = loss.terms["ranking"], loss.terms["instance"]
    expected = 2 * ranking(normalize(image, dim=1), normalize(text, dim=1), item_id) + 0.5 * instance(
        image, text, item_id
    )
    torch.testing.assert_close(loss(image, text, item_id), expected)
    assert loss.diagnostics() == {
        "ranking_loss": pytest.approx(ranking(*normalize(torch.stack([image, text]), dim=2), item_id).item()),
        "instance_loss": pytest.approx(instance(image, text, item_id).item()),
        "instance_image_loss": pytest.approx(instance.diagnostics()["image_loss"]),
        "instance_text_loss": pytest.approx(instance.diagnostics()["text_loss"]),
    }


def test_a_term_of_weight_0_is_not_computed():
    loss = built(ranking=0.0)
    loss(*batch())
    assert "ranking_loss" not in loss.diagnostics()
    loss.set_weights({"instance": 0.0})
    with pytest.raises(ConfigError, match="ranking, instance are 0"):
        loss(*batch())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"rankin": 1.0}, "did you mean 'ranking'"),
        ({"ranking": -1.0}, "weights.ranking=-1"),
        ({"instance.imge": 1.0}, "did you mean 'image'"),
        ({"ranking.image": 1.0}, "use 'ranking'"),
    ],
)
def test_refuses_bad_weights(weights, message):
    with pytest.raises(ConfigError, match=message):
        built(**weights)
    with pytest.raises(ConfigError, match="terms"):
        WeightedSum(terms={}, weights={})


def test_collapse_is_known_where_it_is_for_all_terms():
    triplet, info_nce = TripletLoss(miner=HardestNegative(), margin=1.0), InfoNCE()
    loss = WeightedSum(terms={"a": triplet, "b": info_nce, "c": SigLIP()}, weights={"a": 2.0, "c": 0.0})
    one_point = torch.ones(4, 2)
    value = loss(one_point, one_point, torch.arange(4)).item()
    assert value == pytest.approx(loss.collapsed_value(4))
    loss.set_weights({"c": 0.1})
    assert loss.collapsed_value(4) is None


def test_names_the_parameters_that_differ_by_process():
    loss = built()
    assert loss.local_parameters == {}
    loss.shard()
    loss.terms["instance"].classifier.shards = 2
    assert loss.local_parameters == {
        "terms.instance.classifier.weight": loss.terms["instance"].classifier.classes
    }
    assert set(loss.local_parameters) <= {name for name, _ in loss.named_parameters()}
