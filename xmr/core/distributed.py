"""What several processes must know of each other: which rows each embeds, and all of them together."""

import torch
import torch.distributed as dist
from torch import Tensor


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) outside distributed runs."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather_rows(rows: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, D) and their positions (n,) of every process -> all rows by position, on the CPU.

    Positions that came more than once (padding) are kept once.
    """
    rows, positions = rows.cpu(), positions.cpu()
    _, world_size = rank_and_world_size()
    if world_size > 1:
        shares: list[tuple[Tensor, Tensor]] = [(rows, positions)] * world_size
        dist.all_gather_object(shares, (rows, positions))
        rows = torch.cat([share[0] for share in shares])
        positions = torch.cat([share[1] for share in shares])
    order = positions.argsort(stable=True)
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = positions[order][1:] != positions[order][:-1]
    kept = order[first]
    return rows[kept], positions[kept]
