"""The baselines that look at one side of a query and not at the other."""

from typing import Literal

from torch import Tensor, nn

from xmr.core.errors import ConfigError
from xmr.models.fusion.sizes import check_sizes


class OneSide(nn.Module):
    """The projection (B, D) of one side, unchanged: what a fusion has to beat. Nothing to train.

    `side` is "image" or "text"; `reads` tells the model which, as what nothing reads cannot learn.
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
        side: Literal["image", "text"],
    ) -> None:
        check_sizes(
            dim=dim,
            image_dim=image_dim,
            text_dim=text_dim,
            image_tokens=image_tokens,
            text_tokens=text_tokens,
        )
        if side not in ("image", "text"):
            raise ConfigError(f"fusion.side='{side}' is none of image, text")
        super().__init__()
        self.reads = (side,)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Projections (B, D), (B, D) -> (B, D)."""
        return image if "image" in self.reads else text
