"""Loads NLVR: drawings of three boxes of coloured shapes, with the sentences that are true of them."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Literal

from xmr.core.errors import ConfigError, did_you_mean
from xmr.data.dataset import Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.joined_images import BoxGrid
from xmr.data.required_files import require_files, require_images
from xmr.data.true_sentences import (
    TrueSentence,
    deal_apart,
    next_picture_queries,
    read_true_rows,
    same_words,
)

Annotations = Literal["repository", "table"]
Layout = Literal["grid", "strip"]

FILES = {
    "train": "train/train.json",
    "dev": "dev/dev.json",
    "test": "test/test.json",
    "hidden": "hidden/hidden_final.json",
}
TABLE = "records.jsonl"
PERMUTATIONS = 6
REMEDY = """\
Get the repository lil-lab/nlvr (https://github.com/lil-lab/nlvr); root (data.root) is its folder nlvr/:
  <root>/dev/dev.json                       an example a line; likewise train, test and hidden (data.parts)
  <root>/dev/images/0/dev-1373-0-1.png ...  six orders of the boxes for each example
or, with data.annotations=table, a table of such drawings:
  <root>/records.jsonl                      image, sentence, label (true or false), group (the example)"""


def load_nlvr(
    *,
    root: Path | str,
    annotations: Annotations = "repository",
    parts: Sequence[str] = ("dev",),
    permutations: int = 1,
    layout: Layout = "grid",
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    seed: int = 0,
) -> RetrievalDataset:
    """Load the drawings of NLVR with their true sentences; false ones are left out, and counted in the log.

    An item is one drawing. Its label is its sentence, so that a sentence matches all drawings that it is
    known to be true of; spellings that differ in case, punctuation or spaces are one sentence. `parts` of
    the repository are pooled and dealt anew, so that no sentence and no example is in two splits. A composed
    query is a drawing and its sentence; it leads to the next drawing of that sentence, if there is another.
    `permutations` (1 to 6) is how many orders of the boxes each example has (of more than one there are no
    composed queries); a table's rows are taken as they are. `layout` "grid" puts the boxes into a square: of
    a "strip", the file as it is, an encoder that crops the centre sees one box.

    Raises `ConfigError` for settings, `MissingFilesError` saying what to get, one `DataError` for all bad
    rows. Source: Suhr et al., "A Corpus of Natural Language for Visual Reasoning", ACL 2017.
    """
    root = Path(root)
    _check_settings(annotations=annotations, parts=parts, permutations=permutations, layout=layout)
    files = [TABLE] if annotations == "table" else [FILES[part] for part in parts]
    require_files(root, files, name="nlvr", remedy=REMEDY)
    if annotations == "table":
        rows = _table(root)
    else:
        rows = [row for part in parts for row in _part(root, part, permutations)]
    require_images(root, [row.image for row in rows], name="nlvr", remedy=REMEDY)
    splits = deal_apart(rows, val_fraction=val_fraction, test_fraction=test_fraction, seed=seed)
    read_image = BoxGrid(root) if layout == "grid" else FolderImages(root)
    # other orders of a reference's boxes would count as found
    queries = next_picture_queries(rows, splits) if permutations == 1 else ()
    return RetrievalDataset("nlvr", _items(rows, splits), read_image, queries, relevance="label")


def _check_settings(*, annotations: str, parts: Sequence[str], permutations: int, layout: str) -> None:
    for name, value, known in (
        ("annotations", annotations, ("repository", "table")),
        ("layout", layout, ("grid", "strip")),
        *(("parts", part, tuple(FILES)) for part in parts),
    ):
        if value not in known:
            raise ConfigError(f"{name}='{value}' is unknown; {did_you_mean(value, known)}")
    if not parts or len(set(parts)) < len(parts):
        raise ConfigError(f"parts={list(parts)}; name at least one of {', '.join(FILES)}, each once")
    if not 1 <= permutations <= PERMUTATIONS:
        raise ConfigError(
            f"permutations={permutations}, but there are {PERMUTATIONS} orders of the boxes; use 1 to 6"
        )


def _table(root: Path) -> list[TrueSentence]:
    cells = read_true_rows(root / TABLE, {"image": ".+", "sentence": r".*\w.*", "group": ".+"})
    return [
        TrueSentence(
            row_id=PurePath(row["image"]).stem,
            image_id=PurePath(row["image"]).stem,
            image=PurePath(row["image"]).as_posix(),
            sentence=row["sentence"],
            group=row["group"],
        )
        for row in cells
    ]


def _part(root: Path, part: str, permutations: int) -> list[TrueSentence]:
    """The drawings of one part; the files lie in numbered folders, which only some of its lines name."""
    files = (root / part / "images").glob("*/*.png")
    key_of = {path.name: path.relative_to(root).as_posix() for path in files}
    rows = []
    for row in read_true_rows(root / FILES[part], {"identifier": r"\d+-\d+", "sentence": r".*\w.*"}):
        for permutation in range(permutations):
            image_id = f"{part}-{row['identifier']}-{permutation}"
            rows.append(
                TrueSentence(
                    row_id=image_id,
                    image_id=image_id,
                    image=key_of.get(f"{image_id}.png", f"{part}/images/{image_id}.png"),
                    sentence=row["sentence"],
                    group=f"{part}-{row['identifier'].partition('-')[0]}",
                    variant=str(permutation),
                )
            )
    return rows


def _items(rows: Sequence[TrueSentence], splits: Sequence[str]) -> tuple[Item, ...]:
    spelling: dict[str, str] = {}
    return tuple(
        Item(
            item_id=row.image_id,
            image=row.image,
            texts=(row.sentence,),
            split=split,
            label=spelling.setdefault(same_words(row.sentence), row.sentence),
        )
        for row, split in zip(rows, splits, strict=True)
    )
