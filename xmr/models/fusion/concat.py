"""A linear layer over image and text side by side."""

import torch
from torch import Tensor, nn

from xmr.models.fusion.sizes import check_sizes


class Concat(nn.Module):
    """W [image, text] + b: projections (B, D), (B, D) -> (B, D)."""

    on = "projections"

    def __init__(
        self, *, dim: int, image_dim: int, text_dim: int, image_tokens: int, text_tokens: int
    ) -> None:
        check_sizes(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        super().__init__()
        self.linear = nn.Linear(2 * dim, dim)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Projections (B, D), (B, D) -> (B, D)."""
        return self.linear(torch.cat([image, text], dim=1))
