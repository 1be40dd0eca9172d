"""Sources: what is searched, a model with all that it embedded, loaded when it is first asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image

from xmr.core.errors import ConfigError, DataError, XmrError, did_you_mean
from xmr.core.protocols import Index
from xmr.core.types import Modality
from xmr.explorer.content import Content, Rows
from xmr.explorer.gallery import SAVED, Gallery
from xmr.explorer.once import Once
from xmr.explorer.problems import NotFoundError
from xmr.explorer.recent import Recent

State = Literal["idle", "loading", "ready", "failed"]
Part = Literal["vectors", "model"]
ENCODED = 256
"""Vectors of queries that a source remembers."""


class Encoder(Protocol):
    """Embeds what a user types or shows; raises `XmrError` for what the model does not take."""

    @property
    def composes(self) -> bool:
        """Whether a picture and a text are one query of the model."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """N texts -> (N, D) float32."""

    def encode_image(self, images: Sequence[Image.Image]) -> np.ndarray:
        """N pictures -> (N, D) float32."""

    def encode_composed(self, images: Sequence[Image.Image], texts: Sequence[str]) -> np.ndarray:
        """N pictures with a text each -> (N, D) float32."""


@dataclass(frozen=True)
class SavedIndex:
    """An index that was built before, of a source's vectors of `modality`: what it is, in words for people.

    `open` checks and loads it, or raises `XmrError`. `error` tells why it can't be searched, None where
    nothing is known against it.
    """

    name: str
    open: Callable[[], Index]
    modality: Modality | None = None
    about: str = ""
    error: str | None = None


@dataclass(frozen=True)
class About:
    """What is known of a source before anything is loaded.

    `id` is the same at every start. `folder` is where maps are kept, `run` the run folder (None for a
    store); `settings` are for people to read.
    """

    id: str
    name: str
    title: str
    kind: Literal["run", "store"]
    where: str
    folder: Path
    checkpoint: str | None
    split: str
    data: str
    dim: int | None
    among: tuple[Modality, ...]
    takes: tuple[str, ...]
    composes: bool
    directions: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    run: Path | None = None
    indexes: tuple[SavedIndex, ...] = ()


class Loader(Protocol):
    """Knows a source on the disk; `load` and `load_encoder` may take minutes and raise `XmrError`."""

    @property
    def about(self) -> About:
        """What is known before loading."""

    def load(self) -> Content:
        """The vectors and what they are of."""

    def load_encoder(self) -> Encoder:
        """The model."""


class Source:
    """What a loader loads, once, when it is first asked for; all who ask meanwhile wait for it."""

    def __init__(self, loader: Loader) -> None:
        self.about = loader.about
        self.encoded: Recent[np.ndarray] = Recent(ENCODED)
        self._loader = loader
        self._content: Content | None = None
        self._loads: Once[Any] = Once()
        self._galleries: Once[Gallery] = Once()
        self._loading, self._counting = 0, Lock()
        self._errors: dict[Part, str] = {}
        self._index_errors: dict[str, str] = {}

    @property
    def error(self) -> str | None:
        """Why the vectors or else the model could not be loaded, None where nothing has failed."""
        return self._errors.get("vectors") or self._errors.get("model")

    @property
    def state(self) -> State:
        """How far it is; asking loads nothing."""
        if self._loading:
            return "loading"
        return "ready" if self._content is not None else "failed" if self.error else "idle"

    @property
    def loaded(self) -> Content | None:
        """The content, if it is there already."""
        return self._content

    @property
    def content(self) -> Content:
        """The vectors and what they are of; raises `XmrError` when they can't be loaded."""
        return self._loads("vectors", lambda: self._load("vectors", self._loader.load))

    @property
    def encoder(self) -> Encoder:
        """The model; raises `XmrError` when it can't be loaded."""
        return self._loads("model", lambda: self._load("model", self._loader.load_encoder))

    def gallery(self, modality: Modality) -> Gallery:
        """What is searched among `modality`; raises `NotFoundError` where that is nothing."""
        content = self.content
        if modality not in content.searched:
            has = " and ".join(f"{name}s" for name in content.searched)
            raise NotFoundError(f"{self.about.title} searches among {has} alone, not among {modality}s")
        return self._galleries(modality, lambda: self._gallery(content, modality))

    def _gallery(self, content: Content, modality: Modality) -> Gallery:
        saved = {
            f"{SAVED}{index.name}": partial(self._opened, index, modality) for index in self.about.indexes
        }
        rows = content.rows[modality].take(content.searched[modality])
        return Gallery(rows, metric=content.metric, saved=saved)

    def index_error(self, index: SavedIndex) -> str | None:
        """Why a saved index can't be searched, as far as that is known."""
        return index.error or self._index_errors.get(index.name)

    def _opened(self, index: SavedIndex, modality: Modality) -> Index:
        """The saved index, loaded, for a search among `modality`; what is wrong with it is remembered."""
        if index.error is not None:
            raise DataError(index.error)
        if index.modality is not modality:
            raise ConfigError(
                f"the index '{index.name}' is of {index.modality} vectors; search among {index.modality}s, "
                f"or choose another index"
            )
        self._index_errors.pop(index.name, None)
        try:
            return index.open()
        except XmrError as error:
            self._index_errors[index.name] = str(error)
            raise

    def row(self, modality: Modality, id_: str) -> tuple[Rows, int]:
        """The rows of `modality` and where `id_` stands in them; raises `NotFoundError`."""
        rows = self.content.rows.get(modality)
        if rows is None or id_ not in rows.positions:
            raise NotFoundError(f"{self.about.title} has no {modality} with the id '{id_}'")
        return rows, rows.positions[id_]

    def picture(self, image_id: str) -> Image.Image:
        """The image of that id; raises `NotFoundError`, and `DataError` when its file is gone."""
        rows, row = self.row(Modality.IMAGE, image_id)
        if rows.keys is None:
            raise NotFoundError(f"{self.about.title} does not know where its pictures are")
        return self.content.read_image(str(rows.keys[row]))

    def _load(self, part: Part, load: Callable[[], Any]) -> Any:
        """What `load` loads; meanwhile the state is "loading", of both parts at once, too."""
        with self._counting:
            self._loading += 1
        try:
            loaded = load()
            self._errors.pop(part, None)
            if part == "vectors":
                self._content = loaded
            return loaded
        except XmrError as error:
            self._errors[part] = str(error)
            raise
        finally:
            with self._counting:
                self._loading -= 1


def source_named(sources: Mapping[str, Source], id_: str) -> Source:
    """The source of that id; raises `NotFoundError` with the nearest known one."""
    if id_ not in sources:
        raise NotFoundError(f"no source '{id_}' is open; {did_you_mean(id_, sources)}")
    return sources[id_]
