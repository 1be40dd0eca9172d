"""Circle loss: similarities far from their optimum weigh more."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from xmr.core.errors import check_positive


class CircleLoss(nn.Module):
    """log(1 + sum_n exp(scale a_n (s_n - m)) sum_p exp(-scale a_p (s_p - 1 + m))), m the margin.

    Sun et al. 2020, eq. 5-6, with O and Delta by m: a_p = max(0, 1 + m - s_p) and a_n = max(0, s_n + m),
    constants for the gradient. All rows of an anchor's item are its positives, on the other side; both
    directions. The defaults are theirs for fine-grained retrieval.
    """

    on: Literal["embeddings", "projections"] = "embeddings"

    def __init__(self, *, margin: float = 0.4, scale: float = 80.0) -> None:
        super().__init__()
        check_positive(margin=margin, scale=scale)
        self.margin = margin
        self.scale = scale

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, inf); 0 for a batch of one item."""
        similarity = image @ text.T
        positive = item_id[:, None] == item_id[None, :]
        return (self._one_way(similarity, positive) + self._one_way(similarity.T, positive)) / 2

    def _one_way(self, similarity: Tensor, positive: Tensor) -> Tensor:
        fixed = similarity.detach()
        of_positive = -(1 + self.margin - fixed).clamp(min=0) * (similarity - 1 + self.margin)
        of_negative = (fixed + self.margin).clamp(min=0) * (similarity - self.margin)
        positives = (self.scale * of_positive).masked_fill(~positive, -torch.inf).logsumexp(dim=1)
        # a batch of one item has no negatives; its rows are left out before logsumexp, whose gradient is nan
        some = ~positive.all(dim=1)
        negatives = (self.scale * of_negative).masked_fill(positive & some[:, None], -torch.inf)
        return (softplus(positives + negatives.logsumexp(dim=1)) * some).mean()

    def diagnostics(self) -> dict[str, float]:
        """Nothing is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:
        """All similarities 1: one positive and B - 1 negatives; 0 for a single item."""
        if batch_size == 1:
            return 0.0
        exponent = math.log(batch_size - 1) + self.scale * (1 - 2 * self.margin**2)
        return max(exponent, 0.0) + math.log1p(math.exp(-abs(exponent)))
