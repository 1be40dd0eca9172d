"""Text on pictures: one font on every machine, wrapped and shortened to a width in pixels."""

from functools import cache
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

ELLIPSIS = "…"


@cache
def font(size: int, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans of `size` pixels: matplotlib carries it, with Greek, Cyrillic, Arabic and accents."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def line_height(face: FreeTypeFont) -> int:
    """Pixels from one line of text to the next."""
    ascent, descent = face.getmetrics()
    return round((ascent + descent) * 1.1)


def shorten(text: str, face: FreeTypeFont, width: float) -> str:
    """`text` on one line of at most `width` pixels, an ellipsis in place of what doesn't fit."""
    text = " ".join(text.split())
    if face.getlength(text) <= width:
        return text
    kept = _longest_prefix(text, face, width - face.getlength(ELLIPSIS))
    return text[:kept].rstrip() + ELLIPSIS


def wrap(text: str, face: FreeTypeFont, width: float, max_lines: int) -> list[str]:
    """`text` as at most `max_lines` lines of at most `width` pixels, the last one shortened if need be.

    Breaks at spaces; a word wider than a line (an address, a language without spaces) is cut.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest:
        if len(lines) == max_lines - 1:
            return [*lines, shorten(rest, face, width)]
        fits = _longest_prefix(rest, face, width)
        if fits < len(rest):
            fits = rest.rfind(" ", 1, fits + 1) if " " in rest[1 : fits + 1] else max(fits, 1)
        lines.append(rest[:fits].rstrip())
        rest = rest[fits:].lstrip()
    return lines


def _longest_prefix(text: str, face: FreeTypeFont, width: float) -> int:
    """How many characters from the start of `text` fit into `width` pixels."""
    fits, too_many = 0, len(text) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if face.getlength(text[:middle]) <= width:
            fits = middle
        else:
            too_many = middle
    return fits
