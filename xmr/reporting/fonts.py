"""Which font has a character: DejaVu Sans, which matplotlib carries, or one that is installed."""

import logging
import unicodedata
from functools import cache
from pathlib import Path

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What is drawn for a character that no font has."""

STAYS = ("M", "Z", "Cf")
"""Categories of characters that join the one before them: marks, spaces, joiners."""
NO_TEXT = ("Cc", "Cs", "Co", "Cn")
"""Categories of characters that no font would have: controls, surrogates, private and unassigned ones."""
EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH")
# drawn in colours, which Pillow can't at any size, or not of letters at all
UNFIT = ("color", "colour", "lastresort", "blank")
STYLED = ("bold", "black", "heavy", "light", "thin", "italic", "oblique", "mono", "serif", "condensed")

log = logging.getLogger(__name__)
_said: set[str] = set()


@cache
def font(size: float, *, bold: bool = False) -> FreeTypeFont:
    """DejaVu Sans of `size` pixels: the same on every machine, with Greek, Cyrillic, Arabic and accents."""
    return ImageFont.truetype(_dejavu("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"), size)


def readable(text: str) -> str:
    """`text` with `REPLACEMENT` for what no font has; it is logged once which font to install."""
    if _own().issuperset(map(ord, text)):
        return text
    return "".join(_drawn(character) for character in text)


def runs(text: str, face: FreeTypeFont) -> list[tuple[FreeTypeFont, str]]:
    """Readable `text` in pieces of one font each: `face`, of `font`, where that has the characters."""
    if _own().issuperset(map(ord, text)):
        return [(face, text)] if text else []
    pieces: list[tuple[str, str]] = []
    for character in text:
        path = _path_of(ord(character)) or ""
        if pieces:
            before, piece = pieces[-1]
            joins = unicodedata.category(character).startswith(STAYS) and ord(character) in _has(before)
            if joins or path == before:
                pieces[-1] = before, piece + character
                continue
        pieces.append((path, character))
    return [(_fallback(path, face.size) if path else face, piece) for path, piece in pieces]


def _drawn(character: str) -> str:
    if _path_of(ord(character)) is not None:
        return character
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category not in NO_TEXT:
        _say_missing(character, _remedy(character, category))
    return REPLACEMENT


def _remedy(character: str, category: str) -> str:
    """A font that has the character, and the Debian package that holds it."""
    if unicodedata.name(character, "").startswith(EAST_ASIAN):
        return "Noto Sans CJK (Debian: fonts-noto-cjk)"
    if category.startswith("S"):
        return "Symbola (Debian: fonts-symbola)"
    return "Noto Sans of its script (Debian: fonts-noto-core)"


def _say_missing(character: str, remedy: str) -> None:
    if remedy not in _said:
        _said.add(remedy)
        log.warning(
            "no font here has '%s' (%s): such characters are drawn as %s; install %s",
            *(character, unicodedata.name(character, "no name").lower(), REPLACEMENT, remedy),
        )


@cache
def _path_of(code: int) -> str | None:
    """The file of the first font that has a character: "" for DejaVu Sans, None for none."""
    if code in _own():
        return ""
    return next((path for path in _installed() if code in _has(path)), None)


@cache
def _installed() -> list[str]:
    """The files of all fonts but matplotlib's own: plain ones first, those without serifs before others."""
    import matplotlib
    from matplotlib import font_manager

    # the manager's list is kept on disk, and knows nothing of fonts that were installed since
    known = {*font_manager.findSystemFonts(), *(entry.fname for entry in font_manager.fontManager.ttflist)}
    own = matplotlib.get_data_path()
    names = {path: Path(path).stem.lower() for path in known if not path.startswith(own)}
    fit = [path for path, name in names.items() if not any(word in name for word in UNFIT)]

    def order(path: str) -> tuple[int, bool, str]:
        styles = sum(style in names[path].replace("sansserif", "") for style in STYLED)
        return styles, "sans" not in names[path], path

    return sorted(fit, key=order)


@cache
def _has(path: str) -> frozenset[int]:
    """The characters of a font's file ("" for DejaVu Sans); none when it can't be opened, at this size."""
    from matplotlib.ft2font import FT2Font

    path = path or _dejavu("DejaVuSans.ttf")
    try:
        ImageFont.truetype(path, 20)
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def _own() -> frozenset[int]:
    return _has("")


@cache
def _fallback(path: str, size: float) -> FreeTypeFont:
    return ImageFont.truetype(path, size)


def _dejavu(name: str) -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name)
