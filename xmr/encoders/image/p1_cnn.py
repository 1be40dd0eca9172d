"""P1 CNN: a network of two convolutions, from scratch, for class labels on small pictures."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from xmr.core.errors import check_whole
from xmr.core.types import Modality
from xmr.encoders.transforms import ImageTransform

# of the two 2 x 2 poolings: smaller pictures leave no position
SMALLEST = 4


class P1CNN(nn.Sequential):
    """Pixels (B, 3, S, S) -> features (B, 64): two 3 x 3 convolutions, averaged over their positions.

    Each is followed by ReLU, 2 x 2 max pooling, batch norm and dropout of whole channels. The whole picture
    is squashed to `size` x `size` pixels. The classifier that ends the original is the loss's.
    Source: seed 003 (metric learning on scenes) and its code.
    """

    modality = Modality.IMAGE
    starts_random = True
    dim = 64

    def __init__(self, *, size: int = 64) -> None:
        check_whole(SMALLEST, size=size)
        super().__init__(
            *_block(3, 32, dropout=0.1),
            *_block(32, self.dim, dropout=0.3),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.1),
        )
        self.prepare = ImageTransform(crop=size, resize=None)
        self.preprocessing: Mapping[str, Any] = self.prepare.describe()

    def forward(self, inputs: Tensor) -> Tensor:
        """Pixels (B, 3, S, S) -> features (B, 64)."""
        return super().forward(inputs)


def _block(channels: int, out: int, *, dropout: float) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(out),
        nn.Dropout2d(dropout),
    ]
