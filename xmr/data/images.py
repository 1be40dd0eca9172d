"""Image readers: the ways in which data sets store their pictures."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from xmr.core.errors import DataError, MissingFilesError, problems_message
from xmr.core.files import fingerprint


class FolderImages:
    """Images as files below `root`; keys are paths relative to it (absolute ones are used as they are)."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __call__(self, key: str) -> Image.Image:
        """The image file `key` as RGB; raises `DataError` when it is missing or unreadable."""
        path = self.root / key
        try:
            with Image.open(path) as image:
                return as_rgb(ImageOps.exif_transpose(image))
        except FileNotFoundError:
            raise DataError(f"image {path} does not exist; mend the row that names it") from None
        except (
            UnidentifiedImageError,
            Image.DecompressionBombError,
            OSError,
            RuntimeError,
            SyntaxError,
            ValueError,
        ) as error:
            raise DataError(f"image {path} can't be read ({error}); replace or remove it") from error

    def fingerprint(self, keys: Sequence[str]) -> str:
        """Changes with any file's size or time of change: stat, not content, as sets can be large.

        Raises `MissingFilesError` that lists the images that do not exist.
        """
        missing = [f"'{key}'" for key in keys if not (self.root / key).is_file()]
        if missing:
            remedy = "Put them there, or remove the rows that name them."
            raise MissingFilesError(problems_message(f"images missing below {self.root}", missing, remedy))
        stats = [(self.root / key).stat() for key in keys]
        return fingerprint([[key, s.st_size, s.st_mtime_ns] for key, s in zip(keys, stats, strict=True)])


def as_rgb(image: Image.Image) -> Image.Image:
    """`image` in RGB, what is transparent in it on white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
