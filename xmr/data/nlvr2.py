"""Loads NLVR2: pairs of photographs, with the sentences that are true of them."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from xmr.core.errors import ConfigError, DataError, did_you_mean
from xmr.data.dataset import Item, RetrievalDataset
from xmr.data.joined_images import PairImages
from xmr.data.required_files import require_files, require_images
from xmr.data.true_sentences import TrueSentence, deal_apart, next_picture_queries, read_true_rows

FILES = {"train": "train.json", "dev": "dev.json", "test1": "test1.json", "test2": "test2.json"}
REMEDY = """\
Get dev.json (and others, data.parts) from https://github.com/lil-lab/nlvr/tree/master/nlvr2/data, and the
photographs by the form named there, or by its script, which finds about 95 % (data.skip_missing=true):
  <root>/dev.json
  <root>/images/dev/dev-0-0-img0.png ...  below images/ in any folders, each pair as ...-img0 and ...-img1"""

log = logging.getLogger(__name__)


def load_nlvr2(
    *,
    root: Path | str,
    parts: Sequence[str] = ("dev",),
    skip_missing: bool = False,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> RetrievalDataset:
    """Load the pairs of NLVR2 with their true sentences; false ones are left out, and counted in the log.

    A sentence is about both photographs, so an item is a pair, shown as one picture (`PairImages`); a pair
    has one or two true sentences, and is left out without any. A composed query is a pair and a sentence
    that is true of it; it leads to the next pair that the sentence is true of. Relevance is by item, as a
    pair of two sentences is of no one class: a composed query finds its target alone, and as a text a
    sentence finds each of its pairs by a row of its own. `parts` are pooled and dealt anew, so that no
    sentence and no set of eight photographs is in two splits. `skip_missing` leaves out pairs without
    photographs, and counts them in a warning; otherwise they are an error.

    Raises `ConfigError` for settings, `MissingFilesError` saying what to get, one `DataError` for all bad
    lines. Source: Suhr et al., "A Corpus for Reasoning about Natural Language Grounded in Photographs",
    ACL 2019.
    """
    root = Path(root)
    for part in parts:
        if part not in FILES:
            raise ConfigError(f"parts='{part}' is unknown; {did_you_mean(part, FILES)}")
    if not parts or len(set(parts)) < len(parts):
        raise ConfigError(f"parts={list(parts)}; name at least one of {', '.join(FILES)}, each once")
    require_files(root, [*(FILES[part] for part in parts), "images"], name="nlvr2", remedy=REMEDY)
    rows = _rows(root, parts)
    photographs = {path for row in rows for path in row.image.split("|")}
    if skip_missing:
        rows = _with_photographs(root, rows)
    else:
        require_images(root, sorted(photographs), name="nlvr2", remedy=REMEDY)
    splits = deal_apart(rows, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    queries = next_picture_queries(rows, splits)
    return RetrievalDataset("nlvr2", _items(rows, splits), PairImages(root), queries)


def _rows(root: Path, parts: Sequence[str]) -> list[TrueSentence]:
    key_of = {path.name: path.relative_to(root).as_posix() for path in (root / "images").rglob("*.png")}
    rows = []
    for part in parts:
        patterns = {"identifier": r"\w+-\d+-\d+-\d+", "sentence": r".*\w.*"}
        for row in read_true_rows(root / FILES[part], patterns):
            pair = row["identifier"].rpartition("-")[0]
            names = [f"{pair}-img{side}.png" for side in (0, 1)]
            rows.append(
                TrueSentence(
                    row_id=row["identifier"],
                    image_id=pair,
                    image="|".join(key_of.get(name, f"images/{name}") for name in names),
                    sentence=row["sentence"],
                    group=pair.rpartition("-")[0],
                )
            )
    return rows


def _with_photographs(root: Path, rows: list[TrueSentence]) -> list[TrueSentence]:
    found = [row for row in rows if all((root / path).is_file() for path in row.image.split("|"))]
    if not found:
        raise DataError(
            f"nlvr2: {root / 'images'} has both photographs of none of {len(rows)} rows\n{REMEDY}"
        )
    if len(found) < len(rows):
        log.warning(
            "nlvr2: left out %d of %d sentences, whose photographs are missing",
            len(rows) - len(found),
            len(rows),
        )
    return found


def _items(rows: Sequence[TrueSentence], splits: Sequence[str]) -> tuple[Item, ...]:
    texts: dict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        texts[row.image_id][row.sentence] = None
    first = {row.image_id: (row.image, split) for row, split in zip(rows, splits, strict=True)}
    return tuple(Item(pair, image, tuple(texts[pair]), split) for pair, (image, split) in first.items())
