"""A source of the explorer: an embedding store."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import OmegaConf
from PIL import Image

from xmr.core.errors import DataError
from xmr.core.types import Modality
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.protocols import ready_protocol
from xmr.explorer.content import Content, Direction, Rows
from xmr.explorer.sources import About
from xmr.index.store import EmbeddingStore
from xmr.pipelines.explore.about import (
    BOTH,
    DIRECTIONS,
    captions,
    objects,
    settings_of,
    slug,
    takes_of,
)
from xmr.pipelines.explore.indexes import saved_indexes
from xmr.pipelines.instantiate import instantiate, target_class

if TYPE_CHECKING:
    from xmr.pipelines.encoding import QueryEncoder


class StoreSource:
    """An embedding store: its vectors need neither model nor data, encoding a query and pictures do."""

    def __init__(self, store: EmbeddingStore, *, split: str | None, where: str) -> None:
        self._store, self._split = store, split
        manifest = store.manifest
        config = OmegaConf.create(manifest.model.config)
        model = target_class(config.model)
        among = tuple(Modality(name) for name in manifest.counts())
        splits = [split] if split else manifest.data.splits
        self.about = About(
            id=slug("-".join([store.folder.name, *([split] if split else [])])),
            name=store.folder.name,
            title=" · ".join([store.folder.name, "store", *([split] if split else [])]),
            kind="store",
            where=where,
            folder=store.folder / "explorer",
            checkpoint=Path(manifest.model.checkpoint).name,
            split=", ".join(splits),
            data=manifest.data.name,
            dim=manifest.dim,
            among=among,
            takes=takes_of(model),
            composes=Modality.COMPOSED in model.SIDES,
            directions=DIRECTIONS[BOTH] if set(among) == set(BOTH) else (),
            settings={**settings_of(config), "stored as": manifest.dtype},
            indexes=saved_indexes(store, split),
        )

    def load_encoder(self) -> "QueryEncoder":
        """The model that made the vectors; raises `XmrError` when it is gone or another."""
        # importing Lightning takes seconds, which the first page need not wait for
        from xmr.pipelines.encoding import QueryEncoder
        from xmr.pipelines.search import load_model

        return QueryEncoder(load_model(self._store).module.model)

    def load(self) -> Content:
        """The vectors, checked and memory-mapped; raises `DataError` where none is of the split."""
        store, metadata = self._store, self._store.metadata
        kept = metadata["split"] == self._split if self._split else np.ones(len(store), bool)
        rows: dict[Modality, Rows] = {}
        image_of: dict[str, str] = {}
        for modality in sorted(self.about.among):  # images first: texts show theirs
            of = metadata["modality"] == modality
            chosen = np.flatnonzero(kept[of])
            columns = {name: values[of][chosen] for name, values in metadata.items()}
            if not len(chosen):
                held = ", ".join(store.manifest.data.splits)
                raise DataError(f"{store.folder} holds no {modality}s of split={self._split}, but of {held}")
            if modality is Modality.IMAGE:
                image_of = dict(zip(columns["item_id"], columns["id"], strict=True))
                pictures, keys = columns["id"], columns["image_path"]
            else:
                shown = columns["image_path"] != ""
                pictures = np.where(shown, [image_of.get(item, "") for item in columns["item_id"]], "")
                keys = None
            embeddings = (
                store.searchable(modality).take(chosen) if self._split else store.searchable(modality)
            )
            texts = captions(columns["caption"])
            rows[modality] = Rows(embeddings, columns["label"], texts, objects(pictures), keys)
        protocol = replace(_protocol(store), data=store.manifest.data.name, split=self.about.split)
        return Content(
            rows=rows,
            searched={modality: np.arange(len(of)) for modality, of in rows.items()},
            directions=_store_directions(rows, protocol),
            read_image=self._read_image,
            name=store.manifest.data.name,
            data=store.manifest.data.fingerprint,
            vectors="-".join(store.manifest.vectors_fingerprint(m) for m in rows),
            relevance=None,
            metric="l2" if protocol.similarity == "l2" else "ip",
            thresholds=store.thresholds,
        )

    @cached_property
    def _reader(self) -> Any:
        return instantiate(OmegaConf.create(self._store.manifest.data.config)).read_image

    def _read_image(self, key: str) -> Image.Image:
        if not key:
            raise DataError(f"{self._store.folder} does not know the picture of this entry")
        return self._reader(key)


def _store_directions(rows: Mapping[Modality, Rows], protocol: Protocol) -> dict[str, Direction]:
    if set(rows) != set(BOTH):
        return {}
    image, text = BOTH
    return {
        "image_to_text": Direction(image, np.arange(len(rows[image])), text, protocol),
        "text_to_image": Direction(text, np.arange(len(rows[text])), image, protocol),
    }


def _protocol(store: EmbeddingStore) -> Protocol:
    """The protocol by which the store's model is compared: its similarity is what matters here."""
    settings = store.manifest.model.config.get("evaluation") or {}
    protocol = ready_protocol(settings["protocol"]) if settings.get("protocol") else Protocol()
    return Protocol(similarity=settings.get("similarity") or protocol.similarity)
