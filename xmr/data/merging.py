"""Joins the rows of a table by image, and notes every row that can't be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from xmr.core.errors import did_you_mean
from xmr.data.dataset import SPLITS


@dataclass
class Entry:
    """One image as its rows tell it, the first of them at `place` ("line 7").

    `cells` holds the id, label, split and group, as far as the table has columns for them.
    """

    place: str
    image: str
    texts: list[str]
    cells: dict[str, str]

    @property
    def item_id(self) -> str:
        """The cell in the id column, or the image's path where there is no such column."""
        return self.cells.get("id", self.image)


class RowMerger:
    """Makes one entry of the rows with the same image; `problems` grows by each row that can't be used.

    `columns` names the columns of the id, label, split and group, those that there are. With several
    caption columns an empty cell is no caption; in a single one it is a problem.
    """

    def __init__(
        self, root: Path, image_column: str, caption_columns: Sequence[str], columns: Mapping[str, str]
    ) -> None:
        self.root = root
        self.image_column = image_column
        self.caption_columns = caption_columns
        self.columns = columns
        self.problems: list[str] = []
        self._by_image: dict[str, Entry] = {}
        self._by_id: dict[str, Entry] = {}

    @property
    def entries(self) -> list[Entry]:
        """One entry for each image, in the order of the table."""
        return list(self._by_image.values())

    def add(self, place: str, row: Mapping[str, Any]) -> None:
        """Take in the row at `place`."""
        problems: list[str] = []
        image = _cell(row, self.image_column, problems)
        cells = {kind: _cell(row, column, problems) for kind, column in self.columns.items()}
        texts = self._texts(row, problems)
        split = cells.get("split")
        if split and split not in SPLITS:
            problems.append(f"split '{split}' is unknown; {did_you_mean(split, SPLITS)}")
        if image:
            self._join(Entry(place, PurePath(image).as_posix(), texts, cells), problems)
        self.problems += [f"{place}: {problem}" for problem in problems]

    def _join(self, new: Entry, problems: list[str]) -> None:
        known = self._by_image.setdefault(new.image, new)
        if known is not new:
            known.texts += new.texts
            problems += [
                f"image '{new.image}' has {kind} '{cell}' here, but '{known.cells[kind]}' in {known.place}"
                for kind, cell in new.cells.items()
                if cell and known.cells[kind] and cell != known.cells[kind]
            ]
        elif not (self.root / new.image).is_file():
            problems.append(f"image '{new.image}' does not exist")
        owner = self._by_id.setdefault(new.item_id, new)
        if new.item_id and owner.image != new.image:
            there = f"'{owner.image}' in {owner.place}"
            problems.append(f"id '{new.item_id}' is given to '{new.image}' here, but to {there}")

    def _texts(self, row: Mapping[str, Any], problems: list[str]) -> list[str]:
        cells = [row.get(column) for column in self.caption_columns]
        texts = [text for cell in cells for text in (cell if isinstance(cell, list) else [cell])]
        if len(self.caption_columns) > 1:
            texts = [text for text in texts if text is not None and str(text).strip()]
        if not texts:
            problems.append(f"no caption in {', '.join(self.caption_columns)}")
        for text in texts:
            if text is None or not str(text).strip():
                problems.append("empty caption")
            elif not isinstance(text, str):
                problems.append(f"caption {text!r} is {type(text).__name__}, not text")
        return [text.strip() for text in texts if isinstance(text, str)]


def cell_text(cell: Any) -> str:
    """Write a cell as text; JSON's and YAML's true is "true"."""
    return str(cell).lower() if isinstance(cell, bool) else str(cell).strip()


def _cell(row: Mapping[str, Any], column: str, problems: list[str]) -> str:
    """Give the text in a column, or "" and a problem."""
    cell = row.get(column)
    if cell is not None and not isinstance(cell, str | int):
        problems.append(f"{column} is {type(cell).__name__}, not text")
        return ""
    if cell is None or not cell_text(cell):
        problems.append(f"no {column}")
        return ""
    return cell_text(cell)
