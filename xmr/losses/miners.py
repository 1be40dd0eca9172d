"""Miners: which wrong candidate each anchor of a batch is held against."""

from typing import Protocol

import torch
from torch import Tensor

from xmr.core.errors import check_whole


class Miner(Protocol):
    """Chooses one negative for each anchor."""

    def __call__(self, similarity: Tensor, positive: Tensor) -> Tensor:
        """Similarities (B, C), mask of the relevant (B, C) -> positions of the chosen negatives (B,).

        The own candidate of anchor i stands in column i. A row without negatives gives any position; the
        loss leaves such rows out.
        """


class RandomNegative:
    """Any negative, uniformly; depends on torch's global random state."""

    def __call__(self, similarity: Tensor, positive: Tensor) -> Tensor:
        """A uniformly drawn negative of each row: (B, C), (B, C) -> (B,)."""
        # not rand_like: 16-bit numbers tie, and the first of a tie would win
        drawn = torch.rand(similarity.shape, device=similarity.device)
        return drawn.masked_fill(positive, -1.0).argmax(dim=1)


class HardestNegative:
    """The most similar negative of the batch (VSE++, Faghri et al. 2018, eq. 6)."""

    def __call__(self, similarity: Tensor, positive: Tensor) -> Tensor:
        """The most similar negative of each row: (B, C), (B, C) -> (B,)."""
        return similarity.masked_fill(positive, -torch.inf).argmax(dim=1)


class SemiHardNegative:
    """The most similar negative that is still less similar than the own candidate.

    FaceNet (Schroff et al. 2015, eq. 4). Where every negative is more similar, the least similar one.
    """

    def __call__(self, similarity: Tensor, positive: Tensor) -> Tensor:
        """The semi-hard negative of each row: (B, C), (B, C) -> (B,)."""
        semi_hard = ~positive & (similarity < similarity.diagonal()[:, None])
        hardest_of_those = similarity.masked_fill(~semi_hard, -torch.inf).argmax(dim=1)
        easiest = similarity.masked_fill(positive, torch.inf).argmin(dim=1)
        return torch.where(semi_hard.any(dim=1), hardest_of_those, easiest)


class HardestOfPool:
    """The most similar of `pool` negatives, drawn uniformly for each anchor; of all where there are fewer.

    Between `RandomNegative` (a pool of one) and `HardestNegative`; depends on torch's global random state.
    """

    def __init__(self, *, pool: int) -> None:
        check_whole(1, pool=pool)
        self.pool = pool

    def __call__(self, similarity: Tensor, positive: Tensor) -> Tensor:
        """The hardest of each row's pool: (B, C), (B, C) -> (B,)."""
        drawn = torch.rand(similarity.shape, device=similarity.device).masked_fill(positive, -1.0)
        pool = drawn.topk(min(self.pool, drawn.shape[1]), dim=1).indices
        hardest = HardestNegative()(similarity.gather(1, pool), positive.gather(1, pool))
        return pool.gather(1, hardest[:, None]).squeeze(1)
