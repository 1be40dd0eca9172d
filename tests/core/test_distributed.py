import subprocess
import sys

import pytest
import torch

from xmr.core.distributed import gather_objects, gather_rows, rank_and_world_size

PROCESS = """
import sys
import torch
import torch.distributed as dist
from xmr.core.distributed import gather_objects, gather_rows, rank_and_world_size
rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)

def rows(positions):
    return torch.tensor([[float(p), 10.0 * p] for p in positions])

nothing = torch.empty(0, dtype=torch.int64)
padded = [[0, 2, 4, 6], [1, 3, 5, 0]][rank]  # as a distributed sampler pads 7 items
uneven = [[5], [2, 4, 0]][rank]
out = {
    "who": rank_and_world_size(),
    "objects": gather_objects({"of": rank}),
    "padded": gather_rows(rows(padded), torch.tensor(padded)),
    "uneven": gather_rows(rows(uneven), torch.tensor(uneven)),
    "one has none": gather_rows(*[(rows([1, 0]), torch.tensor([1, 0])), (torch.empty(0, 0), nothing)][rank]),
    "nobody has any": gather_rows(torch.empty(0, 3), nothing),
}
torch.save(out, f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def seen_by(tmp_path_factory):
    """What each of two real processes got."""
    folder = tmp_path_factory.mktemp("processes")
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), str(folder)]) for rank in (0, 1)]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("case", "positions"),
    [
        ("padded", [0, 1, 2, 3, 4, 5, 6]),
        ("uneven", [0, 2, 4, 5]),
        ("one has none", [0, 1]),
        ("nobody has any", []),
    ],
)
def test_each_process_gets_all_rows_once_by_position(seen_by, rank, case, positions):
    rows, order = seen_by[rank][case]
    assert order.tolist() == positions
    assert rows.tolist() == [[p, 10.0 * p] for p in positions]


def test_processes_know_who_they_are(seen_by):
    assert [seen["who"] for seen in seen_by] == [(0, 2), (1, 2)]
    assert rank_and_world_size() == (0, 1)


def test_objects_come_by_rank(seen_by):
    assert [seen["objects"] for seen in seen_by] == [[{"of": 0}, {"of": 1}]] * 2
    assert gather_objects("mine") == ["mine"]


def test_one_process_sorts_and_drops_repeats_too():
    rows, order = gather_rows(torch.tensor([[3.0], [1.0], [3.0]]), torch.tensor([3, 1, 3]))
    assert rows.tolist() == [[1.0], [3.0]]
    assert order.tolist() == [1, 3]
