"""N-pair loss: each anchor against the partners of all other items of the batch at once."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from xmr.core.errors import check_at_least


class NPair(nn.Module):
    """log(1 + sum of exp(s(anchor, negative) - s(anchor, own))), s the inner product.

    Sohn 2016, section 3.2. `norm_weight` times the mean squared norm keeps the vectors, which are not
    normalised, small (section 3.2.2). Deviation: anchors of both sides; rows of the same item are left out
    of the sum.
    """

    on: Literal["embeddings", "projections"] = "projections"

    def __init__(self, *, norm_weight: float = 0.001) -> None:
        super().__init__()
        check_at_least(0, norm_weight=norm_weight)
        self.norm_weight = norm_weight

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """(B, D), (B, D) of any norm, ids (B,) -> scalar in [0, inf)."""
        product = image @ text.T
        others = item_id[:, None] == item_id[None, :]
        others = others & ~torch.eye(len(image), dtype=torch.bool, device=image.device)
        product = product.masked_fill(others, -torch.inf)
        own = product.diagonal()
        image_to_text = (product.logsumexp(dim=1) - own).mean()
        text_to_image = (product.logsumexp(dim=0) - own).mean()
        squared_norm = (image.square().sum(1) + text.square().sum(1)).mean() / 2
        return (image_to_text + text_to_image) / 2 + self.norm_weight * squared_norm

    def diagnostics(self) -> dict[str, float]:
        """Nothing is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:
        """An even guess among the batch: log B, the norms' penalty apart."""
        return math.log(batch_size)
