"""What holds for every loss that a config can name, with every miner it can take."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import normalize

from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import compose_config

CONF = Path(__file__).resolve().parents[2] / "conf"


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def variants() -> list[tuple[str, ...]]:
    """The overrides that give each loss, with each miner where it takes one."""
    takes_miner = {loss: "${miner}" in (CONF / "loss" / f"{loss}.yaml").read_text() for loss in names("loss")}
    return [
        (f"loss={loss}", *((f"miner={miner}",) if miner else ()))
        for loss in names("loss")
        for miner in (names("miner") if takes_miner[loss] else [None])
    ]


@cache
def loss_config(overrides: tuple[str, ...]) -> DictConfig:
    register_resolvers()
    return compose_config(CONF, "train", overrides).loss


@pytest.fixture(params=variants(), ids=" ".join)
def overrides(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture
def loss(overrides: tuple[str, ...]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return instantiate(loss_config(overrides))


def batch(size: int = 12, *, dim: int = 16, noise: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """Unit-norm images and texts that match up to noise, and one item each."""
    torch.manual_seed(size)
    image = normalize(torch.randn(size, dim), dim=1)
    text = normalize(image + noise * torch.randn(size, dim) / dim**0.5, dim=1)
    return image, text, torch.arange(size)


def check_backward(loss: torch.nn.Module, image: Tensor, text: Tensor, item_id: Tensor) -> list[Tensor]:
    """The gradients of image and text, after checking that the loss and all gradients are finite."""
    image, text = image.clone().requires_grad_(), text.clone().requires_grad_()
    value = loss(image, text, item_id)
    assert value.shape == ()
    assert torch.isfinite(value)
    value.backward()
    gradients = [image.grad, text.grad]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    learned = [parameter for parameter in loss.parameters() if parameter.requires_grad]
    assert all(torch.isfinite(parameter.grad).all() for parameter in learned)
    return gradients


def test_all_parts_of_a_pair_learn(loss):
    # near-random pairs: a hinge is at rest where all is well
    gradients = check_backward(loss, *batch(noise=3.0))
    assert all((gradient.norm(dim=1) > 0).any() for gradient in gradients)
    assert all(parameter.grad != 0 for parameter in loss.parameters() if parameter.requires_grad)


def test_order_in_the_batch_does_not_matter(loss, overrides):
    # with two items there is one negative: a random draw has no choice
    image, text, item_id = batch(2 if "miner=random" in overrides else 12, noise=2.0)
    order = torch.randperm(len(image))
    torch.testing.assert_close(loss(image[order], text[order], item_id[order]), loss(image, text, item_id))


def test_names_of_items_do_not_matter(loss):
    image, text, item_id = batch(noise=2.0)
    torch.manual_seed(0)
    expected = loss(image, text, item_id)
    torch.manual_seed(0)  # for the random miner; ids that a float could not tell apart
    torch.testing.assert_close(loss(image, text, 2**60 + item_id), expected)


def test_is_lower_for_aligned_than_for_random_pairs(loss):
    image, text, item_id = batch()
    shuffled = text.roll(1, dims=0)
    assert loss(image, text, item_id) < loss(image, shuffled, item_id)


def test_descends(loss):
    """A few steps of gradient descent on the embeddings make the loss smaller."""
    image, text, item_id = batch(noise=3.0)
    raw = torch.nn.Parameter(torch.stack([image, text]))
    optimizer = torch.optim.SGD([raw], lr=0.1)
    values = []
    for _ in range(30):
        value = loss(*normalize(raw, dim=2), item_id)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("ids", ["own", "shared"])
@pytest.mark.parametrize("size", [1, 2, 12])
def test_degenerate_batches_stay_finite(loss, size, ids):
    image, text, item_id = batch(size)
    item_id = item_id if ids == "own" else torch.zeros_like(item_id)
    one_point = image[:1].expand_as(image)
    check_backward(loss, image, text, item_id)
    check_backward(loss, one_point, one_point, item_id)
    check_backward(loss, one_point, -one_point, item_id)
    check_backward(loss, torch.zeros_like(image), torch.zeros_like(text), item_id)


def test_bfloat16_autocast(loss):
    image, text, item_id = batch(noise=2.0)
    torch.manual_seed(0)
    expected = loss(image, text, item_id)
    torch.manual_seed(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check_backward(loss, image, text, item_id)
        torch.manual_seed(0)
        value = loss(image, text, item_id)
    torch.testing.assert_close(value.float(), expected, rtol=0.03, atol=0.01)


def test_diagnostics_are_numbers(loss):
    assert all(isinstance(value, float) for value in loss.diagnostics().values())
