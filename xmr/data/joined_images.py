"""Image readers that make one square picture of several: NLVR's boxes, NLVR2's pairs of photographs."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from xmr.core.errors import DataError
from xmr.core.files import fingerprint
from xmr.data.images import FolderImages

# Change it with any change of what is drawn: caches of features hang on it.
_DRAWING = 1
STRIP = (400, 100)
"""NLVR's files, (width, height): three boxes of 100 with a bar of 50 between two."""
_BOX, _STRIDE, _GAP = 100, 150, 20
_GREY = (128, 128, 128)
_SIDE = 448


class BoxGrid:
    """NLVR's three boxes as top left, top right and bottom left of a grey square of 260 x 260.

    A margin and the gaps are 20 wide: what a crop to the middle seven eighths cuts off shows no box.
    """

    def __init__(self, root: Path | str) -> None:
        self.files = FolderImages(root)

    def __call__(self, key: str) -> Image.Image:
        """The boxes of file `key` as RGB; raises `DataError` when it can't be read or holds no such boxes."""
        strip = self.files(key)
        if strip.size != STRIP:
            raise DataError(
                f"'{key}' is {strip.width} x {strip.height} pixels, but NLVR's boxes are in "
                f"{STRIP[0]} x {STRIP[1]}; use layout=strip"
            )
        side = 2 * _BOX + 3 * _GAP
        grid = Image.new("RGB", (side, side), _GREY)
        for box in range(3):
            row, column = divmod(box, 2)
            left = box * _STRIDE
            place = (_GAP + column * (_BOX + _GAP), _GAP + row * (_BOX + _GAP))
            grid.paste(strip.crop((left, 0, left + _BOX, _BOX)), place)
        return grid

    def fingerprint(self, keys: Sequence[str]) -> str:
        """Changes with any file's size or time of change, and with the way they are drawn."""
        return fingerprint("grid", _DRAWING, self.files.fingerprint(keys))


class PairImages:
    """Two photographs, the left one above the right one, each fitted into half of a white 448 x 448.

    A key is two paths with "|" between them.
    """

    def __init__(self, root: Path | str) -> None:
        self.files = FolderImages(root)

    def __call__(self, key: str) -> Image.Image:
        """The pair `key` as RGB; raises `DataError` naming the file that can't be read."""
        square = Image.new("RGB", (_SIDE, _SIDE), "white")
        for half, path in enumerate(key.split("|")):
            photograph = self.files(path)
            scale = min(_SIDE / photograph.width, _SIDE / 2 / photograph.height)
            size = (max(1, round(photograph.width * scale)), max(1, round(photograph.height * scale)))
            left, top = (_SIDE - size[0]) // 2, half * _SIDE // 2 + (_SIDE // 2 - size[1]) // 2
            square.paste(photograph.resize(size, Image.Resampling.BICUBIC, reducing_gap=2), (left, top))
        return square

    def fingerprint(self, keys: Sequence[str]) -> str:
        """Changes with any file's size or time of change, and with the way they are drawn."""
        files = [path for key in keys for path in key.split("|")]
        return fingerprint("pair", _DRAWING, self.files.fingerprint(files))
