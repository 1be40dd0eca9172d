"""Features as square maps: what fusions on the last convolution need around their convolutions."""

from abc import ABC, abstractmethod
from math import isqrt

from torch import Tensor, nn

from xmr.core.errors import ConfigError
from xmr.models.fusion.sizes import check_sizes


class LastConvFusion(nn.Module, ABC):
    """Image features (B, H*W*C) and text features (B, text_dim) -> (B, dim), composed as maps.

    Positions run row by row. The text is tiled over height x width; `compose` makes of both a map
    (B, C, H, W), whose mean over the positions goes through a linear layer. H = W; raises `ConfigError`
    where image_tokens is no square, or the text has more than one vector.
    """

    on = "features"

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
        self.side = isqrt(image_tokens)
        if self.side**2 != image_tokens:
            raise ConfigError(
                f"image_tokens={image_tokens} is no square map (H = W); use an image encoder that gives "
                f"its feature map, as 49 positions of 7 x 7"
            )
        if text_tokens != 1:
            raise ConfigError(
                f"text_tokens={text_tokens}, but one text vector is tiled over the map; use a text encoder "
                f"that pools its words"
            )
        self.channels = image_dim // image_tokens
        self.project = nn.Linear(self.channels, dim)

    @abstractmethod
    def compose(self, image: Tensor, text: Tensor) -> Tensor:
        """Maps (B, C, H, W) and (B, T, H, W) -> (B, C, H, W)."""

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Image features (B, H*W*C), text features (B, T) -> (B, dim)."""
        positions = image.view(len(image), self.side, self.side, self.channels)
        tiled = text[:, :, None, None].expand(-1, -1, self.side, self.side)
        composed = self.compose(positions.permute(0, 3, 1, 2), tiled)
        return self.project(composed.mean((2, 3)))
