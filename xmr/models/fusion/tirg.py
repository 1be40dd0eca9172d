"""TIRG (Text Image Residual Gating) on projections."""

import torch
from torch import Tensor, nn

from xmr.models.fusion.branches import one_layer, two_layers
from xmr.models.fusion.sizes import check_sizes

INITIAL_WEIGHTS = (1.0, 10.0)
"""Of the gated image and of the residual, as the authors' code starts them."""


class TIRG(nn.Module):
    """a0 * sigmoid(gate) (.) image + a1 * residual: projections (B, D), (B, D) -> (B, D).

    gate = Linear ReLU BN [image, text]; residual = Linear ReLU Linear ReLU BN [image, text]; a is learned
    and starts at [1, 10]. Source: Vo et al., Composing Text and Image for Image Retrieval, 2019, equations
    1 to 3, in the vector form of google/tirg.
    """

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
        self.gate = one_layer(dim)
        self.residual = two_layers(dim)
        self.weights = nn.Parameter(torch.tensor(INITIAL_WEIGHTS))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Projections (B, D), (B, D) -> (B, D)."""
        kept = torch.sigmoid(self.gate(image, text)) * image
        return self.weights[0] * kept + self.weights[1] * self.residual(image, text)
