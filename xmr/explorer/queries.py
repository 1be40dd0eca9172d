"""Queries: what a user typed, uploaded or clicked, made into a vector of each model."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from xmr.core.errors import ConfigError, XmrError
from xmr.core.types import Modality
from xmr.explorer.content import Rows
from xmr.explorer.pictures import Uploads
from xmr.explorer.problems import NotFoundError, kind_of
from xmr.explorer.sources import Source, source_named

LONGEST_TEXT = 2000
SUM = "the query is the sum of both embeddings at unit length: this model does not compose them"
MEAN = "the query is the mean of both embeddings: this model does not compose them"


@dataclass(frozen=True)
class EntryName:
    """Something that a source embedded."""

    source: str
    modality: Literal["image", "text", "composed"]
    id: str


@dataclass(frozen=True)
class Query:
    """A text, a picture (an upload, or an image entry), a picture with a text, or any entry."""

    text: str | None = None
    upload: str | None = None
    entry: EntryName | None = None


@dataclass(frozen=True, eq=False)
class Asked:
    """A query apart from any model: its words, its picture, and the entry that it is or starts from.

    `row` is where the entry stands in `rows` of `source`; `whole` tells that the entry alone is the query.
    """

    text: str | None
    upload: str | None
    source: Source | None = None
    rows: Rows | None = None
    row: int = 0
    whole: bool = False

    @property
    def picture_id(self) -> str:
        """The image of the entry, "" for none."""
        return "" if self.rows is None else str(self.rows.pictures[self.row])

    @property
    def modality(self) -> Modality | None:
        """That of the entry."""
        return None if self.rows is None else self.rows.embeddings.modality

    @property
    def id(self) -> str:
        """The id of the entry, "" for none."""
        return "" if self.rows is None else str(self.rows.embeddings.ids[self.row])

    @property
    def shows_picture(self) -> bool:
        """Whether a picture is part of the query."""
        return self.upload is not None or self.modality in (Modality.IMAGE, Modality.COMPOSED)

    def own_ids(self, among: Modality) -> set[str]:
        """What of `among` the query consists of: ids that are no results. Images and texts may share ids."""
        own = {self.id} if self.modality is among else set()
        if among is Modality.IMAGE and self.shows_picture:
            own.add(self.picture_id)
        return own - {""}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A query as a vector (D,), the milliseconds it took, whether it was there already, and a remark."""

    vector: np.ndarray
    milliseconds: float = 0.0
    cached: bool = True
    note: str | None = None


def asked(query: Query, sources: Mapping[str, Source]) -> Asked:
    """What `query` means; raises `ConfigError` for one that is none, `NotFoundError` for unknown ids."""
    text = query.text.strip() if query.text is not None else None
    if text is not None and len(text) > LONGEST_TEXT:
        raise ConfigError(f"the text has {len(text):,} characters; use at most {LONGEST_TEXT:,}")
    if query.upload is not None and query.entry is not None:
        raise ConfigError("a query starts from an upload or from an entry, not from both")
    if not text and query.upload is None and query.entry is None:
        raise ConfigError("the query is empty; type what to look for, or give a picture")
    if query.entry is None:
        return Asked(text or None, query.upload)
    name = query.entry
    if text and name.modality != "image":
        raise ConfigError("a text goes with a picture; this query would be two texts")
    source = source_named(sources, name.source)
    rows, row = source.row(Modality(name.modality), name.id)
    own = None if name.modality == "image" else rows.texts[row]
    return Asked(text or own, None, source, rows, row, whole=not text)


