"""The sum of image and text: the simplest fusion of projections."""

from torch import Tensor, nn

from xmr.models.fusion.sizes import check_sizes


class Sum(nn.Module):
    """image + text: projections (B, D), (B, D) -> (B, D). Nothing to train."""

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

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Projections (B, D), (B, D) -> (B, D)."""
        return image + text
