"""Pictures of coloured shapes with texts, and made-up models that embed them: pages are tested on these."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.protocol import Protocol
from xmr.explorer.content import Content, Direction, Rows
from xmr.explorer.sources import About, Source

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 200, 40),
    "purple": (130, 50, 180),
    "grey": (130, 130, 130),
}
FORMS = {
    "circle": "round/circle",
    "ring": "round/ring",
    "square": "angular/square",
    "triangle": "angular/triangle",
}
SIZES = {"small": 0.25, "large": 0.42}
WORDS = [*COLOURS, *FORMS, *SIZES]
TRICKY = '<img src=x onerror="alert(1)"> & a <b>large</b> grey triangle'
"""A caption of the last picture: a page that took it for markup would show an image and bold text."""


@dataclass(frozen=True)
class Shape:
    """A picture that is fully told by three words."""

    colour: str
    form: str
    size: str

    @property
    def id(self) -> str:
        """As a data set would name its file."""
        return f"{self.size}-{self.colour}-{self.form}"

    @property
    def captions(self) -> tuple[str, str]:
        """Two texts that describe it."""
        if self == SHAPES[-1]:
            return f"a {self.size} {self.colour} {self.form}", TRICKY
        return f"a {self.size} {self.colour} {self.form}", f"{self.colour} {self.form}, {self.size}"

    def draw(self) -> Image.Image:
        """The picture, 96 x 96."""
        image = Image.new("RGB", (96, 96), "white")
        pen, radius = ImageDraw.Draw(image), 96 * SIZES[self.size]
        box = (48 - radius, 48 - radius, 48 + radius, 48 + radius)
        if self.form == "circle":
            pen.ellipse(box, fill=COLOURS[self.colour])
        elif self.form == "ring":
            pen.ellipse(box, outline=COLOURS[self.colour], width=9)
        elif self.form == "square":
            pen.rectangle(box, fill=COLOURS[self.colour])
        else:
            pen.regular_polygon((48, 48, radius), 3, fill=COLOURS[self.colour])
        return image


SHAPES = [Shape(*words) for words in product(COLOURS, FORMS, SIZES)]
PICTURES = {shape.id: shape for shape in SHAPES}


class Eye:
    """A model that sees colours, forms and sizes, each as clearly as `weights` say."""

    composes = False

    def __init__(self, weights: tuple[float, float, float], noise: float, seed: int) -> None:
        sizes = (len(COLOURS), len(FORMS), len(SIZES))
        self._weights = np.repeat(weights, sizes)
        self._noise, self._seed = noise, seed

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """The words that it knows, (N, 12)."""
        return self._unit(np.array([[word in text for word in WORDS] for text in texts], float))

    def encode_image(self, images: Sequence[Image.Image]) -> np.ndarray:
        """The colour in the middle, (N, 12): forms of unknown pictures it does not see."""
        seen = np.zeros((len(images), len(WORDS)))
        palette = np.array(list(COLOURS.values()))
        for row, image in enumerate(images):
            middle = np.array(image.convert("RGB").getpixel((image.width // 2, image.height // 2)))
            seen[row, np.abs(palette - middle).sum(axis=1).argmin()] = 1
        return self._unit(seen)

    def encode_composed(self, images: Sequence[Image.Image], texts: Sequence[str]) -> np.ndarray:
        """It does not compose."""
        raise DataError("this model takes a picture or a text, not both as one query")

    def known(self, shapes: Sequence[Shape]) -> np.ndarray:
        """Pictures of its gallery, (N, 12), seen with some noise."""
        told = [[word in (shape.colour, shape.form, shape.size) for word in WORDS] for shape in shapes]
        noise = np.random.default_rng(self._seed).normal(0, self._noise, (len(shapes), len(WORDS)))
        return self._unit(np.array(told, float) + noise)

    def _unit(self, seen: np.ndarray) -> np.ndarray:
        vectors = seen * self._weights + 1e-3
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class Shapes:
    """A source of all shapes, embedded by an `Eye`; without an eye for queries it is a bare store."""

    def __init__(self, folder: Path, name: str, eye: Eye, *, encodes: bool = True) -> None:
        self._eye, self._encodes = eye, encodes
        self.about = About(
            id=f"{name}-1a2b3c",
            name=name,
            title=f"{name} · 1a2b3c",
            kind="run" if encodes else "store",
            where=f"runs/{name}/20260102-030405-1a2b3c",
            folder=folder / name,
            checkpoint="best.ckpt" if encodes else None,
            split="val",
            data="shapes",
            dim=len(WORDS),
            among=(Modality.IMAGE, Modality.TEXT),
            takes=("text", "picture", "both") if encodes else (),
            composes=False,
            directions=("image_to_text", "text_to_image"),
            settings={"loss": "InfoNCE", "dim": len(WORDS)},
        )

    def load_encoder(self) -> Eye:
        """The eye."""
        if not self._encodes:
            raise DataError(f"{self.about.title} has no encoder: use one of its entries as the query")
        return self._eye

    def load(self) -> Content:
        """Images and captions with their vectors."""
        captions = [(shape, n, text) for shape in SHAPES for n, text in enumerate(shape.captions)]
        image_ids = [shape.id for shape in SHAPES]
        owners = [shape.id for shape, _, _ in captions]
        images = Rows(
            _embeddings(self._eye.known(SHAPES), image_ids, image_ids, Modality.IMAGE),
            np.array([FORMS[shape.form] for shape in SHAPES]),
            np.array([shape.captions[0] for shape in SHAPES], object),
            np.array(image_ids, object),
            np.array(image_ids),
        )
        text_ids = [f"{shape.id}#{n}" for shape, n, _ in captions]
        vectors = self._eye.encode_text([text for _, _, text in captions])
        texts = Rows(
            _embeddings(vectors, text_ids, owners, Modality.TEXT),
            np.array([FORMS[shape.form] for shape, _, _ in captions]),
            np.array([text for _, _, text in captions], object),
            np.array(owners, object),
        )
        protocol = Protocol(data="shapes", split="val")
        every = {Modality.IMAGE: np.arange(len(images)), Modality.TEXT: np.arange(len(texts))}
        return Content(
            rows={Modality.IMAGE: images, Modality.TEXT: texts},
            searched=every,
            directions={
                "text_to_image": Direction(Modality.TEXT, every[Modality.TEXT], Modality.IMAGE, protocol),
                "image_to_text": Direction(Modality.IMAGE, every[Modality.IMAGE], Modality.TEXT, protocol),
            },
            read_image=lambda key: PICTURES[key].draw(),
            name="shapes",
            data="shapes-1",
            vectors=self.about.id,
            relevance="item",
        )


def _embeddings(vectors: np.ndarray, ids: list[str], items: list[str], modality: Modality) -> Embeddings:
    return Embeddings(torch.from_numpy(vectors), np.array(ids), np.array(items), modality)


def made_sources(folder: Path) -> list[Source]:
    """Three sources of the same 48 pictures and 96 captions: two models, and a store without an encoder."""
    return [
        Source(Shapes(folder, "colours", Eye((2, 1, 0.7), 0.15, seed=1))),
        Source(Shapes(folder, "forms", Eye((1, 2, 0.7), 0.35, seed=2))),
        Source(Shapes(folder, "stored", Eye((1, 1, 1), 0.1, seed=3), encodes=False)),
    ]
