import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from xmr.reporting.typography import draw_text, font, shorten, text_length, wrap

FACE = font(20)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.integers(60, 400), st.integers(1, 6))
def test_every_line_of_any_text_fits(text, width, max_lines):
    lines = wrap(text, FACE, width, max_lines)
    assert len(lines) <= max_lines
    assert all(text_length(line, FACE) <= width for line in lines)


def test_wrapping_keeps_every_word_when_there_is_room():
    text = "A girl in  a pink dress\nclimbs a set of stairs ."
    assert " ".join(wrap(text, FACE, 150, 20)) == "A girl in a pink dress climbs a set of stairs ."


def test_what_does_not_fit_ends_in_an_ellipsis():
    lines = wrap("word " * 50, FACE, 150, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert not any(line.endswith("…") for line in lines[:-1])
    assert shorten("short", FACE, 150) == "short"


def test_a_word_wider_than_a_line_is_cut_but_not_lost():
    assert "".join(wrap("x" * 100, FACE, 150, 50)) == "x" * 100


@pytest.mark.parametrize("text", ["なにか違うもの", "العربية", "👩‍👩‍👧", "\x00\x1b[31m", "\ud800"])
def test_text_that_the_font_lacks_can_be_drawn(text):
    picture = Image.new("L", (200, 40))
    for line in wrap(text, FACE, 150, 2):
        draw_text(ImageDraw.Draw(picture), (5, 5), line, FACE, colour="white")


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_blank_text_has_no_lines(text):
    assert wrap(text, FACE, 150, 3) == []
    assert shorten(text, FACE, 150) == ""


def test_accents_greek_and_cyrillic_have_glyphs():
    missing = bytes(FACE.getmask("\ue000"))
    assert all(bytes(FACE.getmask(letter)) != missing for letter in "éüßΩж…−")
