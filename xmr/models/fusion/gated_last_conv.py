"""The gated fusion of Sarker and Milanova on the last convolution's map, as the document draws it."""

import torch
from torch import Tensor, nn

from xmr.models.fusion.branches import two_convolutions
from xmr.models.fusion.gated import gated
from xmr.models.fusion.maps import LastConvFusion


class GatedLastConv(LastConvFusion):
    """Mean of the map w_g * sigmoid(gate) (.) image, then a linear layer: (B, dim).

    gate = conv3x3 ReLU conv3x3 ReLU BN [image, text], the text tiled. Source: Sarker and Milanova, section
    III B, equations 1 and 2. Deviation: batch norm stands before the convolutions, as in TIRG. `inside` puts
    the product with the image inside the sigmoid, as equation 2 is printed. w_g starts at 1.
    """

    def __init__(
        self,
        *,
        dim: int,
        image_dim: int,
        text_dim: int,
        image_tokens: int,
        text_tokens: int,
        inside: bool = False,
    ) -> None:
        super().__init__(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        self.gate = two_convolutions(self.channels, text_dim)
        self.weight = nn.Parameter(torch.ones(()))
        self.inside = inside

    def compose(self, image: Tensor, text: Tensor) -> Tensor:
        """Maps (B, C, H, W) and (B, T, H, W) -> (B, C, H, W)."""
        return self.weight * gated(self.gate(image, text), image, inside=self.inside)
