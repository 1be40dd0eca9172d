"""Embeddings of the shapes that evaluations are timed on, made from a seed."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, check_whole, did_you_mean

KS = (1, 5, 10)
Figures = dict[str, float]


@dataclass(frozen=True)
class Workload:
    """What everyone evaluates: unit-norm float32 image (N, D) and text (M, D), each row with its item.

    Rows with equal items are relevant to each other. `both` asks for text_to_image as well as image_to_text;
    `k` is how deep a search goes that needs a depth.
    """

    image: Tensor
    text: Tensor
    image_item: np.ndarray
    text_item: np.ndarray
    both: bool = True
    k: int = 10

    def directions(self) -> list[tuple[str, Tensor, Tensor, np.ndarray, np.ndarray]]:
        """For each direction its name, queries, gallery and their items."""
        there = ("image_to_text", self.image, self.text, self.image_item, self.text_item)
        back = ("text_to_image", self.text, self.image, self.text_item, self.image_item)
        return [there, back] if self.both else [there]


@dataclass(frozen=True)
class Shape:
    """Sizes of a workload: `texts` relevant to each of `items` by item, or both sides by class.

    `closeness` is the mean cosine of a relevant pair in the standard deviations of an irrelevant pair.
    """

    images: int
    texts: int
    items: int
    dim: int
    closeness: float
    both: bool = True
    k: int = 10

    def small(self) -> "Shape":
        """A shape of the same kind with 200 images, to warm up on."""
        shrink = max(1, self.images // 200)
        items = max(1, self.items // shrink)
        return replace(self, images=self.images // shrink, texts=self.texts // shrink, items=items)


SHAPES = {
    "flickr_1k": Shape(images=1000, texts=5000, items=1000, dim=512, closeness=2.6),
    "coco_5k": Shape(images=5000, texts=25_000, items=5000, dim=512, closeness=3.0),
    "classes_100k": Shape(
        images=100_000, texts=100_000, items=1000, dim=128, closeness=2.0, both=False, k=100
    ),
}


def chosen_shape(name: str, *, dim: int | None = None) -> Shape:
    """The shape of that name, in `dim` dimensions if given. Raises `ConfigError` for an unknown name."""
    if name not in SHAPES:
        raise ConfigError(f"unknown shape '{name}'; {did_you_mean(name, SHAPES)}")
    check_whole(2, dim=SHAPES[name].dim if dim is None else dim)
    return SHAPES[name] if dim is None else replace(SHAPES[name], dim=dim)


def make_workload(shape: Shape, *, seed: int = 0) -> Workload:
    """Embeddings of a shape, the same for the same seed; recall@1 is about 40 % over all directions.

    Each row is a mixture of its item's direction and noise, weighted so that the cosines of relevant pairs
    stand `closeness` standard deviations above those of others.
    """
    random = torch.Generator().manual_seed(seed)
    centres = normalize(torch.randn(shape.items, shape.dim, generator=random))
    # the shares of the centre in both rows of a pair multiply to their mean cosine
    share = min((shape.closeness / shape.dim**0.5) ** 0.5, 0.99)

    def rows(count: int) -> tuple[Tensor, np.ndarray]:
        item = np.arange(count) * shape.items // count
        noise = normalize(torch.randn(count, shape.dim, generator=random))
        return normalize(share * centres[item] + (1 - share**2) ** 0.5 * noise), item

    image, image_item = rows(shape.images)
    text, text_item = rows(shape.texts)
    return Workload(image, text, image_item, text_item, both=shape.both, k=shape.k)
