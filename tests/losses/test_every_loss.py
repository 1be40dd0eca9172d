"""What holds for every loss that a config can name, with every miner it can take."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import normalize

from xmr.core.protocols import NeedsClasses
from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import compose_config

SIZE, DIM = 12, 16
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
    # as many clusters as fit the items of a batch
    small = ("loss.clusters=6",) if "loss=k_class" in overrides else ()
    return compose_config(CONF, "train", (*overrides, *small)).loss


@pytest.fixture(params=variants(), ids=" ".join)
def overrides(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture
def fresh(overrides: tuple[str, ...]) -> Callable[[], torch.nn.Module]:
    """Builds the loss, with as many classes as the largest batch has items."""

    def build() -> torch.nn.Module:
        loss = instantiate(loss_config(overrides))
        if isinstance(loss, NeedsClasses):
            loss.set_classes(classes=SIZE, dim=DIM)
        if hasattr(loss, "set_clusters"):
            loss.set_clusters(torch.arange(SIZE) % loss.clusters)
        return loss

    return build


@pytest.fixture
def loss(fresh: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """The loss in training mode; a classifier has learned to tell the items of `batch` apart."""
    torch.manual_seed(0)
    loss = fresh().eval()
    if isinstance(loss, NeedsClasses):
        optimizer = torch.optim.Adam(loss.parameters(), lr=0.02)
        for _ in range(40):
            optimizer.zero_grad()
            loss(*batch()).backward()
            optimizer.step()
        loss.zero_grad()
    return loss.train()


def is_drawn(loss: torch.nn.Module) -> bool:
    """Whether the value depends on chance."""
    pairs, values = batch(noise=2.0), []
    for seed in range(3):
        torch.manual_seed(seed)
        values.append(loss(*pairs).item())
    return len(set(values)) > 1


def batch(size: int = SIZE, *, dim: int = DIM, noise: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
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
    assert all(parameter.grad.any() for parameter in loss.parameters() if parameter.requires_grad)


def test_order_in_the_batch_does_not_matter(loss):
    loss.eval()  # nothing is remembered or dropped out
    # with two items there is one negative: a random draw has no choice
    image, text, item_id = batch(2 if is_drawn(loss) else SIZE, noise=2.0)
    order = torch.randperm(len(image))
    torch.testing.assert_close(loss(image[order], text[order], item_id[order]), loss(image, text, item_id))


def test_names_of_items_do_not_matter(loss):
    if isinstance(loss, NeedsClasses) and any(True for _ in loss.parameters()):
        pytest.skip("its ids are the rows of its classifier")
    loss.eval()
    image, text, item_id = batch(noise=2.0)
    torch.manual_seed(0)
    expected = loss(image, text, item_id)
    torch.manual_seed(0)  # for random draws; ids that a float could not tell apart
    torch.testing.assert_close(loss(image, text, 2**60 + item_id), expected)


def test_is_lower_for_aligned_than_for_random_pairs(loss):
    loss.eval()
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
    loss.eval()
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


def test_says_what_it_takes(loss):
    assert loss.on in ("embeddings", "projections")


@pytest.mark.parametrize("size", [2, SIZE])
def test_a_collapsed_model_has_the_value_it_names(loss, size):
    """Or there is none; what the collapse sentinel goes by."""
    image, _, item_id = batch(size)
    one_point = image[:1].expand_as(image)
    expected = loss.collapsed_value(size)
    assert expected is None or loss(one_point, one_point, item_id).item() == pytest.approx(expected, rel=2e-3)


def test_a_restored_loss_goes_on_as_the_saved_one(loss, fresh):
    """What was learned, assigned and remembered is in the checkpoint."""
    for noise in (0.5, 1.0):
        loss(*batch(noise=noise))
    restored = fresh()
    restored.load_state_dict(loss.state_dict())
    image, text, item_id = batch(noise=2.0)
    for ids in (item_id, item_id.flip(0)):
        values = []
        for each in loss, restored:
            torch.manual_seed(1)
            values.append(each(image, text, ids))
        assert torch.equal(*values)
