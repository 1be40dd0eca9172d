"""Heads: what maps the features of an encoder into the shared space."""

from itertools import pairwise

from torch import Tensor, nn

from xmr.core.errors import ConfigError, check_positive


class LinearHead(nn.Sequential):
    """Dropout on the features, then one linear layer: features (B, in_dim) -> (B, dim)."""

    def __init__(self, *, in_dim: int, dim: int, dropout: float = 0.0, bias: bool = True) -> None:
        check_positive(dim=dim)
        _check_dropout(dropout)
        super().__init__(nn.Dropout(dropout), nn.Linear(in_dim, dim, bias=bias))


class MLPHead(nn.Sequential):
    """Hidden layers with GELU and dropout, then a linear layer: features (B, in_dim) -> (B, dim)."""

    def __init__(
        self, *, in_dim: int, dim: int, hidden: int = 1024, layers: int = 1, dropout: float = 0.1
    ) -> None:
        check_positive(dim=dim, hidden=hidden, layers=layers)
        _check_dropout(dropout)
        sizes = [in_dim] + [hidden] * layers
        blocks: list[nn.Module] = []
        for size, following in pairwise(sizes):
            blocks += [nn.Linear(size, following), nn.GELU(), nn.Dropout(dropout)]
        super().__init__(*blocks, nn.Linear(sizes[-1], dim))


class IdentityHead(nn.Module):
    """Features as they are, for encoders that already share a space; in_dim must equal dim."""

    def __init__(self, *, in_dim: int, dim: int) -> None:
        super().__init__()
        if in_dim != dim:
            raise ConfigError(
                f"head 'identity' keeps the encoder's {in_dim} dimensions; use model.dim={in_dim}"
            )

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, dim), unchanged."""
        return features


def _check_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout={dropout} is outside [0, 1); use 0 for none")
