"""Retrieval panels: what a model finds for a few queries, as one picture."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from xmr.core.errors import DataError
from xmr.core.files import atomic_path
from xmr.reporting.fonts import REPLACEMENT, readable
from xmr.reporting.typography import draw_text, font, line_height, shorten, text_length, wrap
from xmr.reporting.views import PICTURE, RankedQuery, Result, first_rank_text, fit

# Sizes are pixels of the file, drawn for screens with two of them a point.
TEXT_TILE_WIDTH = 228
QUERY_WIDTH = 440
NARROW_QUERY_WIDTH = 340
MARGIN = 48
GAP = 18
PADDING = 14
RESULTS_A_LINE = 10

PAPER = "#ffffff"
WELL = "#f3f5f8"
INK = "#1c2430"
MUTED = "#667085"
FRAME = "#c8ced8"
CORRECT = "#0b7a4b"

SMALL = 19
BODY = 23
HEADING = 34
COLOURS = 256
LEGEND_WIDTH = 420
"""Pixels of the marks "correct" and "not correct"."""

Box = tuple[int, int, int, int]


def draw_panel(
    queries: Sequence[RankedQuery],
    *,
    gallery_size: int,
    title: str,
    measures: str = "cosine similarity to the query",
) -> Image.Image:
    """A row a query: the query at the left, its results at the right, correct ones marked, scores below.

    More than 10 results go on in further lines. Where nothing is known of what is correct (`first_rank` is
    None), nothing is said of it. The first line of `title` is the heading, `measures` says what the scores
    are (an index has that). Raises `DataError` when there is no query.
    """
    if not queries:
        raise DataError("a panel needs at least one query, and there is none; check the split")
    return _Panel(queries, gallery_size, title, measures).draw()


def save_png(picture: Image.Image, path: Path | str) -> None:
    """Write `picture` as a PNG of 256 colours, atomically: a third of the size, hard to tell apart."""
    with atomic_path(path) as beside:
        picture.quantize(COLOURS).save(beside, format="PNG", optimize=True, dpi=(144, 144))


class _Panel:
    """Measures what all rows share, then draws from the top."""

    def __init__(self, queries: Sequence[RankedQuery], gallery_size: int, title: str, measures: str) -> None:
        results = [result.view for query in queries for result in query.results]
        views = [query.view for query in queries]
        self.queries, self.gallery_size = queries, gallery_size
        self.title = title.splitlines() or [""]
        texts = [title, *(part for view in [*views, *results] for part in (view.text or "", view.label))]
        self.legend = [f"number: {measures}"]
        if any(REPLACEMENT in readable(" ".join(text.split())) for text in texts):
            self.legend.append(f"{REPLACEMENT}: a character that no font here has")
        self.columns = min(RESULTS_A_LINE, max(len(query.results) for query in queries))
        self.tile_width = PICTURE if all(view.image for view in results) else TEXT_TILE_WIDTH
        self.query_width = NARROW_QUERY_WIDTH if all(view.text is None for view in views) else QUERY_WIDTH
        self.small, self.strong, self.body = font(SMALL), font(SMALL, bold=True), font(BODY)
        lines_below = 2 if any(view.label for view in [*results, *views]) else 1
        self.row_height = PICTURE + 8 + line_height(self.small) * lines_below + GAP
        tiles = self.query_width + GAP + max(3, self.columns) * (self.tile_width + GAP)
        width = 2 * MARGIN + max(tiles, LEGEND_WIDTH + round(text_length(self.legend[0], self.small)))
        self.first_row = MARGIN + line_height(font(HEADING)) + line_height(self.body) * len(self.title) + GAP
        self.legend_height = len(self.legend) * line_height(self.small)
        height = self.first_row + sum(map(self._height, queries)) + GAP + self.legend_height + MARGIN
        self.picture = Image.new("RGB", (width, height), PAPER)
        self.pen = ImageDraw.Draw(self.picture)

    def draw(self) -> Image.Image:
        self._draw_head()
        top = self.first_row
        for query in self.queries:
            self._draw_query(query, top)
            for rank, result in enumerate(query.results):
                line, column = divmod(rank, RESULTS_A_LINE)
                line_top = top + line * self._line_step
                if line:
                    self._draw_rank(rank, line_top)
                self._draw_result(result, self._left(column), line_top)
            top += self._height(query)
        self._draw_legend(self.picture.height - MARGIN - self.legend_height)
        return self.picture

    @property
    def _line_step(self) -> int:
        """From one line of results to the next, which has its ranks above it."""
        return self.row_height + line_height(self.small) + 6

    def _height(self, query: RankedQuery) -> int:
        lines = max(1, -(-len(query.results) // RESULTS_A_LINE))
        return self.row_height + (lines - 1) * self._line_step

    def _left(self, column: int) -> int:
        return MARGIN + self.query_width + 2 * GAP + column * (self.tile_width + GAP)

    def _draw_head(self) -> None:
        width = self.picture.width - 2 * MARGIN
        self._line((MARGIN, MARGIN), self.title[0], font(HEADING, bold=True), INK, width)
        top = MARGIN + line_height(font(HEADING))
        for number, text in enumerate(self.title[1:]):
            self._line((MARGIN, top + number * line_height(self.body)), text, self.body, MUTED, width)
        for rank in range(self.columns):
            self._draw_rank(rank, self.first_row)

    def _draw_rank(self, rank: int, top: int) -> None:
        """The number of the result of that rank (from 0) above its tile, which begins at `top`."""
        middle = self._left(rank % RESULTS_A_LINE) + self.tile_width / 2
        at = middle, top - line_height(self.small) - 6
        self.pen.text(at, str(rank + 1), MUTED, self.small, anchor="ma")

    def _draw_query(self, query: RankedQuery, top: int) -> None:
        left, below = MARGIN, top + PICTURE + 8
        if query.view.image:
            self._paste(query.view.image, left, top, PICTURE)
            self._draw_frame((left, top, left + PICTURE, top + PICTURE), relevant=False)
            left += PICTURE + GAP
        if query.view.text is not None:
            frame = (left, top, MARGIN + self.query_width, top + PICTURE)
            self._text_box(query.view.text, frame, self.body, WELL)
        if query.first_rank is not None:
            said = first_rank_text(query.first_rank, self.gallery_size)
            colour = CORRECT if any(result.relevant for result in query.results) else INK
            self._line((MARGIN, below), said, self.strong, colour, self.query_width)
            below += line_height(self.strong)
        self._line((MARGIN, below), query.view.label, self.small, MUTED, self.query_width)

    def _draw_result(self, result: Result, left: int, top: int) -> None:
        frame = (left, top, left + self.tile_width, top + PICTURE)
        if result.view.image:
            self._paste(result.view.image, left, top, self.tile_width)
        else:
            self._text_box(result.view.text or "", frame, self.small, PAPER)
        self._draw_frame(frame, result.relevant)
        below = top + PICTURE + 8
        self._draw_score((left, below), f"{result.score:.3f}".replace("-", "−"), result.relevant)
        below += line_height(self.small)
        self._line((left, below), result.view.label, self.small, MUTED, self.tile_width)

    def _draw_frame(self, frame: Box, relevant: bool) -> None:
        """Thick and green when correct, thin and grey when not."""
        if relevant:
            left, top, right, bottom = frame
            self.pen.rectangle((left - 4, top - 4, right + 4, bottom + 4), outline=CORRECT, width=8)
        else:
            self.pen.rectangle(frame, outline=FRAME, width=2)

    def _draw_score(self, at: tuple[int, int], score: str, relevant: bool) -> None:
        """The score, after a tick when correct: neither colour nor thickness is the only sign."""
        x, y = at
        if relevant:
            points = [(x, y + 12), (x + 6, y + 18), (x + 17, y + 4)]
            self.pen.line(points, CORRECT, 5, joint="curve")
            x += 26
        self.pen.text((x, y), score, CORRECT if relevant else INK, self.strong if relevant else self.small)

    def _draw_legend(self, top: int) -> None:
        left = MARGIN
        judged = any(query.first_rank is not None for query in self.queries)
        for relevant, meaning in ((True, "correct"), (False, "not correct")) if judged else ():
            self._draw_frame((left + 4, top - 8, left + 52, top + 30), relevant)
            self._draw_score((left + 70, top), meaning, relevant)
            left += 110 + round(self.strong.getlength(meaning))
        for number, text in enumerate(self.legend):
            draw_text(self.pen, (left, top + number * line_height(self.small)), text, self.small, colour=INK)

    def _paste(self, picture: Image.Image, left: int, top: int, width: int) -> None:
        picture = fit(picture)
        self.pen.rectangle((left, top, left + width, top + PICTURE), fill=WELL)
        corner = left + (width - picture.width) // 2, top + (PICTURE - picture.height) // 2
        self.picture.paste(picture, corner)

    def _text_box(self, text: str, frame: Box, face: FreeTypeFont, fill: str) -> None:
        left, top, right, bottom = frame
        self.pen.rectangle(frame, fill=fill)
        max_lines = (bottom - top - PADDING) // line_height(face)
        for number, line in enumerate(wrap(text, face, right - left - 2 * PADDING, max_lines)):
            at = left + PADDING, top + PADDING - 2 + number * line_height(face)
            draw_text(self.pen, at, line, face, colour=INK)

    def _line(self, at: tuple[int, int], text: str, face: FreeTypeFont, colour: str, width: int) -> None:
        draw_text(self.pen, at, shorten(text, face, width), face, colour=colour)
