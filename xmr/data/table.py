"""Loads users' own images and captions from a table: CSV, JSONL or Parquet."""

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from xmr.core.errors import ConfigError, DataError, MissingFilesError, problems_message
from xmr.data.dataset import Item, Relevance, RetrievalDataset
from xmr.data.decoding import inspect_images
from xmr.data.images import FolderImages
from xmr.data.merging import Entry, RowMerger, cell_text
from xmr.data.rows import Format, Table, read_table
from xmr.data.splitting import assign_splits, check_fractions

CAPTION_COLUMNS = ("caption", "captions")
FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}

log = logging.getLogger(__name__)


def load_table(
    *,
    path: Path | str,
    format: Format = "auto",
    image_root: Path | str | None = None,
    image_column: str = "image",
    caption_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    id_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    where: Mapping[str, Any] | None = None,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    relevance: Relevance = "item",
    check_images: bool = False,
    name: str | None = None,
) -> RetrievalDataset:
    """Load the table at `path`: a row for each caption, or for each image with its captions.

    Images are files below `image_root` (default: the table's folder); rows with the same image are merged.
    A caption cell holds a text or, in JSONL and Parquet, a list of texts. `caption_column` may name several
    columns, whose empty cells are then no captions; None takes "caption" or "captions", whichever exists.
    An item's id is its image's path as written, or its cell in `id_column`. `name` defaults to the file's.

    Splits come from `split_column` (train, val, test), or are dealt by `fractions` and `seed`, image by
    image; images with one value in `group_column` stay on one side. `where` keeps the rows whose cells
    have the given values. That images exist is always checked; `check_images` also decodes each.

    Raises `ConfigError` for settings, `MissingFilesError` when there is no table or image folder, and one
    `DataError` that lists all bad rows.
    """
    check_fractions(fractions)
    _check_labels_and_groups(label_column, split_column, group_column, relevance)
    where = dict(where or {})
    named = {"id": id_column, "label": label_column, "split": split_column, "group": group_column}
    columns = {kind: column for kind, column in named.items() if column is not None}
    single = [image_column, *columns.values(), *where]
    table = read_table(path, format=format, wanted={*single, *_names(caption_column or CAPTION_COLUMNS)})
    if not table.rows:  # nothing to compare the columns with
        raise _bad_rows(table, table.problems, "")
    captions = _names(caption_column or _default_captions(table))
    _check_columns([*single, *captions], table)
    if split_column is None and "split" in table.columns:
        log.warning("%s has a column 'split' that is not used; set split_column=split to use it", table.path)

    root = table.path.parent if image_root is None else Path(image_root)
    if not root.is_dir():
        raise MissingFilesError(f"image_root {root} is not a folder; set it to the folder of the images")
    merger = RowMerger(root, image_column, captions, columns)
    for place, row in _matching(table, where):
        merger.add(place, row)
    problems = [*table.problems, *merger.problems]
    if check_images and not problems:
        problems = _unreadable(root, merger.entries)
    if problems:
        raise _bad_rows(table, problems, f"; images are looked for in {root} (image_root)")
    return RetrievalDataset(
        name=name or table.path.stem,
        items=_items(merger.entries, fractions, seed),
        read_image=FolderImages(root),
        relevance=relevance,
    )


def _check_labels_and_groups(
    label_column: str | None, split_column: str | None, group_column: str | None, relevance: Relevance
) -> None:
    if relevance == "label" and label_column is None:
        raise ConfigError("relevance=label needs label_column: the column that names each image's class")
    if split_column is not None and group_column is not None:
        raise ConfigError(
            f"split_column={split_column} and group_column={group_column} both decide the split; set one only"
        )


def _bad_rows(table: Table, problems: Sequence[str], note: str) -> DataError:
    return DataError(problems_message(f"table {table.path}", problems, f"Mend or remove these rows{note}."))


def _names(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _default_captions(table: Table) -> str:
    found = [column for column in CAPTION_COLUMNS if column in table.columns]
    if len(found) != 1:
        state = "both caption and captions" if found else "neither caption nor captions"
        raise ConfigError(
            f"{table.path} has {state}; set caption_column to one of its columns: {', '.join(table.columns)}"
        )
    return found[0]


def _check_columns(names: Sequence[str], table: Table) -> None:
    problems = []
    for name in dict.fromkeys(names):
        if name not in table.columns:
            nearest = get_close_matches(name, table.columns, n=1)
            problems.append(f"no column '{name}'" + (f"; did you mean '{nearest[0]}'?" if nearest else ""))
    if problems:
        remedy = f"Its columns: {', '.join(table.columns)}. Name yours by image_column, caption_column, ..."
        raise ConfigError(problems_message(f"table {table.path}", problems, remedy))


def _matching(table: Table, where: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    wanted = {column: cell_text(value) for column, value in where.items()}
    rows = [row for row in table.rows if all(cell_text(row[1].get(c)) == v for c, v in wanted.items())]
    if table.rows and not rows:
        raise DataError(f"table {table.path}: where={where} keeps none of {len(table.rows)} rows; loosen it")
    if where:
        log.info("%s: where keeps %d of %d rows", table.path, len(rows), len(table.rows))
    return rows


def _items(entries: Sequence[Entry], fractions: Mapping[str, float], seed: int) -> tuple[Item, ...]:
    groups = [entry.cells.get("group", entry.item_id) for entry in entries]
    dealt = assign_splits(groups, fractions=fractions, seed=seed)
    return tuple(
        Item(
            item_id=entry.item_id,
            image=entry.image,
            texts=tuple(entry.texts),
            split=entry.cells.get("split", split),
            label=entry.cells.get("label", ""),
        )
        for entry, split in zip(entries, dealt, strict=True)
    )


def _unreadable(root: Path, entries: Sequence[Entry]) -> list[str]:
    read_image = FolderImages(root)

    def look(key: str) -> None:
        read_image(key)

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("checking images", total=len(entries))
        images = [entry.image for entry in entries]
        found = inspect_images(look, images, workers=8, on_done=lambda: progress.advance(task))
    pairs = zip(entries, found, strict=True)
    return [f"{entry.place}: {error}" for entry, error in pairs if isinstance(error, DataError)]
