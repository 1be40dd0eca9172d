"""Real processes that share the work of one evaluation."""

import subprocess
import sys

import pytest
import torch

PROCESS = """
import sys
import numpy as np, torch
import torch.distributed as dist
from torch.nn.functional import normalize
from xmr.core.types import Embeddings, Modality
from xmr.evaluation import Protocol, evaluate, evaluate_both_directions

rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
if world > 1:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
generator = torch.Generator().manual_seed(0)
image = torch.randn(301, 16, generator=generator)
text = image.repeat_interleave(5, 0) + torch.randn(1505, 16, generator=generator)
text[100:200] = text[:100]
items = np.array([f"x{n}" for n in range(301)])
image = Embeddings(normalize(image, dim=1), np.char.add("i", items), items, Modality.IMAGE)
ids = np.array([f"t{n}" for n in range(1505)])
text = Embeddings(normalize(text, dim=1), ids, np.repeat(items, 5), Modality.TEXT)
classes = np.array([f"c{n % 7}" for n in range(1505)])
labelled = Embeddings(text.vectors, ids, classes, Modality.TEXT)

results = evaluate_both_directions(image, text, distributed=True)
results["many"] = evaluate(labelled, labelled, Protocol(exclude="self"), distributed=True)
results["torch"] = evaluate(text, image, backend="torch", distributed=True)
torch.save({name: (r.metrics, r.ties, {k: v.tolist() for k, v in r.per_query.items()})
            for name, r in results.items()}, f"{folder}/{rank}.pt")
if world > 1:
    dist.destroy_process_group()
"""


def results_of(folder, world):
    folder.mkdir()
    command = [sys.executable, "-c", PROCESS]
    processes = [subprocess.Popen([*command, str(rank), str(world), str(folder)]) for rank in range(world)]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0] * world
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [torch.load(folder / f"{rank}.pt") for rank in range(world)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return results_of(tmp_path_factory.mktemp("alone") / "1", 1)[0]


@pytest.mark.parametrize(
    "world", [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]
)
def test_any_number_of_processes_gives_the_figures_of_one_to_the_bit(tmp_path, alone, world):
    for seen in results_of(tmp_path / str(world), world):
        assert seen == alone
    assert alone["torch"] == alone["text_to_image"]
