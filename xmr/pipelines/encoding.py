"""Texts and pictures, as a user gives them, to embeddings; and the name of the model that makes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.core.files import fingerprint
from xmr.core.protocols import Inputs
from xmr.core.types import Modality
from xmr.data.images import FolderImages, as_rgb
from xmr.encoders.fingerprint import class_name, encoder_fingerprint, weights_fingerprint
from xmr.models.dual_encoder import DualEncoder

Picture = Image.Image | Path | str
"""A picture, or the path of one."""


class QueryEncoder:
    """Embeds texts and pictures with a trained model, on the CPU."""

    def __init__(self, model: DualEncoder) -> None:
        self._model = model.eval()

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """N texts -> unit-norm embeddings (N, D), float32."""
        if isinstance(texts, str):
            raise ConfigError("encode_text takes a list of texts; write [text] for one")
        return self._encode(Modality.TEXT, list(texts))

    def encode_image(self, images: Sequence[Picture]) -> np.ndarray:
        """N pictures, or paths of them, -> unit-norm embeddings (N, D), float32.

        Raises `DataError` naming a file that is missing or can't be read.
        """
        if isinstance(images, str | Path | Image.Image):
            raise ConfigError("encode_image takes a list of pictures; write [picture] for one")
        return self._encode(Modality.IMAGE, [open_picture(image) for image in images])

    def encode_composed(self, images: Sequence[Picture], texts: Sequence[str]) -> np.ndarray:
        """N pictures with a text each -> unit-norm embeddings (N, D), float32.

        Raises `ConfigError` when the model is not one of composed queries.
        """
        if not self.composes:
            raise ConfigError(
                "this model embeds images and texts, not both as one query; train a composed encoder "
                "(python train.py experiment=tirg), or give a text or an image"
            )
        raw: dict[Modality, list[Any]] = {Modality.IMAGE: [open_picture(image) for image in images]}
        raw[Modality.TEXT] = list(texts)
        inputs = {str(m): self._model.encoder(m).prepare(of) for m, of in raw.items()}
        with torch.inference_mode():
            return self._model.embed(Modality.COMPOSED, inputs).float().numpy()

    @property
    def composes(self) -> bool:
        """Whether the model takes a picture and a text as one query."""
        return Modality.COMPOSED in self._model.SIDES

    def _encode(self, modality: Modality, raw: list[Any]) -> np.ndarray:
        if modality not in self._model.modalities():
            raise ConfigError(f"this model embeds {', '.join(self._model.modalities())} alone, no {modality}")
        inputs: Inputs = self._model.encoder(modality).prepare(raw)
        with torch.inference_mode():
            return self._model.embed(modality, inputs).float().numpy()


def open_picture(picture: Picture) -> Image.Image:
    """`picture` in RGB, upright; raises `DataError` naming a file that is missing or can't be read."""
    if isinstance(picture, Image.Image):
        return as_rgb(picture)
    if not Path(picture).is_file():
        raise MissingFilesError(f"image {picture} does not exist; give the path of a picture")
    return FolderImages(".")(str(picture))


def model_fingerprint(model: DualEncoder) -> str:
    """16 hex digits that change with any weight of the model, and what its encoders do to their inputs."""
    encoders = [encoder_fingerprint(model.encoder_module(m)) for m in model.modalities()]
    return fingerprint(class_name(model), weights_fingerprint(model), encoders)
