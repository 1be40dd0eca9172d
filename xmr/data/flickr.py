"""Loads Flickr8k and Flickr30k, from Karpathy's JSON or from the original captions and split lists."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

from xmr.core.errors import ConfigError, DataError, did_you_mean, problems_message
from xmr.data.dataset import Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.karpathy import read_karpathy
from xmr.data.required_files import require_files, require_images
from xmr.data.rows import read_table, read_utf8

Annotations = Literal["karpathy", "token", "csv"]

log = logging.getLogger(__name__)


def load_flickr8k(
    *, root: Path | str, annotations: Annotations = "karpathy", images: str = "Flicker8k_Dataset"
) -> RetrievalDataset:
    """Load Flickr8k: 6,000 train, 1,000 val and 1,000 test images with 5 captions each.

    `annotations`: "karpathy" reads dataset_flickr8k.json, "token" Flickr8k.token.txt and "csv" captions.txt;
    these two with the lists Flickr_8k.trainImages.txt, devImages and testImages, which make the same splits.
    `images` is the folder of the images in `root`. Raises `MissingFilesError` saying what to get.

    Source: Hodosh et al., "Framing Image Description as a Ranking Task", JAIR 2013.
    """
    return _load(FLICKR8K, Path(root), annotations, images)


def load_flickr30k(
    *, root: Path | str, annotations: Annotations = "karpathy", images: str = "flickr30k-images"
) -> RetrievalDataset:
    """Load Flickr30k: 31,014 images with 5 captions each (31,783 with the original captions).

    `annotations`: "karpathy" reads dataset_flickr30k.json (29,000 train, 1,014 val, 1,000 test); "token"
    reads results_20130124.token and "csv" results.csv, these two with the lists train.txt, val.txt and
    test.txt of Flickr30k Entities (29,783, 1,000, 1,000: not Karpathy's splits, so compare like with like).
    `images` is the folder of the images in `root`. Raises `MissingFilesError` saying what to get.

    Source: Young et al., "From image descriptions to visual denotations", TACL 2014; the lists: Plummer et
    al., "Flickr30k Entities", IJCV 2017.
    """
    return _load(FLICKR30K, Path(root), annotations, images)


@dataclass(frozen=True)
class _Source:
    """The files of a data set, and how to get them."""

    name: str
    captions: Mapping[str, str]
    lists: Mapping[str, str]
    remedy: str


KARPATHY = "caption_datasets.zip (https://cs.stanford.edu/people/karpathy/deepimagesent/)"
FLICKR8K = _Source(
    name="flickr8k",
    captions={"karpathy": "dataset_flickr8k.json", "token": "Flickr8k.token.txt", "csv": "captions.txt"},
    lists={
        "train": "Flickr_8k.trainImages.txt",
        "val": "Flickr_8k.devImages.txt",
        "test": "Flickr_8k.testImages.txt",
    },
    remedy=f"""\
Get Flickr8k_Dataset.zip (the images) and Flickr8k_text.zip (captions and lists) by the request form of the
University of Illinois; dataset_flickr8k.json is in {KARPATHY}.
One of the three, set by data.annotations, next to the images, whose folder data.images names:
  karpathy: <root>/dataset_flickr8k.json
  token:    <root>/Flickr8k.token.txt and <root>/Flickr_8k.trainImages.txt, .devImages.txt, .testImages.txt
  csv:      <root>/captions.txt (image,caption), with the same lists
  <root>/Flicker8k_Dataset/1000268201_693b08cb0e.jpg ...""",
)
FLICKR30K = _Source(
    name="flickr30k",
    captions={"karpathy": "dataset_flickr30k.json", "token": "results_20130124.token", "csv": "results.csv"},
    lists={"train": "train.txt", "val": "val.txt", "test": "test.txt"},
    remedy=f"""\
Get flickr30k-images.tar and results_20130124.token by the request form of the University of Illinois
(https://shannon.cs.illinois.edu/DenotationGraph/); dataset_flickr30k.json is in
{KARPATHY}.
One of the three, set by data.annotations, next to the images, whose folder data.images names:
  karpathy: <root>/dataset_flickr30k.json
  token:    <root>/results_20130124.token and <root>/train.txt, val.txt, test.txt of Flickr30k Entities
            (https://github.com/BryanPlummer/flickr30k_entities)
  csv:      <root>/results.csv (image_name| comment_number| comment), with the same lists
  <root>/flickr30k-images/1000092795.jpg ...""",
)

TOKEN_LINE = re.compile(r"(?P<image>[^#\t]+)#\d+\t(?P<caption>.*)")
# the second bar is optional: one line of the results.csv that goes around lacks it
BAR_LINE = re.compile(r"(?P<image>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)")
LINE_OF = {"Flickr8k.token.txt": TOKEN_LINE, "results_20130124.token": TOKEN_LINE, "results.csv": BAR_LINE}


def _load(source: _Source, root: Path, annotations: str, images: str) -> RetrievalDataset:
    if annotations not in source.captions:
        raise ConfigError(
            f"annotations='{annotations}' is unknown; {did_you_mean(annotations, source.captions)}"
        )
    captions = source.captions[annotations]
    lists = [] if annotations == "karpathy" else list(source.lists.values())
    require_files(root, [captions, *lists, images], name=source.name, remedy=source.remedy)
    if annotations == "karpathy":
        items = read_karpathy(root / captions, key_of=lambda record: f"{images}/{record['filename']}")
    else:
        items = _original_items(source, root, root / captions, images)
    require_images(root, [item.image for item in items], name=source.name, remedy=source.remedy)
    return RetrievalDataset(source.name, tuple(items), FolderImages(root))


def _original_items(source: _Source, root: Path, path: Path, images: str) -> list[Item]:
    """Join captions and split lists; an image in no list is left out, one without captions an error."""
    captions = _read_captions(path)
    split_of: dict[str, str] = {}
    problems = []
    for split, file in source.lists.items():
        for name in read_utf8(root / file).split():
            image = name if PurePath(name).suffix else f"{name}.jpg"
            if image in split_of:
                problems.append(f"{file}: {image} is also in the list of {split_of[image]}")
            elif image not in captions:
                problems.append(f"{file}: {image} has no caption in {path.name}")
            split_of[image] = split
    if problems:
        raise DataError(problems_message(f"{source.name} in {root}", problems, "Get these files again."))
    if unlisted := len(captions.keys() - split_of.keys()):
        log.info("%s: left out %d of %d images that no list names", source.name, unlisted, len(captions))
    return [
        Item(PurePath(image).stem, f"{images}/{image}", tuple(captions[image]), split)
        for image, split in split_of.items()
    ]


def _read_captions(path: Path) -> dict[str, list[str]]:
    """Read the captions of each image, in whichever of the original formats `path` is."""
    if path.name in LINE_OF:
        lines = [line.rstrip("\r") for line in read_utf8(path).split("\n")]
        if lines[0].startswith("image_name"):  # the header of results.csv
            lines[0] = ""
        found = [(f"line {n}", LINE_OF[path.name].fullmatch(line)) for n, line in enumerate(lines, 1) if line]
        rows = [(place, match["image"].strip(), match["caption"].strip()) for place, match in found if match]
        problems = [f"{place}: not an image, a number and a caption" for place, match in found if not match]
    else:
        table = read_table(path, format="csv", wanted={"image", "caption"})
        if not {"image", "caption"} <= set(table.columns):
            raise DataError(f"{path} has the columns {', '.join(table.columns)}; it needs image and caption")
        rows = [(place, row["image"].strip(), row["caption"].strip()) for place, row in table.rows]
        problems = table.problems
    problems += [
        f"{place}: no image, or no caption" for place, image, caption in rows if not image or not caption
    ]
    if problems:
        raise DataError(problems_message(str(path), problems, "Mend or remove these lines."))
    captions: dict[str, list[str]] = {}
    for _, image, caption in rows:
        captions.setdefault(image, []).append(caption)
    return captions
