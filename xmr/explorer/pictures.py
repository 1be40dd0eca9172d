"""Pictures in and out: uploads that are checked before they are decoded, and small copies to be sent."""

import hashlib
import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from threading import Lock

from PIL import Image, ImageOps

from xmr.core.errors import ConfigError
from xmr.data.images import as_rgb
from xmr.explorer.problems import NotAPictureError, NotFoundError, TooLargeError
from xmr.explorer.recent import Recent
from xmr.reporting.views import fit

UPLOAD_BYTES = 20 * 2**20
PIXELS = 64 * 10**6
"""More are refused before they are decoded: a file of a few kilobytes may hold billions."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SIZES = (96, 192, 384, 768)
KEPT_UPLOADS, KEPT_BYTES = 64, 256 * 2**20
SMALL_COPIES, SMALL_BYTES = 4096, 64 * 2**20
DAMAGED = (
    OSError,
    RuntimeError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    TypeError,
    LookupError,
    ArithmeticError,
)
"""What Pillow raises for files that are no pictures, or whose tags are damaged."""


@dataclass(frozen=True)
class Upload:
    """A picture that a user gave: the hash of its bytes, its size in pixels, and the bytes."""

    id: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True)
class Small:
    """A picture to send, as WebP, and a tag that changes with its bytes."""

    data: bytes
    tag: str


class Uploads:
    """The last pictures that users gave; kept in memory alone."""

    def __init__(self) -> None:
        self._kept: Recent[Upload] = Recent(KEPT_UPLOADS, nbytes=KEPT_BYTES, size_of=lambda u: len(u.data))

    def add(self, data: bytes) -> Upload:
        """Keep a picture; raises `TooLargeError` and `NotAPictureError`."""
        if len(data) > UPLOAD_BYTES:
            raise too_many_bytes()
        picture = opened(data)
        upload = Upload(hashlib.sha256(data).hexdigest()[:16], *picture.size, data)
        self._kept.put(upload.id, upload)
        return upload

    def picture(self, id_: str) -> Image.Image:
        """The picture of an upload; raises `NotFoundError` when it is forgotten."""
        upload = self._kept.get(id_)
        if upload is None:
            raise NotFoundError(
                f"the picture '{id_}' is no longer here (uploads are kept while the explorer runs, the last "
                f"{KEPT_UPLOADS}); upload it again"
            )
        return opened(upload.data)


_one_at_a_time = Lock()
"""A decoded picture may take hundreds of megabytes."""


def opened(data: bytes) -> Image.Image:
    """The picture in `data`, decoded, upright and in RGB.

    Raises `TooLargeError` for more than 64 megapixels, before they are decoded, and `NotAPictureError`.
    """
    try:
        with _one_at_a_time, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is lower
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > PIXELS:
                    raise TooLargeError(
                        f"the picture has {image.width:,} x {image.height:,} pixels, more than "
                        f"{PIXELS // 10**6} million; make it smaller"
                    )
                return as_rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise TooLargeError(f"the picture has more than {PIXELS // 10**6} million pixels") from None
    except DAMAGED as error:
        raise NotAPictureError(
            f"this is no picture that can be read; give a file of {', '.join(FORMATS)}"
        ) from error


def too_many_bytes() -> TooLargeError:
    """What is wrong with a larger upload."""
    return TooLargeError(f"the picture is larger than {UPLOAD_BYTES // 2**20} MB; make it smaller")


def check_size(size: int) -> None:
    """Raise `ConfigError` for a size that is not offered."""
    if size not in SIZES:
        raise ConfigError(f"size={size}; use one of {', '.join(map(str, SIZES))}")


def small(picture: Image.Image, size: int) -> Small:
    """`picture` with its longer side `size` pixels (less where it has less), as WebP."""
    file = BytesIO()
    fit(picture, min(size, max(picture.size))).save(file, format="WEBP", quality=82, method=2)
    data = file.getvalue()
    return Small(data, hashlib.sha256(data).hexdigest()[:16])


def kept_small() -> Recent[Small]:
    """A memory of small pictures."""
    return Recent(SMALL_COPIES, nbytes=SMALL_BYTES, size_of=lambda s: len(s.data))
