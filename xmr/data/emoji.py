"""Loads the emoji data set that ships inside the package: pictures, English texts, and small edits."""

import hashlib
import io
import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from PIL import Image, UnidentifiedImageError

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.files import fingerprint, sha256_file
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.splitting import assign_splits, held_out

FOLDER = Path(__file__).parent / "assets" / "emoji"
TABLE = "emoji.jsonl"
PICTURES = "pictures.zip"
PHRASINGS = ("the same, but {change}", "like this one, only {change}", "as here, but {change}")
REMEDY = "run `python scripts/prepare_data.py emoji` to build it anew"


def load_emoji(
    *,
    seed: int = 0,
    val_fraction: float = 0.17,
    test_fraction: float = 0.17,
    phrasings: int = 1,
    folder: Path | str = FOLDER,
) -> RetrievalDataset:
    """1,565 emoji (Microsoft's Fluent 3D, 96 x 96) with 2 to 5 texts each, and 1,941 edits of them.

    The label is `group/subgroup`. All looks of one concept (skin tones, woman, man, hair) share a split;
    `seed` draws which concepts are held out. An edit (`the same, but a woman`) is in its concept's split;
    with `phrasings` 2 or 3 it is put in one of as many ways, which hangs on the emoji and the change alone.
    Raises `ConfigError` for settings out of their ranges, `MissingFilesError` or `DataError` when `folder`
    lacks the table or the pictures, or the two don't belong together.
    """
    if not 1 <= phrasings <= len(PHRASINGS):
        raise ConfigError(f"phrasings={phrasings}; use 1 to {len(PHRASINGS)}")
    fractions = held_out(val_fraction=val_fraction, test_fraction=test_fraction)
    header, rows = _read_table(Path(folder) / TABLE)
    pictures = ArchiveImages(Path(folder) / PICTURES)
    if pictures.digest != header["pictures_sha256"]:
        raise DataError(f"{pictures.path} is not the archive that {TABLE} was built with; {REMEDY}")
    splits = assign_splits([row["concept"] for row in rows], fractions=fractions, seed=seed)
    items = tuple(
        Item(row["id"], _key(row["id"]), tuple(row["texts"]), split, row["label"])
        for row, split in zip(rows, splits, strict=True)
    )
    edits = tuple(
        _edit(row["id"], text, target_id, split=split, phrasings=phrasings)
        for row, split in zip(rows, splits, strict=True)
        for text, target_id in row["edits"]
    )
    return RetrievalDataset("emoji", items, pictures, edits)


class ArchiveImages:
    """Pictures in one zip file, held in memory once per process; keys are the names inside it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __call__(self, key: str) -> Image.Image:
        """The picture `key` as RGB; raises `DataError` when it is missing or unreadable."""
        pictures = _read_archive(self.path)
        if key not in pictures:
            raise DataError(f"{self.path} holds no picture '{key}' among its {len(pictures)}; check the key")
        try:
            with Image.open(io.BytesIO(pictures[key])) as image:
                return image.convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"'{key}' in {self.path} can't be read ({error}); {REMEDY}") from error

    @cached_property
    def digest(self) -> str:
        """The archive's SHA-256; `MissingFilesError` when there is no archive."""
        if not self.path.is_file():
            raise MissingFilesError(f"{self.path} does not exist; {REMEDY}")
        return sha256_file(self.path)

    def fingerprint(self, keys: Sequence[str]) -> str:  # noqa: ARG002  any change of the archive counts
        """Changes whenever any byte of the archive does."""
        return fingerprint(self.digest)


@lru_cache(maxsize=4)
def _read_archive(path: Path) -> dict[str, bytes]:
    """Every file of the archive: plain bytes are safe across threads and forks, an open file is not."""
    try:
        with ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (OSError, BadZipFile) as error:
        raise DataError(f"{path} can't be read ({error}); {REMEDY}") from error


def _read_table(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the rows of the item table."""
    if not path.is_file():
        raise MissingFilesError(f"{path} does not exist; {REMEDY}")
    try:
        header, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise DataError(f"{path} can't be read ({error}); {REMEDY}") from error
    return header, rows


def _edit(item_id: str, text: str, target_id: str, *, split: str, phrasings: int) -> ComposedQuery:
    change = text.removeprefix("the same, but ")
    query_id = f"{item_id}+{change.replace(' ', '-')}"
    drawn = int.from_bytes(hashlib.sha256(query_id.encode()).digest()[:8]) % phrasings
    return ComposedQuery(
        query_id=query_id,
        reference_id=item_id,
        reference=_key(item_id),
        text=PHRASINGS[drawn].format(change=change),
        target_id=target_id,
        target=_key(target_id),
        split=split,
    )


def _key(picture_id: str) -> str:
    return f"{picture_id}.webp"
