"""A finished run in Python: encode, search, look at metrics and panels."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from xmr.core.errors import ConfigError
from xmr.core.protocols import Index
from xmr.core.types import Embeddings, Modality
from xmr.pipelines.build import Components
from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.early_checks import checkpoint_path
from xmr.pipelines.encoding import Picture, QueryEncoder
from xmr.pipelines.evaluate import restore
from xmr.pipelines.run_folder import RunFolder
from xmr.pipelines.scoring import index_of, plan_of


@dataclass(frozen=True)
class Hit:
    """One image or text found: its id, its cosine similarity in [-1, 1], and what it is."""

    id: str
    score: float
    image: Image.Image | None = None
    text: str | None = None


class LoadedRun:
    """A trained model with the data it was trained on.

    `split` ("val" by default) is what `search` looks through.
    """

    def __init__(self, components: Components, folder: RunFolder, *, split: str = "val") -> None:
        self.folder = folder.path
        self.dataset = components.dataset
        self.split = components.dataset.split(split)
        self._components = components
        self._run = folder
        self._encoder = QueryEncoder(components.module.model)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What the model embeds: images, texts, and where it composes queries, both as one."""
        model = self._components.module.model
        return (*model.modalities(), *([Modality.COMPOSED] if self._encoder.composes else []))

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics of the run, by `image_to_text/recall@1`..."""
        return self._run.load_results()["metrics"]

    @property
    def results(self) -> dict[str, Any]:
        """All that results.json holds: protocol, metrics, chance, cost..."""
        return self._run.load_results()

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of metrics.csv, as numbers; a row has the metrics of its step alone."""
        with self._run.metrics_file.open(newline="", encoding="utf-8") as file:
            return [
                {name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)
            ]

    @property
    def panels(self) -> dict[str, Path]:
        """The pictures of the run, by name."""
        return {path.stem: path for path in sorted(self._run.panels.glob("*.png"))}

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """N texts -> unit-norm embeddings (N, D), float32."""
        return self._encoder.encode_text(texts)

    def encode_image(self, images: Sequence[Picture]) -> np.ndarray:
        """N pictures, or paths of them, -> unit-norm embeddings (N, D), float32."""
        return self._encoder.encode_image(images)

    def encode_composed(self, images: Sequence[Picture], texts: Sequence[str]) -> np.ndarray:
        """N pictures with a text each -> unit-norm embeddings (N, D), by a model of composed queries."""
        return self._encoder.encode_composed(images, texts)

    def search(
        self,
        *,
        text: str | None = None,
        image: Picture | None = None,
        k: int = 10,
        among: str = "image",
    ) -> list[Hit]:
        """The `k` images (`among="text"`: texts) of the split that are nearest to a text or a picture.

        A model of composed queries takes both: the images that the text makes of the picture.
        """
        modalities = self._components.module.model.modalities()
        if among not in modalities:
            raise ConfigError(f"among='{among}'; this model's search looks among {', '.join(modalities)}")
        if text is not None and image is not None:
            vectors = self.encode_composed([image], [text])
        elif text is not None:
            vectors = self.encode_text([text])
        elif image is not None:
            vectors = self.encode_image([image])
        else:
            raise ConfigError("search takes a text or an image: give one of them")
        query = Embeddings(
            torch.from_numpy(vectors), np.array(["query"]), np.array(["query"]), Modality(among)
        )
        index = self._indexes[Modality(among)]
        found = index.search(query, k=k)
        return [
            self._hit(among, str(i), float(s))
            for i, s in zip(found.gallery_ids[0], found.scores[0], strict=True)
        ]

    def _hit(self, among: str, id_: str, score: float) -> Hit:
        if among == "text":
            return Hit(id_, score, text=self._texts[id_])
        return Hit(id_, score, image=self.dataset.read_image(self._keys[id_]))

    @cached_property
    def _keys(self) -> dict[str, str]:
        return dict(zip(self.split.image_ids.tolist(), self.split.image_keys.tolist(), strict=True))

    @cached_property
    def _texts(self) -> dict[str, str]:
        return dict(zip(self.split.text_ids.tolist(), self.split.texts, strict=True))

    @cached_property
    def _indexes(self) -> dict[Modality, Index]:
        split, modalities = self.split, self._components.module.model.modalities()
        ids = {
            Modality.IMAGE: (split.image_ids, split.image_item_ids),
            Modality.TEXT: (split.text_ids, split.text_item_ids),
        }
        indexes, plan = {}, plan_of(self._components, split.name)
        for modality, source in self._components.sources(split, modalities).items():
            chunks = np.array_split(np.arange(len(source)), range(256, len(source), 256))
            with torch.inference_mode():
                vectors = [self._components.module.embed(modality, source.fetch(rows)) for rows in chunks]
            index = index_of(self._components.config, plan)
            index.add(Embeddings(torch.cat(vectors), *ids[modality], modality))
            indexes[modality] = index
        return indexes


def load(run: str | Path, *, split: str = "val", overrides: Sequence[str] = ()) -> LoadedRun:
    """Load the best checkpoint of a run folder (or a checkpoint file), on the CPU.

    `overrides` change settings of the run (`data.path=elsewhere.csv`).

    Raises `XmrError` when there is none, or when the frozen encoders at hand are not those of the run.
    """
    register_resolvers()
    path = checkpoint_path(run)
    components, _ = restore(path, ["trainer.accelerator=cpu", *overrides])
    return LoadedRun(components, RunFolder(path.parent.parent), split=split)
