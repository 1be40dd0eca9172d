"""Text in scripts that DejaVu Sans lacks: drawn by an installed font, or marked as unreadable."""

import logging

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageDraw

from xmr.reporting import fonts
from xmr.reporting.fonts import REPLACEMENT, font, readable, runs
from xmr.reporting.typography import draw_text, shorten, text_length, wrap

FACE = font(20)
DOG, CAT, THAI, WOMAN = "犬", "猫", "เ", "👩"


def make_font(path, characters):
    """A font whose every glyph is a full square, 1 em wide."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (1000, 800), (1000, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", *(f"g{ord(c):x}" for c in characters)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"g{ord(c):x}" for c in characters})
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return str(path)


@pytest.fixture
def install(monkeypatch):
    """Make some files all the fonts that are installed."""
    forget = (fonts._installed, fonts._path_of, fonts._has, fonts._fallback)

    def install_only(*paths):
        for cached in forget:
            cached.cache_clear()
        monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: list(map(str, paths)))
        monkeypatch.setattr("matplotlib.font_manager.fontManager.ttflist", [])
        monkeypatch.setattr(fonts, "_said", set())

    yield install_only
    for cached in forget:
        cached.cache_clear()


def drawn(text):
    picture = Image.new("L", (300, 40))
    draw_text(ImageDraw.Draw(picture), (10, 5), text, FACE, colour="white")
    return np.asarray(picture)


def test_what_dejavu_has_is_drawn_by_it_alone(install):
    install()
    assert runs("é 5 − Ω ж", FACE) == [(FACE, "é 5 − Ω ж")]
    plain = Image.new("L", (300, 40))
    ImageDraw.Draw(plain).text((10, 5), "Ωmega", "white", FACE)
    assert (drawn("Ωmega") == np.asarray(plain)).all()


def test_an_installed_font_draws_what_dejavu_lacks(install, tmp_path):
    install(make_font(tmp_path / "Squares.ttf", [DOG, CAT]))
    pieces = runs(f"a {DOG}{CAT} b", FACE)
    assert [piece for _, piece in pieces] == ["a ", f"{DOG}{CAT}", " b"]
    assert pieces[0][0] is pieces[2][0] is FACE
    assert text_length(DOG + CAT, FACE) == 40
    columns = np.flatnonzero((drawn(DOG) == 255).any(axis=0))
    assert (columns.min(), columns.max()) == (10, 29)
    bottom = np.flatnonzero((drawn(DOG) == 255).any(axis=1)).max()
    assert bottom == np.flatnonzero((drawn("H") > 128).any(axis=1)).max(), "on the same base line"


def test_lines_are_measured_with_the_font_that_draws_them(install, tmp_path):
    install(make_font(tmp_path / "Squares.ttf", [DOG]))
    assert wrap(DOG * 7, FACE, 65, 9) == [DOG * 3, DOG * 3, DOG]
    assert text_length(shorten(DOG * 7, FACE, 100), FACE) <= 100


def test_plain_fonts_without_serifs_come_first(install, tmp_path):
    names = ["ZSans-Bold.ttf", "ASerif.ttf", "ZSans.ttf", "AOther.ttf", "AColorEmoji.ttf", "LastResortHE.ttf"]
    install(*[make_font(tmp_path / name, [DOG]) for name in names])
    ordered = [path.rpartition("/")[2] for path in fonts._installed()]
    assert ordered == ["ZSans.ttf", "AOther.ttf", "ZSans-Bold.ttf", "ASerif.ttf"]
    assert runs(DOG, FACE)[0][0].path.endswith("ZSans.ttf")


def test_a_broken_font_is_passed_over(install, tmp_path):
    (tmp_path / "ASans.ttf").write_bytes(b"no font")
    install(tmp_path / "ASans.ttf", tmp_path / "gone.ttf", make_font(tmp_path / "Squares.ttf", [DOG]))
    assert runs(DOG, FACE)[0][0].path.endswith("Squares.ttf")


def test_what_no_font_has_is_replaced_and_said_once(install, caplog):
    install()
    with caplog.at_level(logging.WARNING):
        assert readable(f"a {DOG} {CAT}") == f"a {REPLACEMENT} {REPLACEMENT}"
        assert readable(f"{CAT}ab{THAI}{WOMAN}") == f"{REPLACEMENT}ab{REPLACEMENT}{REPLACEMENT}"
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    for line, package in zip(said, ["fonts-noto-cjk", "fonts-noto-core", "fonts-symbola"], strict=True):
        assert package in line
    assert DOG in said[0]
    assert (drawn(DOG) == drawn(REPLACEMENT)).all()


@pytest.mark.parametrize("text", ["\x00", "\ud800", "\ue000", "\U000e0fff"])
def test_what_is_no_character_is_replaced_and_no_font_advised(install, caplog, text):
    install()
    assert readable(text) == REPLACEMENT
    assert not caplog.records


def test_marks_and_joiners_stay_with_their_letter(install, tmp_path):
    mark = "\u0301"
    install(make_font(tmp_path / "Squares.ttf", [DOG, mark, " "]))
    assert [piece for _, piece in runs(f"e{mark} {DOG}{mark} {DOG} e", FACE)] == [
        f"e{mark} ",
        f"{DOG}{mark} {DOG} ",
        "e",
    ]
