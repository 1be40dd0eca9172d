"""Checks the sizes that every fusion is built with, and what batch norm asks of a batch."""

from torch import Tensor

from xmr.core.errors import ConfigError, DataError, check_whole


def check_sizes(*, dim: int, image_dim: int, text_dim: int, image_tokens: int, text_tokens: int) -> None:
    """Raise `ConfigError` unless all sizes are whole numbers above 0 and features divide into tokens."""
    check_whole(
        1, dim=dim, image_dim=image_dim, text_dim=text_dim, image_tokens=image_tokens, text_tokens=text_tokens
    )
    for side, width, tokens in (("image", image_dim, image_tokens), ("text", text_dim, text_tokens)):
        if width % tokens:
            raise ConfigError(
                f"{side}_dim={width} does not divide into {side}_tokens={tokens} vectors of one size; "
                f"{side}_dim is the length of all of them together"
            )


def check_rate(**values: float) -> None:
    """Raise `ConfigError` for a share of dropped values outside [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ConfigError(f"{name}={value} is outside [0, 1); use 0 for none")


def check_for_batch_norm(values: Tensor) -> None:
    """Raise `DataError` for values (B, C, ...) that hold one value a channel, which have no variance."""
    if values.numel() == values.shape[1]:
        raise DataError(
            "a training batch of 1 query has no variance for the fusion's batch norm; "
            "use batch_size >= 2, or drop the last batch"
        )
