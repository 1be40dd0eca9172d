"""Text on pictures: one font on every machine, others for what it lacks, cut to a width in pixels."""

from PIL.ImageDraw import ImageDraw
from PIL.ImageFont import FreeTypeFont

from xmr.reporting.fonts import font, readable, runs

__all__ = ["draw_text", "font", "line_height", "shorten", "text_length", "wrap"]

ELLIPSIS = "…"


def text_length(text: str, face: FreeTypeFont) -> float:
    """The width of `text` in pixels, as `draw_text` draws it."""
    return sum(part.getlength(run) for part, run in runs(readable(text), face))


def draw_text(pen: ImageDraw, at: tuple[float, float], text: str, face: FreeTypeFont, *, colour: str) -> None:
    """Draw one line of `text`, its upper left corner at `at`; fonts that differ share a base line."""
    left, base = at[0], at[1] + face.getmetrics()[0]
    for part, run in runs(readable(text), face):
        pen.text((left, base), run, colour, part, anchor="ls")
        left += part.getlength(run)


def line_height(face: FreeTypeFont) -> int:
    """Pixels from one line of text to the next."""
    ascent, descent = face.getmetrics()
    return round((ascent + descent) * 1.1)


def shorten(text: str, face: FreeTypeFont, width: float) -> str:
    """`text` on one line of at most `width` pixels, an ellipsis in place of what doesn't fit."""
    text = readable(" ".join(text.split()))
    if text_length(text, face) <= width:
        return text
    kept = _longest_prefix(text, face, width - text_length(ELLIPSIS, face))
    return text[:kept].rstrip() + ELLIPSIS


def wrap(text: str, face: FreeTypeFont, width: float, max_lines: int) -> list[str]:
    """`text` as at most `max_lines` lines of at most `width` pixels, the last one shortened if need be.

    Breaks at spaces; a word wider than a line (an address, a language without spaces) is cut.
    """
    lines: list[str] = []
    rest = readable(" ".join(text.split()))
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
        if text_length(text[:middle], face) <= width:
            fits = middle
        else:
            too_many = middle
    return fits
