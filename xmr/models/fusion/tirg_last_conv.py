"""TIRG (Text Image Residual Gating) on the last convolution's map."""

import torch
from torch import Tensor, nn

from xmr.models.fusion.branches import two_convolutions
from xmr.models.fusion.maps import LastConvFusion
from xmr.models.fusion.tirg import INITIAL_WEIGHTS


class TIRGLastConv(LastConvFusion):
    """Mean of the map a0 * sigmoid(gate) (.) image + a1 * residual, then a linear layer: (B, dim).

    Both branches are conv3x3 ReLU conv3x3 ReLU BN [image, text], the text tiled; a starts at [1, 10].
    Source: Vo et al., Composing Text and Image for Image Retrieval, 2019, figure 3; google/tirg. Deviation:
    the linear layer is the fusion's own, where theirs is shared with the target images.
    """

    def __init__(
        self, *, dim: int, image_dim: int, text_dim: int, image_tokens: int, text_tokens: int
    ) -> None:
        super().__init__(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        self.gate = two_convolutions(self.channels, text_dim)
        self.residual = two_convolutions(self.channels, text_dim)
        self.weights = nn.Parameter(torch.tensor(INITIAL_WEIGHTS))

    def compose(self, image: Tensor, text: Tensor) -> Tensor:
        """Maps (B, C, H, W) and (B, T, H, W) -> (B, C, H, W)."""
        kept = torch.sigmoid(self.gate(image, text)) * image
        return self.weights[0] * kept + self.weights[1] * self.residual(image, text)
