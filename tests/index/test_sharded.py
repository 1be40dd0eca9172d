import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.index.galleries import assert_same, embeddings, embeddings_of
from xmr.core.errors import DataError
from xmr.index.exact import Exact
from xmr.index.sharded import merge_top_k, search_shards

PROCESS = """
import sys
import numpy as np
import torch
import torch.distributed as dist
from tests.index.galleries import embeddings
from tests.index.test_sharded import SHARES, gallery, share_of
from xmr.core.errors import XmrError
from xmr.index.exact import Exact
from xmr.index.sharded import search_shards
rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
share = share_of(rank, world)
index = Exact(device="cpu")
if len(share):
    index.add(share)
queries = embeddings(6, seed=1, prefix="q")
found = search_shards(index, queries, k=8, share=len(share))
broken = embeddings(6, seed=1, prefix="q")
broken.vectors[2] = torch.nan
try:
    search_shards(index, broken if rank == world - 1 else queries, k=8, share=len(share))
    message = ""
except XmrError as error:
    message = str(error)
class Odd(Exception):
    def __init__(self, what, where):
        super().__init__(f"{what} in {where}")
class Failing(Exact):
    def search(self, queries, *, k):
        raise Odd("out of memory", "row 7")
try:
    search_shards(Failing(device="cpu") if rank == 0 else index, queries, k=8, share=len(share))
    other = ""
except RuntimeError as error:
    other = str(error)
torch.save((found, message, other), f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""
# of 40 entries: a share smaller than k, and one with nothing
SHARES = {1: [0, 40], 2: [0, 37, 40], 3: [0, 25, 25, 40]}


def gallery():
    """40 entries, of which many are copies."""
    return embeddings_of(embeddings(12).vectors[torch.arange(40) % 12])


def share_of(rank, world):
    begin, end = SHARES[world][rank : rank + 2]
    return gallery().take(np.arange(begin, end))


def whole(k):
    index = Exact(device="cpu")
    index.add(gallery())
    return index.search(embeddings(6, seed=1, prefix="q"), k=k)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_find_what_one_finds_in_the_whole_gallery(world, tmp_path):
    command = [sys.executable, "-c", PROCESS]
    processes = [subprocess.Popen([*command, str(rank), str(world), str(tmp_path)]) for rank in range(world)]
    try:
        assert [process.wait(timeout=100) for process in processes] == [0] * world
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for rank in range(world):
        found, message, other = torch.load(tmp_path / f"{rank}.pt", weights_only=False)
        assert_same(found, whole(8))
        assert f"process {world - 1} of {world}" in message
        assert "'q2' (row 2)" in message
        assert other == f"process 0 of {world}: Odd: out of memory in row 7"


def test_one_process_searches_its_whole_gallery():
    index = Exact(device="cpu")
    index.add(gallery())
    assert_same(search_shards(index, embeddings(6, seed=1, prefix="q"), k=8, share=40), whole(8))


def test_parts_are_merged_by_score_then_by_part():
    parts = []
    for begin, end in ((0, 3), (3, 20), (20, 40)):
        index = Exact(device="cpu")
        index.add(gallery().take(np.arange(begin, end)))
        parts.append(index.search(embeddings(6, seed=1, prefix="q"), k=min(10, end - begin)))
    assert_same(merge_top_k(parts, 10), whole(10))
    assert_same(merge_top_k([whole(10)], 4), whole(4))


def test_parts_that_do_not_make_one_ranking_are_refused():
    with pytest.raises(DataError, match=r"k=21 > 20 entries in 2 rankings; use k <= 20"):
        merge_top_k([whole(10), whole(10)], 21)
    other = Exact(device="cpu")
    other.add(gallery())
    with pytest.raises(DataError, match="different queries"):
        merge_top_k([whole(3), other.search(embeddings(5, prefix="q"), k=3)], 2)
    with pytest.raises(DataError, match="no rankings to merge"):
        merge_top_k([], 1)
    with pytest.raises(DataError, match="no rankings to merge"):
        search_shards(other, embeddings(2), k=1, share=0)
