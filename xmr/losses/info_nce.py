"""InfoNCE: each image picks its texts among those of the batch, and each text its images."""

import math

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

    def __init__(self, *, temperature: float = 0.07, learn_temperature: bool = True) -> None:
        super().__init__()
        check_at_least(LOWEST_TEMPERATURE, temperature=temperature)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learn_temperature)

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, inf); log B for a collapsed model."""
        with torch.no_grad():  # clamping the parameter leaves it a gradient to come back with
            self.log_scale.clamp_(max=-math.log(LOWEST_TEMPERATURE))
        logits = self.log_scale.exp() * (image @ text.T)
        positive = (item_id[:, None] == item_id[None, :]).to(logits.dtype)
        positive = positive / positive.sum(1, keepdim=True)
        image_to_text = -(positive * logits.log_softmax(dim=1)).sum(1)
        text_to_image = -(positive * logits.T.log_softmax(dim=1)).sum(1)
        return (image_to_text.mean() + text_to_image.mean()) / 2

    def diagnostics(self) -> dict[str, float]:
        """The temperature in use."""
        return {"temperature": math.exp(-self.log_scale.item())}
