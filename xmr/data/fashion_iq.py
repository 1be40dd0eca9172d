"""Loads Fashion IQ: a garment, two sentences that say what to change, and the garment that is looked for."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xmr.core.errors import ConfigError, did_you_mean
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.records import read_json, read_records, text_of
from xmr.data.required_files import require_files, require_images

CATEGORIES = ("dress", "shirt", "toptee")
SPLITS = ("val", "train")
"""In the order in which they claim the images that several lists name."""
REMEDY = """\
Get captions/ and image_splits/ from https://github.com/XiaoxiaoGuo/fashion-iq and the images from
https://github.com/hongwang600/fashion-iq-metadata; root (data.root):
  <root>/captions/cap.dress.train.json, cap.dress.val.json, likewise shirt and toptee (data.categories)
  <root>/image_splits/split.dress.train.json, split.dress.val.json ...
  <root>/images/B008BHCT58.jpg ...
Of the images that the lists name some are no longer to be had: data.skip_missing=true leaves them out."""

log = logging.getLogger(__name__)


class _Pair(NamedTuple):
    """One record: reference ("candidate" in the file), target, and both sentences as one text."""

    reference: str
    target: str
    text: str


def load_fashion_iq(
    *,
    root: Path | str,
    categories: Sequence[str] = CATEGORIES,
    images: str = "images",
    skip_missing: bool = False,
) -> RetrievalDataset:
    """Load Fashion IQ's train and val split, of which there are published figures; both have targets.

    Items are the images of a split, without texts, labelled by category ("dress|toptee" where two list it).
    A query's text is its two sentences with "and" between them, its group its category, whose images alone it
    searches by the protocol fashioniq. An image that both splits list counts as val's. Queries that an image
    of another split or a missing one (`skip_missing`) is in, or whose target is their reference, are left out
    and counted in
    a warning. `images` is the folder of the images in `root`.

    Raises `ConfigError` for settings, `MissingFilesError` saying what to get, one `DataError` for all bad
    records of a file. Source: Wu et al., "Fashion IQ", CVPR 2021.
    """
    root = Path(root)
    for category in categories:
        if category not in CATEGORIES:
            raise ConfigError(f"categories='{category}' is unknown; {did_you_mean(category, CATEGORIES)}")
    if not categories or len(set(categories)) < len(categories):
        raise ConfigError(
            f"categories={list(categories)}; name at least one of {', '.join(CATEGORIES)}, once"
        )
    kinds = [(category, split) for split in SPLITS for category in categories]
    files = [f"{kind}.{c}.{s}.json" for c, s in kinds for kind in ("captions/cap", "image_splits/split")]
    require_files(root, [*files, images], name="fashion_iq", remedy=REMEDY)
    items: dict[str, Item] = {}
    for category, split in kinds:
        for name in read_json(root / f"image_splits/split.{category}.{split}.json", list):
            known = items.get(str(name))
            label = category if known is None or known.split != split else f"{known.label}|{category}"
            if known is None or known.split == split:
                items[str(name)] = Item(str(name), f"{images}/{name}.jpg", (), split, label)
    if skip_missing:
        items = {name: item for name, item in items.items() if (root / item.image).is_file()}
    else:
        require_images(root, [item.image for item in items.values()], name="fashion_iq", remedy=REMEDY)
    queries = [query for category, split in kinds for query in _queries(root, category, split, items)]
    return RetrievalDataset("fashion_iq", tuple(items.values()), FolderImages(root), tuple(queries))


def _queries(root: Path, category: str, split: str, items: Mapping[str, Item]) -> list[ComposedQuery]:
    pairs = read_records(root / f"captions/cap.{category}.{split}.json", _pair)
    queries = []
    for number, pair in enumerate(pairs):
        ends = [items[name] for name in (pair.reference, pair.target) if name in items]
        if pair.reference == pair.target or [item.split for item in ends] != [split, split]:
            continue
        queries.append(
            ComposedQuery(
                query_id=f"{category}-{split}-{number}",
                reference_id=pair.reference,
                reference=items[pair.reference].image,
                text=pair.text,
                target_id=pair.target,
                target=items[pair.target].image,
                split=split,
                group=category,
            )
        )
    if left_out := len(pairs) - len(queries):
        log.warning(
            "fashion_iq: left out %d of %d %s queries of %s, whose images are missing, equal or not in %s",
            *(left_out, len(pairs), split, category, split),
        )
    return queries


def _pair(record: Mapping[str, Any]) -> _Pair:
    captions = record["captions"]
    if not isinstance(captions, list) or len(captions) != 2 or not all(isinstance(c, str) for c in captions):
        raise ValueError(f"captions is {captions!r}, not a list of two sentences")
    text = " and ".join(caption.strip() for caption in captions if caption.strip())
    return _Pair(
        reference=text_of(record["candidate"], "candidate"),
        target=text_of(record["target"], "target"),
        text=text_of(text, "captions"),
    )
