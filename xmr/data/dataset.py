"""What a data set is to xmr: items in splits, an image reader, and composed queries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from xmr.core.errors import DataError, did_you_mean, problems_message
from xmr.core.files import fingerprint

SPLITS = ("train", "val", "test")
Relevance = Literal["item", "label"]


@dataclass(frozen=True)
class Item:
    """One image with the texts that describe it.

    `image` is the key that the data set's reader opens; `label` is a class name ("" for none).
    """

    item_id: str
    image: str
    texts: tuple[str, ...]
    split: str
    label: str = ""


@dataclass(frozen=True)
class ComposedQuery:
    """Image + text -> image: `text` says how the target differs from the reference.

    Reference and target are keys of the data set's image reader, with an id each: an item's, or their own.
    `candidates` are the item ids of the few images that the query also ranks alone, the target among them
    (CIRR's subset; () for none). `group` is what a mean is taken over (FashionIQ's category; "" for none).
    """

    query_id: str
    reference_id: str
    reference: str
    text: str
    target_id: str
    target: str
    split: str
    candidates: tuple[str, ...] = ()
    group: str = ""


class ImageReader(Protocol):
    """Opens the images of a data set; must survive pickling into a worker process."""

    def __call__(self, key: str) -> Image.Image:
        """The image named `key`, as RGB; raises `DataError` naming the file when it can't be read."""

    def fingerprint(self, keys: Sequence[str]) -> str:
        """Changes whenever the content of any of the images does."""


