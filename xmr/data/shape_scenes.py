"""Scenes of coloured shapes on a 3 x 3 grid: drawn at random, written as a key, and rendered."""

from collections.abc import Sequence
from functools import lru_cache
from math import comb, cos, pi, sin
from random import Random
from typing import NamedTuple, TypeVar

from PIL import Image, ImageDraw

from xmr.core.errors import DataError

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
SIZES = ("small", "large")
COLOURS = {
    "red": (219, 58, 62),
    "orange": (241, 139, 42),
    "yellow": (246, 205, 66),
    "green": (64, 166, 96),
    "blue": (52, 120, 214),
    "purple": (138, 83, 190),
    "black": (48, 50, 58),
}
CELLS = (
    *("top left", "top center", "top right"),
    *("middle left", "center", "middle right"),
    *("bottom left", "bottom center", "bottom right"),
)
MAX_THINGS = 4
SPACE = sum(comb(9, n) * (len(SHAPES) * len(SIZES) * len(COLOURS)) ** n for n in range(1, MAX_THINGS + 1))
"""How many scenes there are: about 6.3 billion."""

_COUNTS = (1,) + (2,) * 5 + (3,) * 7 + (4,) * 7  # of things in a scene, each entry as likely
_BACKGROUND = (250, 249, 246)
_SUPERSAMPLING = 8
# Radius over the cell's width, by size; hearts and stars are drawn larger, as they fill less of a circle.
_RADIUS = {"small": 0.25, "large": 0.43}

T = TypeVar("T")


class Thing(NamedTuple):
    """One shape in a scene; `cell` counts the grid's places from 0 (top left) to 8 (bottom right)."""

    cell: int
    size: str
    colour: str
    shape: str


Scene = tuple[Thing, ...]
"""1 to 4 things in different cells, in the cells' order."""


def pick(rng: Random, options: Sequence[T]) -> T:
    """One of `options`; built on `random()`, the one method that is equal in all versions of Python."""
    return options[int(rng.random() * len(options))]


def draw_scene(rng: Random) -> Scene:
    """A random scene."""
    cells = sorted(range(9), key=lambda _: rng.random())[: pick(rng, _COUNTS)]
    colours = tuple(COLOURS)
    return tuple(Thing(c, pick(rng, SIZES), pick(rng, colours), pick(rng, SHAPES)) for c in sorted(cells))


def encode(scene: Scene) -> str:
    """The scene as a key: `1-small-red-circle_5-large-blue-star`; cells count from 1 to 9."""
    return "_".join(f"{thing.cell + 1}-{thing.size}-{thing.colour}-{thing.shape}" for thing in scene)


def decode(key: str) -> Scene:
    """The scene that `encode` wrote; raises `DataError` for anything else."""
    scene = tuple(_decode_thing(part, key) for part in key.split("_"))
    cells = [thing.cell for thing in scene]
    if cells != sorted(set(cells)) or len(scene) > MAX_THINGS:
        raise DataError(f"'{key}' is no scene: it needs 1 to {MAX_THINGS} things, in growing cells")
    return scene


def _decode_thing(part: str, key: str) -> Thing:
    match part.split("-"):
        case [cell, size, colour, shape] if (
            cell in set("123456789") and size in SIZES and colour in COLOURS and shape in SHAPES
        ):
            return Thing(int(cell) - 1, size, colour, shape)
    raise DataError(f"'{key}' is no scene: '{part}' is not like '1-small-red-circle'")


def render(scene: Scene, image_size: int) -> Image.Image:
    """The scene as an RGB image, `image_size` x `image_size`."""
    image = Image.new("RGB", (image_size, image_size), _BACKGROUND)
    edges = [round(i * image_size / 3) for i in range(4)]
    for thing in scene:
        row, column = divmod(thing.cell, 3)
        stencil = _stencil(thing.shape, thing.size, edges[1])
        image.paste(COLOURS[thing.colour], (edges[column], edges[row]), stencil)
    return image


@lru_cache(maxsize=256)
def _stencil(shape: str, size: str, width: int) -> Image.Image:
    """Where the shape covers its cell, 0 to 255 with smooth edges, `width` x `width`."""
    large = Image.new("L", (width * _SUPERSAMPLING,) * 2)
    center, radius = large.width / 2, _RADIUS[size] * large.width
    draw = ImageDraw.Draw(large)
    if shape == "circle":
        draw.circle((center, center), radius, fill=255)
    else:
        draw.polygon([(center + radius * x, center + radius * y) for x, y in _outline(shape)], fill=255)
    return large.reduce(_SUPERSAMPLING)


def _outline(shape: str) -> list[tuple[float, float]]:
    """The corners of `shape` around (0, 0), about 1 away; y points down."""
    if shape == "square":
        return [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]
    if shape == "triangle":
        return [(0, -0.92), (1, 0.8), (-1, 0.8)]
    if shape == "star":
        radii = [1.1, 0.46] * 5
        return [(r * sin(i * pi / 5), 0.06 - r * cos(i * pi / 5)) for i, r in enumerate(radii)]
    if shape == "cross":
        a, b = 0.33, 0.98
        corners = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b)]
        return [*corners, (-a, a), (-b, a), (-b, -a), (-a, -a)]
    turns = [2 * pi * i / 60 for i in range(60)]
    heart = [(sin(t) ** 3, (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t)) / 16) for t in turns]
    return [(x, -y - 0.1) for x, y in heart]
