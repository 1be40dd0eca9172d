"""Checks a data set before a run spends hours on it: unreadable images, leaks between splits, captions."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from PIL import Image
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from xmr.core.errors import DataError, problems_message
from xmr.data.dataset import SPLITS, RetrievalDataset
from xmr.data.decoding import inspect_images
from xmr.data.images import FolderImages

EXAMPLES = 3


def check_data(dataset: RetrievalDataset, *, console: Console, workers: int | None = None) -> list[str]:
    """Describe `dataset` on `console` and return its problems, none when it is good.

    Problems are images that can't be read, and images that are in two splits (by name, or by equal pixels).
    What makes a set harder, but not wrong, is printed only: captions that fit several items, very short
    captions, equal images within a split. Decodes every image, in `workers` threads (None: one a core).
    """
    console.print(_counts(dataset))
    splits_of = _splits_of_images(dataset)
    if not splits_of:
        problems = ["it has no image"]
    else:
        looks, unreadable = _look_at_all(dataset, list(splits_of), console, workers or os.cpu_count() or 1)
        problems = [*unreadable, *_in_two_splits(splits_of), *_twins(looks, splits_of, console)]
        _describe_images(looks, console)
        _describe_captions(dataset, console)
        _describe_labels(dataset, console)
    if problems:
        remedy = "Mend these before training: results on leaked or missing images mean little."
        console.print(
            problems_message(f"data set '{dataset.name}'", problems, remedy), markup=False, style="red"
        )
    else:
        console.print(f"data set '{dataset.name}': no problem found", markup=False, style="green")
    return problems


@dataclass(frozen=True)
class _Look:
    """What is kept of an image: its size as (width, height), its mode on disk, a hash of its pixels."""

    size: tuple[int, int]
    mode: str
    pixels: bytes


def _counts(dataset: RetrievalDataset) -> Table:
    table = Table("split", title=f"{dataset.name} (relevance: {dataset.relevance})")
    for column in ("images", "texts", "texts per image: min", "mean", "max", "labels", "composed queries"):
        table.add_column(column, justify="right")
    for name in SPLITS:
        items = [item for item in dataset.items if item.split == name]
        per_image = [len(item.texts) for item in items] or [0]
        texts = len(dataset.split(name).texts) if items else 0
        composed = sum(query.split == name for query in dataset.composed_queries)
        labels = len({item.label for item in items} - {""})
        of_each = [f"{min(per_image)}", f"{fmean(per_image):.1f}", f"{max(per_image)}"]
        table.add_row(name, f"{len(items):,}", f"{texts:,}", *of_each, f"{labels:,}", f"{composed:,}")
    return table


def _splits_of_images(dataset: RetrievalDataset) -> dict[str, set[str]]:
    """Tell for each image key in which splits it is used, by items or by composed queries."""
    splits: dict[str, set[str]] = defaultdict(set)
    for item in dataset.items:
        splits[item.image].add(item.split)
    for query in dataset.composed_queries:
        splits[query.reference].add(query.split)
        splits[query.target].add(query.split)
    return dict(splits)


def _look_at_all(
    dataset: RetrievalDataset, keys: Sequence[str], console: Console, workers: int
) -> tuple[dict[str, _Look], list[str]]:
    """Decode each image: what is kept of the readable ones, and a problem for each of the others."""
    reader = dataset.read_image

    def look(key: str) -> _Look:
        image = reader(key)
        pixels = hashlib.blake2b(image.tobytes(), digest_size=16, key=repr(image.size).encode()).digest()
        mode = image.mode
        if isinstance(reader, FolderImages):  # which gives RGB, whatever the file holds
            with Image.open(reader.root / key) as header:
                mode = header.mode
        return _Look(image.size, mode, pixels)

    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console) as progress:
        task = progress.add_task("decoding images", total=len(keys))
        found = inspect_images(look, keys, workers=workers, on_done=lambda: progress.advance(task))
    pairs = list(zip(keys, found, strict=True))
    looks = {key: seen for key, seen in pairs if isinstance(seen, _Look)}
    return looks, [str(seen) for _, seen in pairs if isinstance(seen, DataError)]


def _in_two_splits(splits_of: Mapping[str, set[str]]) -> list[str]:
    return [f"image '{key}' is in {_and(splits)}" for key, splits in splits_of.items() if len(splits) > 1]


def _twins(looks: Mapping[str, _Look], splits_of: Mapping[str, set[str]], console: Console) -> list[str]:
    """Find images with equal pixels: a problem for each set of them that is spread over splits."""
    by_pixels: dict[bytes, list[str]] = defaultdict(list)
    for key, look in looks.items():
        by_pixels[look.pixels].append(key)
    twins = [keys for keys in by_pixels.values() if len(keys) > 1]
    leaks = []
    within = 0
    for keys in twins:
        if len(set[str]().union(*(splits_of[key] for key in keys))) > 1:
            named = (f"'{key}' ({_and(splits_of[key])})" for key in keys)
            leaks.append(f"images with the same pixels in several splits: {', '.join(named)}")
        else:
            within += len(keys) - 1
    if within:
        console.print(f"copies within a split: {within:,} (images with the same pixels as another)")
    return leaks


def _describe_images(looks: Mapping[str, _Look], console: Console) -> None:
    if not looks:
        return
    for side, lengths in zip(
        ("width", "height"), zip(*(look.size for look in looks.values()), strict=True), strict=True
    ):
        console.print(
            f"image {side}: min {min(lengths)}, median {median(lengths):g}, max {max(lengths)} pixels"
        )
    modes = Counter(look.mode for look in looks.values()).most_common()
    console.print("image modes: " + ", ".join(f"{mode} {count:,}" for mode, count in modes))


def _describe_captions(dataset: RetrievalDataset, console: Console) -> None:
    where: dict[str, dict[str, set[str]]] = {}
    for name in SPLITS:
        if not any(item.split == name for item in dataset.items):
            continue
        split = dataset.split(name)
        where[name] = defaultdict(set)
        for text, item_id in zip(split.texts, split.text_item_ids, strict=True):
            where[name][" ".join(text.casefold().split())].add(item_id)
    lengths = [len(text.split()) for item in dataset.items for text in item.texts]
    if not lengths:
        return
    console.print(
        f"caption length: min {min(lengths)}, median {median(lengths):g}, mean {fmean(lengths):.1f}, "
        f"max {max(lengths)} words"
    )
    thing = "classes" if dataset.relevance == "label" else "images"
    for name, items_of in where.items():
        shared = [f"'{text}' ({len(ids)})" for text, ids in items_of.items() if len(ids) > 1]
        _note(console, f"{name}: captions that fit several {thing}, of which one counts", shared)
    short = dict.fromkeys(text for item in dataset.items for text in item.texts if _is_short(text))
    _note(console, "captions of a single word or less", [f"'{text}'" for text in short])
    if dataset.relevance == "item":
        for name in ("val", "test"):
            known = [f"'{text}'" for text in where.get(name, {}) if text in where.get("train", {})]
            _note(console, f"{name}: captions that are also in train", known)


def _describe_labels(dataset: RetrievalDataset, console: Console) -> None:
    labels = {name: {item.label for item in dataset.items if item.split == name} for name in SPLITS}
    for name in ("val", "test"):
        _note(console, f"{name}: labels that train lacks", sorted(labels[name] - labels["train"] - {""}))


def _is_short(text: str) -> bool:
    return sum(any(character.isalnum() for character in word) for word in text.split()) < 2


def _note(console: Console, what: str, found: Sequence[str]) -> None:
    if found:
        more = ", ..." if len(found) > EXAMPLES else ""
        message = f"{what}: {len(found):,}: {', '.join(found[:EXAMPLES])}{more}"
        console.print(message, markup=False, soft_wrap=True)


def _and(names: Iterable[str]) -> str:
    return " and ".join(sorted(names, key=SPLITS.index))
