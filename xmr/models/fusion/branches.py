"""The layers that gated fusion and TIRG share: batch norm, then one or two linear maps over both sides."""

import torch
from torch import Tensor, nn

from xmr.models.fusion.sizes import check_for_batch_norm


class Branch(nn.Module):
    """Layers over the joined values of both sides: image (B, C, ...), text (B, T, ...) -> (B, C, ...)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Raises `DataError` for a training batch without variance, as batch norm would fail on it."""
        joined = torch.cat([image, text], dim=1)
        if self.training:
            check_for_batch_norm(joined)
        return self.layers(joined)


def one_layer(dim: int) -> Branch:
    """BN -> ReLU -> Linear(2d -> d) for vectors: TIRG's gate."""
    return Branch(nn.BatchNorm1d(2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))


def two_layers(dim: int) -> Branch:
    """BN -> ReLU -> Linear(2d -> 2d) -> ReLU -> Linear(2d -> d) for vectors: TIRG's residual."""
    both = 2 * dim
    return Branch(nn.BatchNorm1d(both), nn.ReLU(), nn.Linear(both, both), nn.ReLU(), nn.Linear(both, dim))


def two_convolutions(channels: int, text_dim: int) -> Branch:
    """BN -> ReLU -> conv3x3 -> ReLU -> conv3x3 for maps of C + T channels -> C channels, size kept."""
    both = channels + text_dim
    return Branch(
        nn.BatchNorm2d(both),
        nn.ReLU(),
        nn.Conv2d(both, both, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(both, channels, 3, padding=1),
    )
