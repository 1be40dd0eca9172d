"""SigLIP: every image-text pair of the batch is a yes-or-no question of its own."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from xmr.core.errors import check_positive


class SigLIP(nn.Module):
    """Pairwise sigmoid loss with learned temperature and bias (Zhai et al. 2023, eq. 1 and algorithm 1).

    Starts at temperature 1/10 and bias -10, as in the paper. Deviation: rows with equal `item_id` are
    positives of each other, where the paper takes the diagonal alone.
    """

    on: Literal["embeddings", "projections"] = "embeddings"

    def __init__(self, *, temperature: float = 0.1, bias: float = -10.0) -> None:
        super().__init__()
        check_positive(temperature=temperature)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, inf), summed over pairs and divided by B."""
        logits = self.log_scale.exp() * (image @ text.T) + self.bias
        sign = torch.where(item_id[:, None] == item_id[None, :], 1.0, -1.0)
        return -logsigmoid(sign * logits).sum() / len(image)

    def diagnostics(self) -> dict[str, float]:
        """The temperature and bias in use."""
        return {"temperature": math.exp(-self.log_scale.item()), "bias": self.bias.item()}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """None: it follows the learned bias."""
        return None
