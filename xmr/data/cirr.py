"""Loads CIRR: a photograph, words that say what to change, and the photograph that is looked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from xmr.core.errors import DataError, problems_message
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.records import read_json, read_records, text_of
from xmr.data.required_files import require_files, require_images

VERSION = "rc2"
SPLITS = ("train", "val")
"""The splits with targets; those of test1 are known to the server alone (`read_cirr_test`)."""
TEST = "test1"
REMEDY = """\
Get the annotations: git clone -b cirr_dataset https://github.com/Cuberick-Orion/CIRR.git cirr
and the photographs, which are NLVR2's, by the form of https://github.com/lil-lab/nlvr/tree/master/nlvr2:
  <root>/captions/cap.rc2.{splits}.json                         (data.root is the folder cirr)
  <root>/image_splits/split.rc2.{splits}.json
  <root>/img_raw/train/34/train-11041-2-img0.png ...            (data.images)
  <root>/img_raw/dev/dev-244-0-img1.png ...
  <root>/img_raw/test1/test1-147-1-img1.png ..."""


def _remedy(*splits: str) -> str:
    return REMEDY.replace("{splits}", "|".join(splits))


def load_cirr(*, root: Path | str, images: str = "img_raw") -> RetrievalDataset:
    """Load CIRR's train (28,225 queries) and val split (4,181); its test1 has no targets, so no split here.

    Items are the photographs of a split, without texts; all of them are the gallery of its queries. A query
    has the six photographs of its set, less the reference, as candidates. The target is `target_hard`.
    `images` is the folder of the photographs in `root`.

    Raises `MissingFilesError` saying what to get, `DataError` that lists all bad records. Source: Liu et al.,
    "Image Retrieval on Real-Life Images with Pre-Trained Vision-and-Language Models", ICCV 2021.
    """
    root = Path(root)
    files = [
        f"{kind}.{VERSION}.{split}.json"
        for split in SPLITS
        for kind in ("captions/cap", "image_splits/split")
    ]
    require_files(root, [*files, images], name="cirr", remedy=_remedy(*SPLITS))
    items: list[Item] = []
    queries: list[ComposedQuery] = []
    for split in SPLITS:
        key_of = _keys(root / f"image_splits/split.{VERSION}.{split}.json", images)
        items += [Item(name, key, (), split) for name, key in key_of.items()]
        path = root / f"captions/cap.{VERSION}.{split}.json"
        queries += read_records(path, lambda record: _query(record, key_of, split))  # noqa: B023  read at once
    require_images(root, [item.image for item in items], name="cirr", remedy=_remedy(*SPLITS))
    return RetrievalDataset("cirr", tuple(items), FolderImages(root), tuple(queries))


@dataclass(frozen=True)
class UnansweredQuery:
    """A query of test1: names of photographs, `members` being the five of its set beside the reference."""

    pair_id: str
    reference: str
    text: str
    members: tuple[str, ...]


def read_cirr_test(
    *, root: Path | str, images: str = "img_raw"
) -> tuple[list[UnansweredQuery], dict[str, Path]]:
    """The queries of test1 (4,148), whose targets are not published, and its photographs' files by name.

    Raises `MissingFilesError` saying what to get, `DataError` that lists all bad records.
    """
    root = Path(root)
    files = [f"captions/cap.{VERSION}.{TEST}.json", f"image_splits/split.{VERSION}.{TEST}.json"]
    require_files(root, [*files, images], name="cirr", remedy=_remedy(TEST))
    key_of = _keys(root / files[1], images)
    require_images(root, list(key_of.values()), name="cirr", remedy=_remedy(TEST))

    def query(record: Mapping[str, Any]) -> UnansweredQuery:
        reference, members = record["reference"], record["img_set"]["members"]
        _check_known((reference, *members), key_of, TEST)
        return UnansweredQuery(
            pair_id=str(record["pairid"]),
            reference=reference,
            text=text_of(record["caption"], "caption"),
            members=tuple(name for name in members if name != reference),
        )

    return read_records(root / files[0], query), {name: root / key for name, key in key_of.items()}


def _check_known(names: tuple[str, ...], key_of: Mapping[str, str], split: str) -> None:
    unknown = [name for name in dict.fromkeys(names) if name not in key_of]
    if unknown:
        raise ValueError(f"no photograph of the {split} split is named {', '.join(map(repr, unknown))}")


def _keys(path: Path, images: str) -> dict[str, str]:
    """The key of each photograph of a split: "dev-244-0-img1": "./dev/dev-244-0-img1.png" in the file."""
    names = read_json(path, dict)
    wrong = [f"'{name}': {file!r} is not a path" for name, file in names.items() if not isinstance(file, str)]
    if wrong:
        raise DataError(problems_message(str(path), wrong, "Get the file again, or mend these entries."))
    return {name: (PurePosixPath(images) / file).as_posix() for name, file in names.items()}


def _query(record: Mapping[str, Any], key_of: Mapping[str, str], split: str) -> ComposedQuery:
    reference, target, members = record["reference"], record["target_hard"], record["img_set"]["members"]
    _check_known((reference, target, *members), key_of, split)
    return ComposedQuery(
        query_id=str(record["pairid"]),
        reference_id=reference,
        reference=key_of[reference],
        text=text_of(record["caption"], "caption"),
        target_id=target,
        target=key_of[target],
        split=split,
        candidates=tuple(name for name in members if name != reference),
    )
