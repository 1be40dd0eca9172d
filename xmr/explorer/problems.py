"""What a request can be wrong about beyond a setting or a data set: each kind has a status of its own."""

from xmr.core.errors import ConfigError, DataError, XmrError


class NotFoundError(DataError):
    """Nothing has the id or path that was asked for."""


class TooLargeError(DataError):
    """An upload is above a limit of bytes or of pixels."""


class NotAPictureError(DataError):
    """An upload is no picture that can be read."""


KINDS: tuple[tuple[type[XmrError], str, int], ...] = (
    (NotFoundError, "not_found", 404),
    (TooLargeError, "too_large", 413),
    (NotAPictureError, "not_a_picture", 415),
    (ConfigError, "invalid", 400),
    (XmrError, "unavailable", 409),
)
"""The name and the HTTP status of each kind of error, the first that fits."""


def kind_of(error: XmrError) -> tuple[str, int]:
    """The name and the HTTP status of `error`."""
    return next((name, status) for kind, name, status in KINDS if isinstance(error, kind))
