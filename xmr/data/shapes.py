"""Loads scenes of coloured shapes that are made on the fly: images, sentences, and edits in words."""

import hashlib
from collections.abc import Sequence
from functools import partial
from random import Random

from PIL import Image

from xmr.core.errors import ConfigError, check_at_least
from xmr.core.files import fingerprint
from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.shape_scenes import SPACE, Scene, decode, draw_scene, encode, render
from xmr.data.shape_texts import MAX_EDITS, NUMBERS, describe, draw_edits
from xmr.data.splitting import held_out

MIN_IMAGE_SIZE = 24
# Change it with any change of what `render` draws: caches of features hang on it.
_DRAWING = 1
_GOLDEN_RATIO = 0.6180339887498949


def load_shapes(
    *,
    size: int = 2000,
    seed: int = 0,
    image_size: int = 96,
    val_fraction: float = 0.15,
    test_fraction: float = 0.15,
    composed_per_item: int = 2,
) -> RetrievalDataset:
    """`size` different scenes of 1 to 4 shapes, each with 5 sentences and up to `composed_per_item` edits.

    In the style of NLVR (Suhr et al. 2017) and CSS (Vo et al. 2019). The first three sentences of a scene
    describe it fully. An item's id is the key of its image and says what it shows; its label is the number
    of objects. The first items are the same for every `size`. An edit that leads to a scene of another split
    is left out (1 in 100 for 2,000 scenes). Images are `image_size` x `image_size`.
    Raises `ConfigError` for a value out of its range.
    """
    check_at_least(1, size=size)
    check_at_least(MIN_IMAGE_SIZE, image_size=image_size)
    held_out(val_fraction=val_fraction, test_fraction=test_fraction)
    if size > SPACE:
        raise ConfigError(f"size={size} is more than the {SPACE} scenes there are; use size <= {SPACE}")
    if not 0 <= composed_per_item <= MAX_EDITS:
        raise ConfigError(f"composed_per_item={composed_per_item}; use 0 to {MAX_EDITS}")
    items, edits = [], []
    for index, scene in enumerate(_draw_scenes(size, seed)):
        split = _split(index, seed=seed, val_fraction=val_fraction, test_fraction=test_fraction)
        items.append(_item(scene, split))
        edits += _edits(scene, split, composed_per_item)
    return RetrievalDataset("shapes", tuple(items), ShapeImages(image_size), _within_splits(items, edits))


class ShapeImages:
    """Renders the scene that a key describes; holds nothing but the images' size in pixels."""

    def __init__(self, image_size: int) -> None:
        self.image_size = image_size

    def __call__(self, key: str) -> Image.Image:
        """The scene `key` as RGB; raises `DataError` when it describes none."""
        return render(decode(key), self.image_size)

    def fingerprint(self, keys: Sequence[str]) -> str:
        """Changes with the size, the scenes, and the way they are drawn."""
        return fingerprint(_DRAWING, self.image_size, list(keys))


def _draw_scenes(size: int, seed: int) -> list[Scene]:
    """The first `size` scenes of `seed`; a scene that was drawn before is drawn anew."""
    scenes: dict[Scene, None] = {}
    for index in range(size):
        rng = Random(f"{seed}:{index}")
        scene = draw_scene(rng)
        while scene in scenes:
            scene = draw_scene(rng)
        scenes[scene] = None
    return list(scenes)


def _split(index: int, *, seed: int, val_fraction: float, test_fraction: float) -> str:
    """The split of item `index`: multiples of the golden ratio keep any first items in proportion."""
    offset = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4]) / 2**32
    position = (offset + index * _GOLDEN_RATIO) % 1
    if position < test_fraction:
        return "test"
    return "val" if position < test_fraction + val_fraction else "train"


def _item(scene: Scene, split: str) -> Item:
    key = encode(scene)
    count = len(scene)
    label = f"{NUMBERS[count]} object{'' if count == 1 else 's'}"
    return Item(key, key, describe(scene, Random(key)), split, label)


def _edits(scene: Scene, split: str, count: int) -> list[ComposedQuery]:
    key = encode(scene)
    query = partial(ComposedQuery, reference_id=key, reference=key, split=split)
    edits = [(text, encode(target)) for text, target in draw_edits(scene, Random(f"edit:{key}"), count)]
    return [
        query(query_id=f"{key}+{text.replace(' ', '-')}", text=text, target_id=target, target=target)
        for text, target in edits
    ]


def _within_splits(items: list[Item], edits: list[ComposedQuery]) -> tuple[ComposedQuery, ...]:
    """The edits whose target is in no other split: as an item, or as the target of an earlier edit."""
    split_of = {item.item_id: item.split for item in items}
    return tuple(edit for edit in edits if split_of.setdefault(edit.target_id, edit.split) == edit.split)
