"""Reads Karpathy's dataset_*.json files: the images, captions and splits of Flickr8k, Flickr30k and COCO."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xmr.core.errors import DataError, problems_message
from xmr.data.dataset import Item

SPLIT_OF = {"train": "train", "val": "val", "test": "test", "restval": "train"}
"""COCO's restval: the images of val2014 that are in neither val nor test; customarily added to train."""


def read_karpathy(
    path: Path, *, key_of: Callable[[Mapping[str, Any]], str], restval: bool = True
) -> list[Item]:
    """Items of a `dataset_*.json` file in its order, with the captions as written ("raw").

    `key_of` makes the image's key of its record, which has "filename" and, in COCO, "filepath". The item
    id is the file's name without its ending. `restval` says whether COCO's restval images join train.
    Raises one `DataError` that lists the records that can't be used.

    The splits are those of Karpathy and Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image
    Descriptions", CVPR 2015.
    """
    try:
        records = json.loads(path.read_bytes())["images"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not Karpathy's JSON, {{'images': [...]}} ({error!r}); get it again"
        ) from error
    items, problems = [], []
    for number, record in enumerate(records):
        try:
            split, filename = record["split"], record["filename"]
            texts = tuple(sentence["raw"].strip() for sentence in record["sentences"])
            key = key_of(record)
        except (KeyError, TypeError, AttributeError) as error:
            problems.append(f"images[{number}]: {type(error).__name__}: {error}")
            continue
        if split not in SPLIT_OF:
            problems.append(
                f"images[{number}] ({filename}): split '{split}' is none of {', '.join(SPLIT_OF)}"
            )
        elif not all(texts) or not texts:
            problems.append(f"images[{number}] ({filename}): no caption, or an empty one")
        elif split != "restval" or restval:
            items.append(Item(Path(filename).stem, key, texts, SPLIT_OF[split]))
    if problems:
        raise DataError(problems_message(str(path), problems, "Get the file again, or mend these records."))
    return items
