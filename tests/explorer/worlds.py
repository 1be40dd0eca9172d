"""A small world for the explorer: coloured pictures with texts, and a model that can be told by hand."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import torch
import uvicorn
from PIL import Image

from xmr.core.errors import ConfigError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.protocol import Protocol
from xmr.explorer.app import create_app
from xmr.explorer.content import Content, Direction, Rows
from xmr.explorer.safety import Access
from xmr.explorer.service import Explorer
from xmr.explorer.sources import About, Source

COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 220),
    "yellow": (230, 220, 30),
    "white": (250, 250, 250),
    "black": (5, 5, 5),
}
LABELS = {"red": "warm/red", "yellow": "warm/yellow", "green": "cold/green", "blue": "cold/blue"}


class ColourEncoder:
    """A picture is its mean colour, a text the mean of the colours that it names, both centred."""

    def __init__(self, *, composes: bool = False, noise: float = 0.0) -> None:
        self.composes, self.noise, self.calls = composes, noise, 0

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        return np.stack([self._unit(self._named(text)) for text in texts])

    def encode_image(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.calls += 1
        return np.stack([self._unit(np.asarray(image, np.float64).mean((0, 1))[:3]) for image in images])

    def encode_composed(self, images: Sequence[Image.Image], texts: Sequence[str]) -> np.ndarray:
        if not self.composes:
            raise ConfigError("this model embeds images and texts, not both as one query")
        return self.encode_text(texts)

    def _named(self, text: str) -> np.ndarray:
        named = [COLOURS[word] for word in text.split() if word in COLOURS]
        return np.mean(named or [(len(text), 100, 50)], axis=0)

    def _unit(self, colour: np.ndarray) -> np.ndarray:
        centred = np.append(np.asarray(colour, np.float64) - 127, [20, self.noise])
        return (centred / np.linalg.norm(centred)).astype(np.float32)


class World:
    """A loader of `count` pictures, two texts each, embedded by a `ColourEncoder`."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "colours",
        count: int = 24,
        noise: float = 0.0,
        composes: bool = False,
    ) -> None:
        self.encoder, self.loads = ColourEncoder(noise=noise, composes=composes), 0
        self.count = count
        self.about = About(
            id=name,
            name=name,
            title=f"{name} · tiny",
            kind="run",
            where=f"runs/{name}",
            folder=folder / name,
            checkpoint="best.ckpt",
            split="val",
            data="colours",
            dim=5,
            among=(Modality.IMAGE, Modality.TEXT),
            takes=("text", "picture", "both"),
            composes=composes,
            directions=("image_to_text", "text_to_image"),
        )

    def picture(self, key: str) -> Image.Image:
        number, colour = int(key.partition("/")[0]), key.partition("/")[2]
        drawn = Image.new("RGB", (60, 40), COLOURS[colour])
        drawn.paste((number * 9 % 255, 90, 120), (0, 0, 6 + number, 10))
        return drawn

    def load(self) -> Content:
        self.loads += 1
        names = [list(COLOURS)[n % len(COLOURS)] for n in range(self.count)]
        keys = np.array([f"{n}/{name}" for n, name in enumerate(names)], object)
        ids = np.array([f"p/{n}&x=1" for n in range(self.count)])
        labels = np.array([LABELS.get(name, "") for name in names], object)
        texts = [f"a {name} picture" for name in names] + [
            f"{name} number {n}" for n, name in enumerate(names)
        ]
        image = Embeddings(
            torch.from_numpy(self.encoder.encode_image([self.picture(key) for key in keys])),
            ids,
            ids,
            Modality.IMAGE,
        )
        text_ids = np.array([f"{id_}#{part}" for part in (0, 1) for id_ in ids])
        text = Embeddings(
            torch.from_numpy(self.encoder.encode_text(texts)), text_ids, np.tile(ids, 2), Modality.TEXT
        )
        first = np.array(texts[: self.count], object)
        both = np.arange(self.count), np.arange(2 * self.count)
        return Content(
            rows={
                Modality.IMAGE: Rows(image, labels, first, ids.astype(object), keys),
                Modality.TEXT: Rows(
                    text, np.tile(labels, 2), np.array(texts, object), np.tile(ids, 2).astype(object)
                ),
            },
            searched={Modality.IMAGE: both[0], Modality.TEXT: both[1]},
            directions={
                "image_to_text": Direction(Modality.IMAGE, both[0], Modality.TEXT, Protocol()),
                "text_to_image": Direction(Modality.TEXT, both[1], Modality.IMAGE, Protocol()),
            },
            read_image=self.picture,
            name="colours",
            data="colours-1",
            vectors=f"{self.about.name}-{self.encoder.noise}-{self.count}",
            relevance="item",
        )

    def load_encoder(self) -> ColourEncoder:
        return self.encoder


def explorer_of(*worlds: World) -> Explorer:
    return Explorer([Source(world) for world in worlds])


class Served:
    """An explorer behind a real server on a socket, and clients that know its token."""

    def __init__(self, explorer: Explorer) -> None:
        import socket

        self.explorer = explorer
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.access = Access(self.socket.getsockname()[1])
        config = uvicorn.Config(
            create_app(explorer, self.access),
            log_level="error",
            access_log=False,
            ws="none",
            server_header=False,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.access.port}"

    def client(self, **headers: str) -> httpx.Client:
        """A script's client; `headers` come on top of the token."""
        own = {"Authorization": f"Bearer {self.access.token}", **headers}
        return httpx.Client(base_url=self.base, headers=own, trust_env=False, timeout=60)

    def stranger(self, **headers: str) -> httpx.Client:
        """A client without the token."""
        return httpx.Client(base_url=self.base, headers=headers, trust_env=False, timeout=60)


@contextmanager
def served(explorer: Explorer) -> Iterator[Served]:
    running = Served(explorer)
    running.thread.start()
    while not running.server.started:
        time.sleep(0.01)
    try:
        yield running
    finally:
        running.server.should_exit = True
        running.thread.join(20)
        assert not running.thread.is_alive()
