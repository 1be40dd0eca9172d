"""The word-drop explanation: each word's change by a loop, and panels that show them in order."""

import numpy as np
import pytest
from PIL import Image, ImageColor

from xmr.core.errors import DataError
from xmr.reporting.word_drop import (
    HELPS,
    HURTS,
    Explained,
    WordChange,
    draw_word_drop,
    explain,
    signed,
    word_drop,
)

VECTORS = {"dog": [3.0, 0, 1], "red": [1, 2, 0], "the": [0.1, 0, 0], "runs.": [-1, 0, 2]}
IMAGE = np.array([2.0, 0, 0])


class Encoder:
    """The sum of word vectors, each weighted by its place, so that order and repetition count."""

    def __init__(self):
        self.calls = []

    def __call__(self, texts):
        self.calls.append(list(texts))
        return np.array([self.one(text) for text in texts])

    def one(self, text):
        words = text.split()
        return sum((1 + n) * np.array(VECTORS[word]) for n, word in enumerate(words))


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_each_word_changes_what_its_removal_does():
    words = ["the", "dog", "red", "dog", "runs."]
    encoder = Encoder()
    full = cosine(encoder.one(" ".join(words)), IMAGE)
    expected = [
        (word, full - cosine(encoder.one(" ".join(w for m, w in enumerate(words) if m != n)), IMAGE))
        for n, word in enumerate(words)
    ]
    found = word_drop(encoder, IMAGE, "the dog  red\tdog runs.")
    assert [word for word, _ in found] == words
    assert [change for _, change in found] == pytest.approx([change for _, change in expected], abs=1e-12)
    assert found[1].change != found[3].change, "a repeated word counts by its place"


def test_all_variants_are_embedded_in_one_call():
    encoder = Encoder()
    word_drop(encoder, IMAGE, "red dog runs.")
    assert encoder.calls == [["red dog runs.", "dog runs.", "red runs.", "red dog"]]


def test_of_one_word_nothing_is_left_to_embed():
    encoder = Encoder()
    assert word_drop(encoder, IMAGE, " dog ") == [("dog", pytest.approx(3 / 10**0.5))]
    assert encoder.calls == [[" dog "]]


def test_words_of_no_direction_have_no_similarity():
    assert word_drop(lambda texts: np.zeros((len(texts), 3)), IMAGE, "a b") == [("a", 0.0), ("b", 0.0)]


def test_what_has_no_explanation_is_refused():
    with pytest.raises(DataError, match="without words"):
        word_drop(Encoder(), IMAGE, "  \n")
    with pytest.raises(DataError, match="NaN"):
        word_drop(lambda texts: np.full((len(texts), 3), np.nan), IMAGE, "dog")


def test_the_whole_is_explained_with_its_similarity():
    picture = Image.new("RGB", (900, 300))
    pair = explain(Encoder(), IMAGE, "red dog", picture)
    assert pair.similarity == pytest.approx(cosine(Encoder().one("red dog"), IMAGE))
    assert pair.words == tuple(word_drop(Encoder(), IMAGE, "red dog"))
    assert pair.picture.width < 900


def test_changes_are_signed_in_words_too():
    assert [signed(change) for change in (0.1234, -0.1, 0.0, -0.0001)] == [
        "+0.123",
        "−0.100",
        "0.000",
        "0.000",
    ]


def pair(*changes, word="word"):
    words = tuple(WordChange(f"{word}{n}", change) for n, change in enumerate(changes))
    return Explained(Image.new("RGB", (40, 40), "white"), 0.5, words)


def left_edges(panel, colour):
    """The columns where bars of `colour` begin."""
    is_bar = (np.asarray(panel) == ImageColor.getrgb(colour)).all(axis=2).sum(axis=0) >= 15
    return np.flatnonzero(is_bar[1:] & ~is_bar[:-1]) + 1


def test_bars_stand_in_the_order_of_the_caption():
    panel = draw_word_drop([pair(0.3, -0.3, 0.3)], title="a title")
    (first, last), (middle,) = left_edges(panel, HELPS), left_edges(panel, HURTS)
    assert first < middle < last


def bar_pixels(panel, colour):
    return int((np.asarray(panel) == ImageColor.getrgb(colour)).all(axis=2).sum())


def test_larger_changes_have_longer_bars_on_one_scale():
    small, large = (bar_pixels(draw_word_drop([pair(-1.0), pair(x)], title=""), HELPS) for x in (0.2, 0.8))
    assert large > 3 * small > 0


@pytest.mark.parametrize(
    "pairs",
    [
        [pair(0.0)],
        [pair(*[0.1, -0.2] * 30)],
        [pair(0.1, word="w" * 400)],
        [pair(0.1, word="なにか👩‍👩‍👧العربية\x00")],
        [pair(1e-9, -1e-9), pair(2.0, -2.0)],
    ],
    ids=["zero", "long", "wide", "unicode", "far-apart"],
)
def test_degenerate_captions_are_drawn_within_the_margins(pairs):
    pixels = np.asarray(draw_word_drop(pairs, title="a title " * 60))
    assert (pixels[:, -40:] == 255).all()
    assert (pixels[-20:] == 255).all()
    assert pixels.min() < 100


def test_no_pair_is_refused():
    with pytest.raises(DataError, match="at least one image"):
        draw_word_drop([], title="")
