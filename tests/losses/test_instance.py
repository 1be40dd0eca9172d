import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from tests.processes import join, start
from xmr.core.errors import ConfigError
from xmr.losses.instance import InstanceLoss

CLASSES, DIM = 7, 5
ITEMS = [4, 2, 4, 6, 0]


def features(size: int = len(ITEMS)) -> tuple[Tensor, Tensor]:
    image, text = torch.randn(2, size, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return image, text


def built(**settings) -> InstanceLoss:
    """A loss in float64 whose classifier is not even."""
    torch.manual_seed(1)
    loss = InstanceLoss(**{"dropout": 0.0, **settings}).double()
    loss.set_classes(classes=CLASSES, dim=DIM)
    loss.double()
    rows = torch.randn(CLASSES, DIM + 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    state = {"classifier.weight": rows[:, :DIM]} | (
        {"classifier.bias": rows[:, DIM]} if settings.get("bias") else {}
    )
    loss.load_state_dict(state)
    return loss


def loop_reference(loss: InstanceLoss, image: Tensor, text: Tensor, items: list[int]) -> float:
    total = 0.0
    for side, weight in ((image, loss.weights["image"]), (text, loss.weights["text"])):
        for row, item in zip(side, items, strict=True):
            logits = [float(row @ of_class) for of_class in loss.classifier.weight.detach()]
            if loss.classifier.bias is not None:
                biases = loss.classifier.bias.tolist()
                logits = [logit + bias for logit, bias in zip(logits, biases, strict=True)]
            total -= weight * (logits[item] - math.log(sum(map(math.exp, logits)))) / len(items)
    return total


@pytest.mark.parametrize("items", [ITEMS, [3], [5, 5, 5]])
@pytest.mark.parametrize("settings", [{}, {"bias": True}, {"image_weight": 2.0, "text_weight": 0.1}])
def test_equals_the_loop(items, settings):
    loss = built(**settings)
    image, text = features(len(items))
    expected = loop_reference(loss, image, text, items)
    assert loss(image, text, torch.tensor(items)).item() == pytest.approx(expected, rel=1e-12)


def test_starts_with_all_classes_even():
    loss = InstanceLoss(dropout=0.0)
    loss.set_classes(classes=1000, dim=64)
    image, text = torch.randn(2, 8, 64)
    assert loss(image, text, torch.arange(8)).item() == pytest.approx(2 * math.log(1000), rel=1e-3)
    even = pytest.approx(math.log(1000), rel=1e-3)
    assert loss.diagnostics() == {"image_loss": even, "text_loss": even}


def test_weights_of_the_sides_can_be_set():
    loss = built()
    image, text = features()
    ids = torch.tensor(ITEMS)
    loss.set_weights({"text": 0.0})
    only_image = loss(image, text, ids)
    loss.set_weights({"text": 3.0, "image": 0.0})
    only_text = loss(image, text, ids)
    of_image, of_text = loss.diagnostics().values()
    assert only_image.item() == pytest.approx(of_image)
    assert only_text.item() == pytest.approx(3 * of_text)
    with pytest.raises(ConfigError, match="did you mean 'image'"):
        loss.set_weights({"imge": 1.0})
    with pytest.raises(ConfigError, match="text_weight=-1"):
        loss.set_weights({"text": -1})


def test_dropout_keeps_the_mean_and_rests_in_evaluation():
    loss = built(dropout=0.75)
    ones = torch.ones(200, 500)
    dropped = loss._dropped(ones)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.75, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.03)
    assert loss.eval()._dropped(ones) is ones


def test_a_sample_has_the_own_classes_and_so_many_others():
    """Each step's loss is the cross-entropy over the rows it says it saw; all are seen in turn."""
    loss = built(sampled=2)
    image, text = features(2)
    target = torch.tensor([4, 1])
    seen_others = set()
    for seed in range(40):
        torch.manual_seed(seed)
        value = loss(image, text, target)
        value.backward()
        seen = loss.classifier.weight.grad.abs().sum(1).nonzero().flatten().tolist()
        loss.zero_grad()
        assert len(seen) == 4
        assert {1, 4} <= set(seen)
        seen_others |= set(seen) - {1, 4}
        rows = loss.classifier.weight[seen]
        place = torch.tensor([seen.index(4), seen.index(1)])
        expected = sum(torch.nn.functional.cross_entropy(side @ rows.T, place) for side in (image, text))
        torch.testing.assert_close(value, expected)
    assert seen_others == {0, 2, 3, 5, 6}


def test_a_sample_of_all_classes_is_the_whole_loss():
    image, text = features()
    ids = torch.tensor(ITEMS)
    torch.testing.assert_close(built(sampled=100)(image, text, ids), built()(image, text, ids))
    torch.testing.assert_close(built(sampled=1).eval()(image, text, ids), built()(image, text, ids))


@pytest.mark.parametrize("bad", [{"dropout": 1.0}, {"dropout": -0.1}, {"image_weight": -1.0}, {"sampled": 0}])
def test_refuses_bad_settings(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        InstanceLoss(**bad)


def test_asks_for_its_classes():
    with pytest.raises(ConfigError, match="set_classes"):
        InstanceLoss()(*torch.zeros(2, 1, 3), torch.tensor([0]))


def of_one_step(loss: InstanceLoss) -> dict:
    """The value, the gradients of the features and of this process's rows, and the rows after a step."""
    image, text = (side.requires_grad_() for side in features())
    value = loss(image, text, torch.tensor(ITEMS))
    value.backward()
    gradients = {name: parameter.grad.clone() for name, parameter in loss.named_parameters()}
    torch.optim.SGD(loss.parameters(), lr=0.5).step()
    return {
        "value": value.item(),
        "sides": [image.grad, text.grad],
        "rows": gradients,
        "state": loss.state_dict(),
        "local": loss.local_parameters,
    }


def process(rank: int, folder: str) -> None:
    created_before = InstanceLoss(sharded=True)
    created_before.set_classes(classes=CLASSES, dim=DIM)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    out = {name: of_one_step(built(sharded=True, bias=name == "bias")) for name in ("plain", "bias")}
    out["sampled by all"] = of_one_step(built(sharded=True, sampled=100))
    torch.manual_seed(rank)  # what is dropped must not depend on it
    loss = built(sharded=True, dropout=0.5)
    torch.manual_seed(rank)
    out["dropout"] = of_one_step(loss)
    loss.load_state_dict(torch.load(f"{folder}/whole.pt"))
    out["restored"] = loss.state_dict()
    try:
        created_before(*features(), torch.tensor(ITEMS))
    except ConfigError as error:
        out["too early"] = str(error)
    created_before.shard()
    out["shared out"] = [tuple(p.shape) for p in created_before.parameters()]
    torch.save(out, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What each of two processes that share the classifier got."""
    folder = tmp_path_factory.mktemp("processes")
    torch.save(of_one_step(built())["state"], folder / "whole.pt")
    processes = [start(process, rank, str(folder), OMP_NUM_THREADS="1") for rank in (0, 1)]
    assert [join(each) for each in processes] == [0, 0]
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("case", ["plain", "bias", "sampled by all"])
def test_shards_compute_what_one_process_does(shards, case):
    whole = of_one_step(built(bias=case == "bias"))
    for shard in (seen[case] for seen in shards):
        assert shard["value"] == pytest.approx(whole["value"], abs=1e-6)
        torch.testing.assert_close(shard["sides"], whole["sides"], rtol=0, atol=1e-6)
    for name, gradient in whole["rows"].items():
        both = torch.cat([seen[case]["rows"][name] for seen in shards])
        torch.testing.assert_close(both, gradient, rtol=0, atol=1e-6)


def test_a_checkpoint_is_the_same_for_any_number_of_processes(shards):
    whole = of_one_step(built())["state"]
    for seen in shards:
        assert seen["plain"]["state"].keys() == whole.keys()
        for state in seen["plain"]["state"], seen["restored"]:
            torch.testing.assert_close(state["classifier.weight"], whole["classifier.weight"])
    restored = built(sharded=True)
    restored.load_state_dict(shards[0]["plain"]["state"])
    torch.testing.assert_close(restored.classifier.weight.detach(), whole["classifier.weight"])


def test_shards_drop_the_same_features(shards):
    first, second = (seen["dropout"] for seen in shards)
    assert first["value"] == second["value"]
    assert torch.equal(first["sides"][0], second["sides"][0])
    assert (first["sides"][0] == 0).any()


def test_only_shards_differ_by_process(shards):
    assert [seen["plain"]["local"] for seen in shards] == [{"classifier.weight": CLASSES}] * 2
    assert built(sharded=True).local_parameters == {}


def test_a_classifier_made_before_the_processes_met_is_shared_out_later(shards):
    assert all("call shard()" in seen["too early"] for seen in shards)
    assert [seen["shared out"] for seen in shards] == [[(3, DIM)], [(4, DIM)]]