@dataclass(frozen=True)
class Split:
    """The images and texts of one split, flattened: I images, T texts, each with an id and an item id."""

    name: str
    image_ids: np.ndarray
    image_keys: np.ndarray
    image_item_ids: np.ndarray
    labels: np.ndarray
    text_ids: np.ndarray
    texts: tuple[str, ...]
    text_item_ids: np.ndarray

    @cached_property
    def text_counts(self) -> np.ndarray:
        """How many texts have the item id of each image (I,), at least 1."""
        return self._text_range[1] - self._text_range[0]

    @cached_property
    def first_text(self) -> np.ndarray:
        """Where the texts of each image begin in `flat_texts` (I,)."""
        return self._text_range[0]

    @cached_property
    def flat_texts(self) -> np.ndarray:
        """Positions of texts, sorted by item id: those of image i are `first_text[i]` and the following."""
        return np.argsort(self.text_item_ids, kind="stable")

    @cached_property
    def _text_range(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.texts:
            raise DataError(
                f"split '{self.name}' has images without captions, whose queries are image + text; "
                "train on its composed queries"
            )
        by_item = self.text_item_ids[self.flat_texts]
        return (
            np.searchsorted(by_item, self.image_item_ids, side="left"),
            np.searchsorted(by_item, self.image_item_ids, side="right"),
        )

    @cached_property
    def image_item_index(self) -> np.ndarray:
        """The item id of each image as an integer: equal integers, equal items."""
        return np.unique(self.image_item_ids, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class RetrievalDataset:
    """Items in train, val and test splits, and the reader that opens their images.

    `relevance` says what makes an image and a text match: the same item ("item": each image has its own
    texts) or the same class ("label": each distinct text describes a class, whose images all match it).
    Every item has a text, but for data sets of composed queries alone, where no item has any.
    """

    name: str
    items: tuple[Item, ...]
    read_image: ImageReader
    composed_queries: tuple[ComposedQuery, ...] = ()
    relevance: Relevance = "item"

    def __post_init__(self) -> None:
        problems = [*_item_problems(self), *_composed_problems(self)]
        if problems:
            raise DataError(
                problems_message(f"data set '{self.name}'", problems, "Mend or remove these rows.")
            )

    def split(self, name: str) -> Split:
        """The images and texts of split `name`; raises `DataError` when it is unknown or has no item."""
        if name not in SPLITS:
            raise DataError(f"unknown split '{name}'; {did_you_mean(name, SPLITS)}")
        items = [item for item in self.items if item.split == name]
        if not items:
            counts = ", ".join(f"{s} {sum(i.split == s for i in self.items)}" for s in SPLITS)
            raise DataError(
                f"data set '{self.name}': split '{name}' is empty ({counts}); check its split setting"
            )
        return _split_by_label(name, items) if self.relevance == "label" else _split_by_item(name, items)

    @cached_property
    def fingerprint(self) -> str:
        """Names the ids, texts, labels and splits (not the pixels): equal on every machine."""
        rows = [[i.item_id, i.image, i.texts, i.split, i.label] for i in self.items]
        return fingerprint(self.relevance, rows)


def _item_problems(dataset: RetrievalDataset) -> Iterator[str]:
    seen: set[str] = set()
    composed_alone = dataset.composed_queries and not any(item.texts for item in dataset.items)
    for item in dataset.items:
        if item.item_id in seen:
            yield f"item id '{item.item_id}' appears more than once"
        if not composed_alone and (not item.texts or not all(text.strip() for text in item.texts)):
            yield f"image '{item.image}' (item '{item.item_id}') has no caption, or an empty one"
        if item.split not in SPLITS:
            yield f"item '{item.item_id}': split '{item.split}' is none of {', '.join(SPLITS)}"
        if dataset.relevance == "label" and not item.label:
            yield f"item '{item.item_id}' has no label, which relevance=label needs"
        seen.add(item.item_id)


def _composed_problems(dataset: RetrievalDataset) -> Iterator[str]:
    items = {item.item_id: item for item in dataset.items}
    # the key and the split of each image, as the items or the first query that names it tell
    known = {item.item_id: (item.image, item.split) for item in dataset.items}
    seen: set[str] = set()
    for query in dataset.composed_queries:
        name = f"composed query '{query.query_id}'"
        if query.query_id in seen:
            yield f"{name} appears more than once"
        if not query.text.strip():
            yield f"{name} has no text"
        if query.split not in SPLITS:
            yield f"{name}: split '{query.split}' is none of {', '.join(SPLITS)}"
        if query.target_id == query.reference_id:
            yield f"{name}: '{query.target_id}' is its reference and its target"
        if query.candidates and query.target_id not in query.candidates:
            yield f"{name}: target '{query.target_id}' is not among its {len(query.candidates)} candidates"
        if dataset.relevance == "label" and query.target_id not in items:
            yield f"{name}: target '{query.target_id}' is no item, so it has no label (relevance=label)"
        for candidate in query.candidates:
            if candidate not in items or items[candidate].split != query.split:
                yield f"{name}: candidate '{candidate}' is no item of split '{query.split}'"
        for image, key in ((query.reference_id, query.reference), (query.target_id, query.target)):
            key_known, split_known = known.setdefault(image, (key, query.split))
            if key != key_known:
                yield f"{name}: image id '{image}' names '{key}' here, but '{key_known}' elsewhere"
            elif query.split != split_known:
                yield f"{name} is in split '{query.split}', but its image '{image}' in '{split_known}'"
        seen.add(query.query_id)


def _split_by_item(name: str, items: list[Item]) -> Split:
    ids = np.array([item.item_id for item in items])
    return Split(
        name=name,
        image_ids=ids,
        image_keys=np.array([item.image for item in items]),
        image_item_ids=ids,
        labels=np.array([item.label for item in items]),
        text_ids=np.array([f"{item.item_id}#{n}" for item in items for n in range(len(item.texts))]),
        texts=tuple(text for item in items for text in item.texts),
        text_item_ids=np.array([item.item_id for item in items for _ in item.texts]),
    )


def _split_by_label(name: str, items: list[Item]) -> Split:
    described = dict.fromkeys((item.label, text) for item in items for text in item.texts)
    labels = np.array([item.label for item in items])
    return Split(
        name=name,
        image_ids=np.array([item.item_id for item in items]),
        image_keys=np.array([item.image for item in items]),
        image_item_ids=labels,
        labels=labels,
        text_ids=np.array([f"{label}#{n}" for n, (label, _) in enumerate(described)]),
        texts=tuple(text for _, text in described),
        text_item_ids=np.array([label for label, _ in described]),
    )
