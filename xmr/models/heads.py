"""Heads: what maps the features of an encoder into the shared space."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import relu

from xmr.core.errors import ConfigError, DataError, check_positive


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


class PReLUHead(nn.Sequential):
    """Batch norm, linear layers with PReLU between them, dropout on the output: (B, in_dim) -> (B, dim).

    `hidden` lists the widths between in_dim and dim; empty: one linear layer. Batch norm is optional.
    Source: the heads of seed 003 (captions: 2048 for images, 1024 and 2048 for texts; its code drops out
    after the last layer) and of DIME (Zhao et al., MMM 2020; no dropout).
    """

    def __init__(
        self,
        *,
        in_dim: int,
        dim: int,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        check_positive(dim=dim, **{f"hidden[{layer}]": width for layer, width in enumerate(hidden)})
        _check_dropout(dropout)
        layers: list[nn.Module] = [nn.BatchNorm1d(in_dim)] if batch_norm else []
        widths = [in_dim, *hidden]
        for width, following in pairwise(widths):
            layers += [nn.Linear(width, following), nn.PReLU()]
        super().__init__(*layers, nn.Linear(widths[-1], dim), nn.Dropout(dropout))


class DualPathHead(nn.Module):
    """Linear layer and batch norm, without bias before it: features (B, in_dim) -> (B, dim).

    In training a ReLU follows, in evaluation none: the original trains on what comes after the ReLU and
    tests on what comes before; `relu_in_training` and `relu_in_evaluation` choose (a frozen head is in
    evaluation). `hidden` puts a first
    layer with batch norm and ReLU before it, as the original does for images. The dropout that follows in
    the original belongs to its loss.
    Source: Zheng et al., TOMM 2020, and its code (He's initialisation).
    """

    def __init__(
        self,
        *,
        in_dim: int,
        dim: int,
        hidden: int | None = None,
        relu_in_training: bool = True,
        relu_in_evaluation: bool = False,
    ) -> None:
        super().__init__()
        check_positive(dim=dim, **({} if hidden is None else {"hidden": hidden}))
        self.relu_in_training = relu_in_training
        self.relu_in_evaluation = relu_in_evaluation
        first = [] if hidden is None else [*_linear_norm(in_dim, hidden), nn.ReLU()]
        self.layers = nn.Sequential(*first, *_linear_norm(hidden or in_dim, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, in_dim) -> (B, dim), not negative where a ReLU follows."""
        if self.training and len(features) == 1:
            raise DataError("batch norm learns nothing from a batch of one; use batch_size >= 2")
        outputs = self.layers(features)
        return relu(outputs) if self._ends_in_relu() else outputs

    def _ends_in_relu(self) -> bool:
        return self.relu_in_training if self.training else self.relu_in_evaluation


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


def _linear_norm(in_dim: int, dim: int) -> list[nn.Module]:
    linear = nn.Linear(in_dim, dim, bias=False)
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    return [linear, nn.BatchNorm1d(dim)]


def _check_dropout(dropout: float) -> None:
    if not 0 <= dropout < 1:
        raise ConfigError(f"dropout={dropout} is outside [0, 1); use 0 for none")
