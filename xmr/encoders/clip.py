"""The two towers of CLIP and SigLIP models, projections included: image and text in one space."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Modality
from xmr.encoders.huggingface import config_fingerprint, load_part, load_pretrained, model_folder
from xmr.encoders.text.tokenizer import Tokenizer
from xmr.encoders.transforms import FILTERS, ImageTransform


@dataclass(frozen=True)
class Family:
    """How one kind of two-tower model is loaded and read."""

    image_class: Any
    text_class: Any
    image_output: str
    text_output: str
    padding: Literal["longest", "max_length"]


FAMILIES = {
    "clip": Family(
        transformers.CLIPVisionModelWithProjection,
        transformers.CLIPTextModelWithProjection,
        image_output="image_embeds",
        text_output="text_embeds",
        padding="longest",
    ),
    # SigLIP pools the last position, so it was trained, and works, on texts padded to full length only
    "siglip": Family(
        transformers.SiglipVisionModel,
        transformers.SiglipTextModel,
        image_output="pooler_output",
        text_output="pooler_output",
        padding="max_length",
    ),
}


class ClipImage(nn.Module):
    """Pixels (B, 3, S, S) -> projected features (B, dim), not normalised, of a CLIP or SigLIP image tower.

    Equals `get_image_features` of the model. Size, mean and filter come from the model's own settings,
    applied with Pillow. `name_or_path`: a folder, `package:<package>/<folder>`, or a hub name.
    """

    modality = Modality.IMAGE

    def __init__(self, *, name_or_path: str) -> None:
        super().__init__()
        folder = model_folder(name_or_path)
        config, family = _config_and_family(folder, name_or_path)
        self.model: Any = load_pretrained(family.image_class, folder)
        self.output = family.image_output
        self.dim = _dim(config)
        self.prepare = _image_transform(load_part(AutoImageProcessor, folder), name_or_path)
        self.preprocessing: Mapping[str, Any] = {
            "architecture": config_fingerprint(config),
            **self.prepare.describe(),
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Pixels (B, 3, S, S) -> features (B, dim)."""
        return getattr(self.model(pixel_values=inputs), self.output)


class ClipText(nn.Module):
    """Tokens (B, T) -> projected features (B, dim), not normalised, of a CLIP or SigLIP text tower.

    Equals `get_text_features` of the model. T is at most 77 for CLIP, always 64 for SigLIP (padded).
    `name_or_path`: a folder, `package:<package>/<folder>`, or a hub name.
    """

    modality = Modality.TEXT

    def __init__(self, *, name_or_path: str) -> None:
        super().__init__()
        folder = model_folder(name_or_path)
        config, family = _config_and_family(folder, name_or_path)
        self.model: Any = load_pretrained(family.text_class, folder)
        self.output = family.text_output
        self.dim = _dim(config)
        self.prepare = Tokenizer(
            load_part(AutoTokenizer, folder),
            max_length=config.text_config.max_position_embeddings,
            padding=family.padding,
            # SigLIP attends to its padding
            mask=family.padding == "longest",
        )
        self.preprocessing: Mapping[str, Any] = {
            "architecture": config_fingerprint(config),
            **self.prepare.describe(),
        }

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """{"input_ids": (B, T)}, and for CLIP its "attention_mask" -> features (B, dim)."""
        return getattr(self.model(**inputs), self.output)


def checkpoint_temperature(*, name_or_path: str) -> float:
    """The temperature that a CLIP or SigLIP model ended its training with: 1 / exp(logit_scale).

    To six digits, so that CLIP's bound of 100 on the scale is 0.01. For `loss.temperature`. Raises
    `DataError` where the files hold none.
    """
    return round(math.exp(-_scalar(name_or_path, "logit_scale")), 6)


def checkpoint_bias(*, name_or_path: str) -> float:
    """The bias that a SigLIP model ended its training with, for `loss.bias`; `DataError` without one."""
    return _scalar(name_or_path, "logit_bias")


def _scalar(name_or_path: str, name: str) -> float:
    folder = model_folder(name_or_path)
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            if name in weights.keys():  # noqa: SIM118  it is no mapping
                return weights.get_tensor(name).item()
    for file in sorted(folder.glob("*.bin")):
        weights = torch.load(file, weights_only=True, mmap=True, map_location="cpu")
        if name in weights:
            return weights[name].item()
    raise DataError(
        f"model in {folder} has no {name}; give the loss a number instead, as loss.temperature=0.01"
    )


def _config_and_family(folder: Path, name_or_path: str) -> tuple[Any, Family]:
    config = load_part(AutoConfig, folder)
    if config.model_type not in FAMILIES:
        raise ConfigError(
            f"'{name_or_path}' is a {config.model_type} model; use one of {', '.join(sorted(FAMILIES))}, "
            f"or encoder/text=bert_base with this name_or_path for a text model"
        )
    return config, FAMILIES[config.model_type]


def _dim(config: Any) -> int:
    """The width of the common space: SigLIP's image tower has no projection, its text tower matches it."""
    return config.projection_dim if config.model_type == "clip" else config.vision_config.hidden_size


def _image_transform(processor: Any, name_or_path: str) -> ImageTransform:
    """The model's image settings as an `ImageTransform`; raises `DataError` for what that can't express."""
    size = dict(processor.size)
    crop = dict(processor.crop_size) if getattr(processor, "do_center_crop", None) else size
    filters = {value: name for name, value in FILTERS.items()}
    if crop.get("height") is None or crop["height"] != crop.get("width"):
        raise DataError(f"image settings of '{name_or_path}' are not square (crop {crop}); use another model")
    return ImageTransform(
        crop=crop["height"],
        resize=size.get("shortest_edge"),
        mean=tuple(processor.image_mean),
        std=tuple(processor.image_std),
        interpolation=filters[processor.resample],
    )
