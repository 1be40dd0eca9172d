"""The gated fusion of Sarker and Milanova: TIRG without its residual, on projections."""

import torch
from torch import Tensor, nn

from xmr.models.fusion.branches import two_layers
from xmr.models.fusion.sizes import check_sizes


class Gated(nn.Module):
    """w_g * sigmoid(gate) (.) image: projections (B, D), (B, D) -> (B, D).

    gate = W2 ReLU(W1 ReLU(BN([image, text]))), that of `GatedLastConv` at a single position.
    Source: Sarker and Milanova, Deep Learning-Based Multimodal Image Retrieval Combining Image and Text,
    equation 1. With `inside` the product with the image stands inside the sigmoid, as the document prints
    it in equation 2: w_g * sigmoid(gate (.) image), all of whose values have one sign. w_g starts at 1;
    where embeddings get unit norm, its size has no effect.
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
        inside: bool = False,
    ) -> None:
        check_sizes(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        super().__init__()
        self.gate = two_layers(dim)
        self.weight = nn.Parameter(torch.ones(()))
        self.inside = inside

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Projections (B, D), (B, D) -> (B, D)."""
        return self.weight * gated(self.gate(image, text), image, inside=self.inside)


def gated(gate: Tensor, image: Tensor, *, inside: bool) -> Tensor:
    """sigmoid(gate) (.) image, or sigmoid(gate (.) image) with `inside`; all of one shape."""
    return torch.sigmoid(gate * image) if inside else torch.sigmoid(gate) * image
