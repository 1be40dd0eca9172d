"""The combiner of CLIP4Cir: a learned mixture of image and text, plus what a network makes of both."""

import torch
from torch import Tensor, nn

from xmr.core.errors import check_positive
from xmr.models.fusion.sizes import check_rate, check_sizes


class Combiner(nn.Module):
    """v + lambda * text + (1 - lambda) * image: projections (B, D), (B, D) -> (B, D), before unit norm.

    joined = [ReLU(P image), ReLU(P' text)], each of `projection` * D values; v = Linear ReLU Linear joined
    and lambda = sigmoid(Linear ReLU Linear joined), a number per query, with hidden layers of `hidden` * D;
    dropout follows each ReLU. Source: Baldrati et al., Conditioned and Composed Image Retrieval Combining
    and Partially Fine-Tuning CLIP-Based Features, 2022; the authors' sizes are 4 and 8 times D = 640.
    Their logit scale of 100 is the loss's: temperature 0.01.
    """

    on = "projections"

    def __init__(
        self,
        *,
        dim: int,
        image_dim: int,
        text_dim: int,
        image_tokens: int,
        text_tokens: int,
        projection: float = 4,
        hidden: float = 8,
        dropout: float = 0.5,
    ) -> None:
        check_sizes(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        check_positive(projection=projection, hidden=hidden)
        check_rate(dropout=dropout)
        super().__init__()
        width, inner = max(1, round(projection * dim)), max(1, round(hidden * dim))
        self.image = _hidden(dim, width, dropout)
        self.text = _hidden(dim, width, dropout)
        self.joint = nn.Sequential(*_hidden(2 * width, inner, dropout), nn.Linear(inner, dim))
        self.mixture = nn.Sequential(*_hidden(2 * width, inner, dropout), nn.Linear(inner, 1), nn.Sigmoid())

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Projections (B, D), (B, D) -> (B, D)."""
        joined = torch.cat([self.image(image), self.text(text)], dim=1)
        share = self.mixture(joined)
        return self.joint(joined) + share * text + (1 - share) * image


def _hidden(in_dim: int, dim: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, dim), nn.ReLU(), nn.Dropout(dropout))
