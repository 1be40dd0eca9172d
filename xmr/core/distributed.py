"""What several processes must know of each other: which rows each embeds, and all of them together."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) outside distributed runs."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather_objects(value: Any) -> list[Any]:
    """The (picklable) value of every process, by rank."""
    _, world_size = rank_and_world_size()
    values = [value] * world_size
    if world_size > 1:
        dist.all_gather_object(values, value)
    return values


def gather_rows(rows: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, D) and their positions (n,) of every process -> all rows by position, on the CPU.

    Positions that came more than once (padding) are kept once. A process may have no rows, of any width.
    """
    shares = gather_objects((rows.cpu(), positions.cpu()))
    shares = [share for share in shares if len(share[1])] or shares[:1]
    rows, positions = (torch.cat(column) for column in zip(*shares, strict=True))
    order = positions.argsort(stable=True)
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = positions[order][1:] != positions[order][:-1]
    kept = order[first]
    return rows[kept], positions[kept]
