"""A linear classifier over many classes, of which a step may see a sample and a process hold a share."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from xmr.core.distributed import (
    gather_shards,
    highest_of_processes,
    own_rows,
    rank_and_world_size,
    shared_by_processes,
    sum_of_processes,
)
from xmr.core.errors import ConfigError, check_whole

INITIAL_DEVIATION = 0.001


class LargeClassifier(nn.Module):
    """Softmax cross-entropy of features against `classes` rows of one weight matrix (classes, dim).

    `sampled`: in training a step sees the classes of its batch and about that many others, drawn anew and
    uniformly, as in Partial FC (An et al. 2021). `sharded`: each process holds an even share of
    the rows and all compute the softmax together, exactly; they must call it with the same batch.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, *, bias: bool = False, sampled: int | None = None, sharded: bool = False) -> None:
        super().__init__()
        if sampled is not None:
            check_whole(1, sampled=sampled)
        self.has_bias = bias
        self.sampled = sampled
        self.sharded = sharded
        self.classes = 0
        self.shards = 1
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    def create(self, *, classes: int, dim: int) -> None:
        """Create the parameters; this process's share of them when it is one of several."""
        check_whole(1, classes=classes, dim=dim)
        self.classes, self.shards = classes, 1
        self.weight = nn.Parameter(INITIAL_DEVIATION * torch.randn(classes, dim))
        self.bias = nn.Parameter(torch.zeros(classes)) if self.has_bias else None
        self.shard()

    def shard(self) -> None:
        """Keep this process's share of the rows, where they are sharded and were not yet."""
        _, world_size = rank_and_world_size()
        if not self.sharded or self.shards == world_size:
            return
        if self.classes < world_size:
            raise ConfigError(f"classes={self.classes} < {world_size} processes; use sharded=false")
        self.shards = world_size
        for name, parameter in self.named_parameters():
            setattr(self, name, nn.Parameter(parameter.detach()[own_rows(self.classes)].clone()))

    @property
    def local_parameters(self) -> dict[str, int]:
        """The parameters that differ by process, with the rows that all processes hold together."""
        return {name: self.classes for name, _ in self.named_parameters()} if self.shards > 1 else {}

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        """Features (S * N, D), S sides of N items, and the items' classes (N,) -> cross-entropies (S * N,).

        Raises `ConfigError` before `create`, and when the processes came after it.
        """
        self._check()
        weight, bias, target = self._rows_for(target)
        target = target.repeat(len(features) // len(target))
        if self.shards == 1:
            return cross_entropy(linear(features, weight, bias), target, reduction="none")
        logits = linear(shared_by_processes(features), weight, bias)
        highest = highest_of_processes(logits.amax(1))
        total = sum_of_processes((logits - highest[:, None]).exp().sum(1))
        own = logits.gather(1, target.clamp(min=0)[:, None]).squeeze(1)
        return highest + total.log() - sum_of_processes(own.where(target >= 0, 0))

    def _check(self) -> None:
        if self.classes == 0:
            raise ConfigError("the loss has no classes yet; call set_classes(classes=, dim=) before training")
        if self.sharded and self.shards != rank_and_world_size()[1]:
            raise ConfigError(
                f"the classifier has {self.shards} shards for {rank_and_world_size()[1]} processes; "
                f"call shard() once the processes have met"
            )

    def _rows_for(self, target: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        """The rows that this step sees, their biases, and where among them each target is; -1 elsewhere."""
        if self.shards > 1:
            target = target - own_rows(self.classes).start
            target = target.where((target >= 0) & (target < len(self.weight)), -1)
        if not self.training or self.sampled is None:
            return self.weight, self.bias, target
        rows = len(self.weight)
        # one place more, for the targets of other processes
        drawn = torch.rand(rows + 1, device=target.device)
        drawn[target] = 2.0
        seen = drawn[:-1].topk(min(rows, len(target) + -(-self.sampled // self.shards))).indices
        place = torch.full((rows + 1,), -1, device=target.device)
        place[seen] = torch.arange(len(seen), device=target.device)
        return self.weight[seen], None if self.bias is None else self.bias[seen], place[target]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """All rows, from every process: the same file for any number of them."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.shards > 1:
            for name in self.local_parameters:
                destination[prefix + name] = gather_shards(destination[prefix + name], self.classes)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        """This process's share of all rows; `state_dict` is torch's own copy."""
        for name in self.local_parameters:
            rows = state_dict.get(prefix + name)
            if rows is not None and len(rows) == self.classes:
                state_dict[prefix + name] = rows[own_rows(self.classes)]
        super()._load_from_state_dict(state_dict, prefix, *arguments)
