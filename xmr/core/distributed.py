"""What several processes must know of each other: which rows each embeds, and all of them together."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from xmr.core.errors import DataError


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


def gather_with_gradient(rows: Tensor) -> Tensor:
    """Rows (n, ...) of this process -> those of all processes (world * n, ...), by rank.

    The gradient of a row is the sum of what all processes give it. So when every process computes the loss
    of all rows, the mean over processes of the parameters' gradients (DDP's) is the gradient of one process
    with the whole batch. Raises `DataError` when processes bring different shapes.
    """
    _, world_size = rank_and_world_size()
    if world_size == 1:
        return rows
    shape = torch.tensor([len(rows), rows.numel()], device=rows.device)
    shapes = [torch.empty_like(shape) for _ in range(world_size)]
    dist.all_gather(shapes, shape)
    lengths, sizes = torch.stack(shapes).T.tolist()
    if len(set(lengths)) > 1 or len(set(sizes)) > 1:
        raise DataError(
            f"processes bring {lengths} rows with {sizes} values in all, but each must bring as many; "
            f"drop the last, smaller batch of an epoch"
        )
    return _Gather.apply(rows)


def own_rows(total: int) -> slice:
    """The rows of a matrix with `total` rows that this process holds when all share them evenly."""
    rank, world_size = rank_and_world_size()
    return slice(rank * total // world_size, (rank + 1) * total // world_size)


def gather_shards(shard: Tensor, total: int) -> Tensor:
    """The `own_rows` of each process -> all `total` rows, on every process; without a gradient."""
    _, world_size = rank_and_world_size()
    if world_size == 1:
        return shard
    longest = -(-total // world_size)
    padded = shard.detach().new_zeros(longest, *shard.shape[1:])
    padded[: len(shard)] = shard.detach()
    shares = [torch.empty_like(padded) for _ in range(world_size)]
    dist.all_gather(shares, padded)
    ends = [(rank + 1) * total // world_size - rank * total // world_size for rank in range(world_size)]
    return torch.cat([share[:end] for share, end in zip(shares, ends, strict=True)])


def first_process_has(values: Tensor) -> Tensor:
    """The values that the first process has, on every process."""
    if rank_and_world_size()[1] > 1:
        dist.broadcast(values, src=0)
    return values


def highest_of_processes(values: Tensor) -> Tensor:
    """The elementwise maximum over processes; without a gradient."""
    highest = values.detach().clone()
    if rank_and_world_size()[1] > 1:
        dist.all_reduce(highest, dist.ReduceOp.MAX)
    return highest


def sum_of_processes(values: Tensor) -> Tensor:
    """The elementwise sum over processes, of which each differentiates its own summand alone.

    For a loss that every process computes from its own part: with `shared_by_processes` on what they all
    start from, each gets the gradient that one process with all parts would have.
    """
    return _Sum.apply(values) if rank_and_world_size()[1] > 1 else values


def shared_by_processes(values: Tensor) -> Tensor:
    """`values`, equal on all processes, whose gradient is the sum of what the processes' parts give."""
    return _Shared.apply(values) if rank_and_world_size()[1] > 1 else values


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        rank, world_size = rank_and_world_size()
        ctx.own = slice(rank * len(rows), (rank + 1) * len(rows))
        shares = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world_size)]
        dist.all_gather(shares, rows.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.own]


class _Sum(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient


class _Shared(Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
