"""What is said of an explorer's source before anything is loaded: names and settings for people."""

import re
from typing import Any

import numpy as np
from omegaconf import DictConfig

from xmr.core.types import Modality

BOTH = (Modality.IMAGE, Modality.TEXT)
DIRECTIONS = {
    BOTH: ("image_to_text", "text_to_image"),
    (Modality.IMAGE, Modality.IMAGE): ("image_to_image",),
    (Modality.IMAGE, Modality.COMPOSED): ("composed_to_image",),
}
"""The evaluations of models by the sides of their training pairs."""


def takes_of(model: Any) -> tuple[str, ...]:
    """What queries a class of models takes: "text", "picture", "both"."""
    names = {Modality.TEXT: "text", Modality.IMAGE: "picture"}
    takes = [names[modality] for modality in reversed(model.modalities())]
    return (*takes, "both") if len(takes) > 1 else tuple(takes)


def data_name(config: DictConfig) -> str:
    """The data set of a run: its name, or what loads it."""
    return str(config.data.get("name") or str(config.data._target_).rpartition(".")[2]).removeprefix("load_")


def settings_of(config: DictConfig) -> dict[str, Any]:
    """What people tell runs apart by."""

    def kind(part: Any) -> str:
        return str(part.get("_target_", "")).rpartition(".")[2]

    settings: dict[str, Any] = {"loss": kind(config.loss), "dim": config.model.dim}
    for modality in BOTH:
        if modality in config.encoder:
            settings[f"{modality} encoder"] = kind(config.encoder[modality])
            settings[f"{modality} head"] = kind(config.head[modality])
    settings |= {"epochs": config.trainer.max_epochs, "batch size": config.batch_size, "seed": config.seed}
    return {name: value for name, value in settings.items() if value not in ("", None)}


def slug(name: str) -> str:
    """`name` as a part of an address: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "source"


def captions(texts: np.ndarray) -> np.ndarray:
    """Texts (N,), None where there is none."""
    return np.array([text or None for text in texts], dtype=object)


def objects(values: Any) -> np.ndarray:
    """Values as strings, or None, in an array (N,)."""
    # not of one width: a long text would make all long
    return np.array([None if value is None else str(value) for value in values], dtype=object)
