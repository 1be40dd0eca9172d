"""The word-drop explanation: how much each word of a caption adds to its similarity to an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from xmr.core.errors import DataError
from xmr.reporting.typography import font, line_height, shorten
from xmr.reporting.views import PICTURE, fit

# blue and orange: told apart by the colour-blind; the sign of the number says it, too
HELPS, HURTS = "#2166ac", "#b35806"
PAPER, WELL, INK, MUTED, FRAME = "#ffffff", "#f3f5f8", "#1c2430", "#5b6675", "#c8ced8"
WIDTH, NARROWEST, MARGIN, GAP, PADDING = 1560, 900, 48, 18, 12
SMALL, BODY, HEADING = 19, 25, 34

EncodeTexts = Callable[[Sequence[str]], np.ndarray]


class WordChange(NamedTuple):
    """A word as it stands in the caption, and the similarity of all minus that without it, in [-2, 2]."""

    word: str
    change: float


@dataclass(frozen=True)
class Explained:
    """A picture, its similarity to a caption in [-1, 1], and what each word of it adds, in their order."""

    picture: Image.Image
    similarity: float
    words: tuple[WordChange, ...]


def word_drop(encode_text: EncodeTexts, image_vector: np.ndarray, text: str) -> list[WordChange]:
    """What each word of `text` adds to its cosine similarity to `image_vector` (D,), in their order.

    Zheng et al. 2020 (explanation figure): a word is left out, the rest embedded again. Words are what stands
    between spaces, with its punctuation; a word that comes twice counts by place. Of a caption of one word
    nothing is left to embed: its change is the similarity. `encode_text` is called once, with the caption and
    all that are one word shorter. Raises `DataError` for a text without words, and for vectors that are not
    finite.
    """
    return _compared(encode_text, image_vector, text)[1]


def explain(encode_text: EncodeTexts, image_vector: np.ndarray, text: str, picture: Image.Image) -> Explained:
    """What `word_drop` finds, with the similarity of the whole and the picture, small."""
    similarity, changes = _compared(encode_text, image_vector, text)
    return Explained(fit(picture), similarity, tuple(changes))


def _compared(
    encode_text: EncodeTexts, image_vector: np.ndarray, text: str
) -> tuple[float, list[WordChange]]:
    """The similarity of the whole text, and what each word adds to it."""
    words = text.split()
    if not words:
        raise DataError("a text without words can't be explained; give a caption")
    shorter = [" ".join(words[:n] + words[n + 1 :]) for n in range(len(words))] if len(words) > 1 else []
    whole, *rest = _cosine(encode_text([text, *shorter]), image_vector).tolist()
    changes = [whole - without for without in rest] or [whole]
    return whole, [WordChange(word, change) for word, change in zip(words, changes, strict=True)]


def _cosine(vectors: np.ndarray, image_vector: np.ndarray) -> np.ndarray:
    """Cosine similarity of N vectors (N, D) to one (D,), in float64: (N,); that of a zero vector is 0."""
    vectors, image_vector = np.asarray(vectors, np.float64), np.asarray(image_vector, np.float64)
    if not (np.isfinite(vectors).all() and np.isfinite(image_vector).all()):
        raise DataError("an embedding holds NaN or infinity; check the model")
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(image_vector)
    return vectors @ image_vector / np.where(norms == 0, 1.0, norms)


def draw_word_drop(explained: Sequence[Explained], *, title: str) -> Image.Image:
    """A row a pair: the picture, and its caption with each word's change as a bar and a signed number.

    Blue bars rise for words that add, orange ones hang for words that take away; all of a panel are on one
    scale. The first line of `title` is the heading. Raises `DataError` when there is no pair.
    """
    if not explained:
        raise DataError("a panel needs at least one image with a caption, and there is none")
    return _Panel(explained, title).draw()


class _Panel:
    """Places all words first, which gives the height, then draws from the top."""

    def __init__(self, explained: Sequence[Explained], title: str) -> None:
        self.explained, self.title = explained, title.splitlines() or [""]
        self.body, self.small, self.strong = font(BODY), font(SMALL), font(SMALL, bold=True)
        self.largest = max(abs(change) for pair in explained for _, change in pair.words) or 1.0
        self.left = MARGIN + PICTURE + 2 * GAP
        self.reach = 34
        """Pixels of the longest bar."""
        self.chip_height = 2 * self.reach + line_height(self.body) + line_height(self.small) + 8
        self.places = [self._places(pair) for pair in explained]
        self.row_heights = [
            max(PICTURE, (places[-1][1] + 1) * (self.chip_height + GAP)) + line_height(self.small) + 2 * GAP
            for places in self.places
        ]
        ends = [
            x + self._width(change)
            for pair, places in zip(explained, self.places, strict=True)
            for change, (x, _) in zip(pair.words, places, strict=True)
        ]
        self.width = max(NARROWEST, max(ends) + MARGIN)
        lines = len(self.title) + 1
        self.first_row = MARGIN + line_height(font(HEADING)) + line_height(self.small) * lines
        self.picture = Image.new("RGB", (self.width, self.first_row + sum(self.row_heights) + MARGIN), PAPER)
        self.pen = ImageDraw.Draw(self.picture)

    def _width(self, change: WordChange) -> int:
        text = max(self.body.getlength(self._word(change)), self.small.getlength(signed(change.change)))
        return round(text) + 2 * PADDING

    def _word(self, change: WordChange) -> str:
        return shorten(change.word, self.body, WIDTH - self.left - MARGIN - 2 * PADDING)

    def _places(self, pair: Explained) -> list[tuple[int, int]]:
        """Where each word stands: its left edge, and its line from 0."""
        places, x, line = [], self.left, 0
        for change in pair.words:
            width = self._width(change)
            if x > self.left and x + width > WIDTH - MARGIN:
                x, line = self.left, line + 1
            places.append((x, line))
            x += width + 6
        return places

    def draw(self) -> Image.Image:
        heading = font(HEADING, bold=True)
        self.pen.text(
            (MARGIN, MARGIN), shorten(self.title[0], heading, self.width - 2 * MARGIN), INK, heading
        )
        top = MARGIN + line_height(font(HEADING))
        meaning = "number and bar: similarity of the caption, minus that without the word"
        for text in (*self.title[1:], meaning):
            self.pen.text(
                (MARGIN, top), shorten(text, self.small, self.width - 2 * MARGIN), MUTED, self.small
            )
            top += line_height(self.small)
        top = self.first_row
        for pair, places, height in zip(self.explained, self.places, self.row_heights, strict=True):
            self._draw_pair(pair, places, top)
            top += height
        return self.picture

    def _draw_pair(self, pair: Explained, places: list[tuple[int, int]], top: int) -> None:
        small = fit(pair.picture)
        frame = (MARGIN, top, MARGIN + PICTURE, top + PICTURE)
        self.pen.rectangle(frame, fill=WELL)
        corner = MARGIN + (PICTURE - small.width) // 2, top + (PICTURE - small.height) // 2
        self.picture.paste(small, corner)
        self.pen.rectangle(frame, outline=FRAME, width=2)
        said = f"similarity {pair.similarity:.3f}".replace("-", "−")
        self.pen.text((MARGIN, top + PICTURE + 8), said, INK, self.strong)
        for change, (x, line) in zip(pair.words, places, strict=True):
            self._draw_word(change, x, top + line * (self.chip_height + GAP))

    def _draw_word(self, change: WordChange, x: int, top: int) -> None:
        """A rising bar, the word, a hanging bar, the number."""
        width, number = self._width(change), signed(change.change)
        colour = HELPS if number.startswith("+") else HURTS if number.startswith("−") else MUTED
        share = abs(change.change) / self.largest
        rise, hang = (round(self.reach * share) * (colour == sign) for sign in (HELPS, HURTS))
        head = top + self.reach
        foot = head + line_height(self.body)
        self.pen.rectangle((x, head, x + width, foot), fill=_mixed(colour, 0.06 + 0.44 * share))
        if rise:
            self.pen.rectangle((x, head - rise, x + width, head), fill=colour)
        if hang:
            self.pen.rectangle((x, foot, x + width, foot + hang), fill=colour)
        middle = x + width / 2
        self.pen.text((middle, head + 3), self._word(change), INK, self.body, anchor="ma")
        self.pen.text((middle, foot + hang + 5), number, colour, self.small, anchor="ma")


def signed(change: float) -> str:
    """`+0.123` or `−0.123`; `0.000` has no sign."""
    text = f"{change:+.3f}".replace("-", "−")
    return text[1:] if float(f"{change:.3f}") == 0 else text


def _mixed(colour: str, share: float) -> tuple[int, ...]:
    """`share` of `colour` on paper."""
    pairs = zip(ImageColor.getrgb(colour)[:3], ImageColor.getrgb(PAPER)[:3], strict=True)
    return tuple(round(share * ink + (1 - share) * paper) for ink, paper in pairs)
