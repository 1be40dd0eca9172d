"""Feature maps as sets of vectors: what image encoders with `pool="map"` share."""

from typing import Literal

from torch import Tensor

from xmr.core.errors import ConfigError, did_you_mean

Pool = Literal["vector", "map"]
POOLS = ("vector", "map")
STRIDE = 32
"""Pixels between positions of a ResNet's or an EfficientNet's last map."""


def check_pool(pool: str) -> None:
    """Raise `ConfigError` for a `pool` that is neither "vector" nor "map"."""
    if pool not in POOLS:
        raise ConfigError(f"unknown pool='{pool}'; {did_you_mean(pool, POOLS)}")


def pool_setting(pool: str) -> dict[str, str]:
    """What `pool` adds to an encoder's `preprocessing`.

    Nothing for vectors: features that were cached before there were maps keep their names.
    """
    return {} if pool == "vector" else {"pool": pool}


def map_tokens(size: int) -> int:
    """H * W of the last map for pictures of `size` x `size` pixels."""
    return (-(-size // STRIDE)) ** 2


def map_features(feature_map: Tensor) -> Tensor:
    """Map (B, C, H, W) -> features (B, H * W * C): H * W vectors of C, row by row of the picture."""
    return feature_map.flatten(2).transpose(1, 2).flatten(1)
