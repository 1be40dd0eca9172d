"""Two processes that gather their halves of a batch learn what one process learns from the whole."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from tests.processes import join, start
from xmr.core.distributed import gather_shards, gather_with_gradient, own_rows
from xmr.core.errors import DataError
from xmr.losses.cross_batch import InfoNCEQueue
from xmr.losses.info_nce import InfoNCE
from xmr.losses.instance import InstanceLoss
from xmr.losses.miners import HardestNegative
from xmr.losses.siglip import SigLIP
from xmr.losses.triplet import TripletLoss

LOSSES = {
    "info_nce": lambda: InfoNCE(temperature=0.2),
    "siglip": SigLIP,
    "triplet": lambda: TripletLoss(miner=HardestNegative(), margin=1.0),
    "info_nce_queue": lambda: InfoNCEQueue(queue=5),
}
STEPS, ROWS, CLASSES = 2, 6, 11


def instance_loss(*, sharded: bool) -> InstanceLoss:
    torch.manual_seed(5)
    loss = InstanceLoss(dropout=0.0, sharded=sharded)
    loss.set_classes(classes=CLASSES, dim=4)
    return loss


class Towers(nn.Module):
    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.image, self.text = nn.Linear(5, 4), nn.Linear(3, 4)
        self.loss = loss

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        image, text = (nn.functional.normalize(side, dim=1) for side in (self.image(image), self.text(text)))
        return self.loss(*(gather_with_gradient(part) for part in (image, text, item_id)))


def batches() -> list[tuple[Tensor, Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        (
            torch.randn(ROWS, 5, generator=generator),
            torch.randn(ROWS, 3, generator=generator),
            torch.tensor([4, 2, 4, 9, 7, 2]) + step,
        )
        for step in range(STEPS)
    ]


def trained(model: nn.Module, rows: slice = slice(None)) -> dict[str, list]:
    """The loss and the gradients of each step of SGD on the given rows of each batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    values, gradients = [], []
    for batch in batches():
        optimizer.zero_grad()
        value = model(*(part[rows] for part in batch))
        value.backward()
        optimizer.step()
        values.append(value.item())
        gradients.append({n.removeprefix("module."): p.grad.clone() for n, p in model.named_parameters()})
    return {"values": values, "gradients": gradients}


def process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    half = slice(rank * ROWS // 2, (rank + 1) * ROWS // 2)
    out: dict = {}
    for name, build in LOSSES.items():
        out[name] = trained(nn.parallel.DistributedDataParallel(Towers(build())), half)
    model = Towers(instance_loss(sharded=True))
    local = [f"loss.{name}" for name in model.loss.local_parameters]
    nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, local)
    out["sharded"] = trained(nn.parallel.DistributedDataParallel(model), half)
    numbers = torch.arange(5.0)[:, None].expand(5, 2)
    out["shards"] = gather_shards(numbers[own_rows(5)], 5)
    for name, rows in {"fewer rows": 2 + rank, "other width": 2}.items():
        try:
            gather_with_gradient(torch.zeros(rows, 3 + rank if name == "other width" else 3))
        except DataError as error:
            out[name] = str(error)
    torch.save(out, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def seen_by(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = str(tmp_path_factory.mktemp("processes"))
    processes = [start(process, rank, folder, OMP_NUM_THREADS="1") for rank in (0, 1)]
    assert [join(each) for each in processes] == [0, 0]
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_one_process_with_the_whole_batch(seen_by, name, rank):
    whole, half = trained(Towers(LOSSES[name]())), seen_by[rank][name]
    assert half["values"] == pytest.approx(whole["values"], abs=1e-6)
    for expected, found in zip(whole["gradients"], half["gradients"], strict=True):
        assert expected.keys() == found.keys()
        for parameter, gradient in expected.items():
            torch.testing.assert_close(found[parameter], gradient, rtol=0, atol=1e-6)
    assert any(name.startswith("loss.") for name in expected) == (name != "triplet")


def test_so_are_they_when_the_processes_share_a_classifier(seen_by):
    whole = trained(Towers(instance_loss(sharded=False)))
    for step, expected in enumerate(whole["gradients"]):
        first, second = (seen["sharded"]["gradients"][step] for seen in seen_by)
        name = "loss.classifier.weight"
        torch.testing.assert_close(
            torch.cat([first.pop(name), second.pop(name)]), expected.pop(name), rtol=0, atol=1e-6
        )
        for found in first, second:
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rank", [0, 1])
def test_shards_of_any_length_come_together(seen_by, rank):
    assert seen_by[rank]["shards"].tolist() == [[float(i)] * 2 for i in range(5)]


def test_unequal_shares_are_refused_by_all(seen_by):
    for seen in seen_by:
        assert "[2, 3] rows" in seen["fewer rows"]
        assert "[6, 8] values" in seen["other width"]


def test_one_process_gets_its_own_rows():
    rows = torch.zeros(2, 3, requires_grad=True)
    assert gather_with_gradient(rows) is rows
    assert own_rows(7) == slice(0, 7)
    assert gather_shards(rows, 2) is rows