def encoded(question: Asked, source: Source, uploads: Uploads) -> Encoded:
    """The vector of a query by the model of `source`; an entry that it embedded itself is not embedded again.

    Raises `XmrError` for what the model does not take.
    """
    if question.whole and (vector := _stored(question, source)) is not None:
        return Encoded(vector)
    data = question.source.content.data if question.source else None
    key = (question.text, question.upload, question.modality, question.picture_id, data)
    if (vector := source.encoded.get(key)) is not None:
        return Encoded(vector, note=_note(question, source))
    encoder = source.encoder
    picture = picture_of(question, uploads) if question.shows_picture else None
    started = time.perf_counter()
    vector = _vector(question.text, picture, source, encoder)
    milliseconds = 1000 * (time.perf_counter() - started)
    if not np.isfinite(vector).all():
        raise ConfigError(f"{source.about.title} embeds this query to NaN; look for a diverged run")
    source.encoded.put(key, vector)
    return Encoded(vector, milliseconds, False, _note(question, source))


def is_known(question: Asked, source: Source) -> bool:
    """Whether the model of `source` is not needed: it embedded the entry that is the query."""
    return question.whole and _stored(question, source) is not None


def _stored(question: Asked, source: Source) -> np.ndarray | None:
    """The vector of an entry that `source` embedded itself, or its twin in the same data."""
    if question.source is None or question.source.content.data != source.content.data:
        return None
    rows = source.content.rows.get(Modality(str(question.modality)))
    row = None if rows is None else rows.positions.get(question.id)
    if rows is None or row is None:
        return None
    return rows.embeddings.vectors[row].detach().cpu().float().numpy()


def picture_of(question: Asked, uploads: Uploads) -> Image.Image:
    """The picture of a query; raises `NotFoundError` where it has none, or an upload is forgotten."""
    if question.upload is not None:
        return uploads.picture(question.upload)
    if question.source is None or not question.picture_id:
        raise NotFoundError("the query has no picture")
    return question.source.picture(question.picture_id)


def _vector(text: str | None, picture: Image.Image | None, source: Source, encoder: Any) -> np.ndarray:
    if text and picture is not None and encoder.composes:
        vector = encoder.encode_composed([picture], [text])[0]
    else:
        parts = [encoder.encode_text([text])[0]] if text else []
        parts += [encoder.encode_image([picture])[0]] if picture is not None else []
        vector = np.mean(parts, axis=0)
        if source.content.metric == "ip":
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
    thresholds = source.content.thresholds
    return np.asarray(vector if thresholds is None else vector - thresholds, np.float32)


def _note(question: Asked, source: Source) -> str | None:
    if not (question.text and question.shows_picture) or source.about.composes:
        return None
    return SUM if source.content.metric == "ip" else MEAN


def entry_json(source: Source, modality: Modality, rows: Rows, row: int) -> dict[str, Any]:
    """What the page shows of an entry: an `Entry` of the API."""
    id_ = str(rows.embeddings.ids[row])
    picture = str(rows.pictures[row])
    text = rows.texts[row]
    return {
        "source": source.about.id,
        "modality": str(modality),
        "id": id_,
        "key": f"{source.content.data}:{modality}:{id_}",
        "item_id": str(rows.embeddings.item_ids[row]),
        "label": str(rows.labels[row]),
        "text": None if text is None else str(text),
        "picture": picture_url(source.about.id, picture) if picture else None,
    }


def picture_url(source: str, image_id: str) -> str:
    """Where the picture is served; ids may hold any character."""
    return "/api/picture?" + urlencode({"source": source, "id": image_id})


def query_json(question: Asked) -> dict[str, Any]:
    """What the page shows of a query."""
    entry, picture = None, None
    if question.source is not None and question.rows is not None and question.modality is not None:
        entry = entry_json(question.source, question.modality, question.rows, question.row)
        picture = entry["picture"] if question.shows_picture else None
    if question.upload is not None:
        picture = f"/api/uploads/{question.upload}"
    words = [question.text or ""]
    if question.shows_picture:
        words.insert(0, "an uploaded picture" if question.upload else f"picture {question.picture_id}")
    description = " + ".join(filter(None, words))
    return {"description": description, "text": question.text, "picture": picture, "entry": entry}


def problem_json(error: XmrError) -> dict[str, str]:
    """An error of one column."""
    return {"kind": kind_of(error)[0], "message": str(error)}
