"""InfoNCE: each image picks its texts among those of the batch, and each text its images."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from xmr.core.errors import check_at_least

LOWEST_TEMPERATURE = 0.01


class InfoNCE(nn.Module):
    """Symmetric softmax cross-entropy over the similarities of a batch, with a learned temperature.

    van den Oord et al. 2018 (eq. 4); symmetric form and learned temperature of CLIP (Radford et al. 2021,
    fig. 3 and section 2.5), which never falls below 0.01. Deviation: rows with equal `item_id` are all
    positives, averaged outside the logarithm (SupCon's L_out, Khosla et al. 2020, eq. 2).
    """

    on: Literal["embeddings", "projections"] = "embeddings"

    def __init__(self, *, temperature: float = 0.07, learn_temperature: bool = True) -> None:
        super().__init__()
        check_at_least(LOWEST_TEMPERATURE, temperature=temperature)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learn_temperature)

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, inf); log B for a collapsed model."""
        similarity = image @ text.T
        positive = item_id[:, None] == item_id[None, :]
        return (self.one_way(similarity, positive) + self.one_way(similarity.T, positive)) / 2

    def one_way(self, similarity: Tensor, target: Tensor) -> Tensor:
        """Similarities (B, C) of B queries and what each should choose (B, C), as weights -> scalar."""
        with torch.no_grad():  # clamping the parameter leaves it a gradient to come back with
            self.log_scale.clamp_(max=-math.log(LOWEST_TEMPERATURE))
        logits = self.log_scale.exp() * similarity
        target = target.to(logits.dtype)
        target = target / target.sum(1, keepdim=True)
        return -(target * logits.log_softmax(dim=1)).sum(1).mean()

    def diagnostics(self) -> dict[str, float]:
        """The temperature in use."""
        return {"temperature": math.exp(-self.log_scale.item())}

    def collapsed_value(self, batch_size: int) -> float | None:
        """An even guess among the batch: log B."""
        return math.log(batch_size)
