"""Any torchvision classifier without its last layer: ResNets, VGGs, ViTs..., pretrained or from scratch."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn
from torchvision import models

from xmr.core.errors import (
    ConfigError,
    DataError,
    MissingFilesError,
    check_whole,
    did_you_mean,
    problems_message,
)
from xmr.core.files import sha256_file
from xmr.core.types import Modality
from xmr.encoders.image.feature_map import STRIDE, Pool, check_pool, map_features, map_tokens, pool_setting
from xmr.encoders.transforms import ImageTransform

CLASSES = 1000


class TorchvisionEncoder(nn.Module):
    """Pixels (B, 3, S, S) -> features (B, dim): what the network's classifier would see.

    ResNets give pool5 (512 or 2048), VGGs fc7 after its ReLU (4096). `weights` is a member of the model's
    weights enum ("IMAGENET1K_V2"), a file with a state dict, or None for random weights; with a file or
    None the pixels are prepared as for the enum's first member.

    `pool="map"` (ResNets alone) gives the positions of the last map instead of their mean: features
    (B, tokens * 2048), row by row of the picture. `size` is S in pixels, None for the network's own (224);
    the share of the picture that is cropped stays as it is.
    """

    modality = Modality.IMAGE

    def __init__(
        self,
        *,
        name: str = "resnet50",
        weights: str | None = "IMAGENET1K_V2",
        pool: Pool = "vector",
        size: int | None = None,
    ) -> None:
        super().__init__()
        check_pool(pool)
        if size is not None:
            check_whole(STRIDE, size=size)
        known = models.list_models(module=models)
        if name not in known:
            raise ConfigError(f"unknown torchvision model name='{name}'; {did_you_mean(name, known)}")
        enum = models.get_model_weights(name).__members__
        member = enum.get(weights) if weights else None
        file = None if weights is None else _downloaded(member) if member else _existing(weights, name, enum)

        self.starts_random = weights is None
        self.network: nn.Module = models.get_model(name, weights=None)
        _check_size(self.network, size, name)
        classifier, channels = _remove_classifier(self.network, name)
        if file is not None:
            _load(self.network, file, ignored=f"{classifier}.")
        self.prepare = _transform((member or next(iter(enum.values()))).transforms(), size)
        self.pool = pool
        self.tokens = 1
        if pool == "map":
            _keep_positions(self.network, name)
            self.tokens = map_tokens(self.prepare.crop)
        self.dim = self.tokens * channels
        self.preprocessing: Mapping[str, Any] = {
            "name": name,
            **pool_setting(pool),
            **self.prepare.describe(),
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Pixels (B, 3, S, S) -> features (B, dim)."""
        features = self.network(inputs)
        if self.pool == "vector":
            return features
        return map_features(features.unflatten(1, (-1, self.tokens, 1)))


def _transform(preset: Any, size: int | None) -> ImageTransform:
    """Torchvision's preset for pictures of `size` pixels, None for its own."""
    own = preset.crop_size[0]
    size = size or own
    return ImageTransform(
        crop=size,
        resize=round(size * preset.resize_size[0] / own),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )


def _keep_positions(network: nn.Module, name: str) -> None:
    """Take out the pooling, so that the network gives its last map (B, C, H, W) as (B, C * H * W)."""
    if not isinstance(network, models.ResNet):
        raise ConfigError(f"pool=map is for ResNets, not for name='{name}'; use pool=vector, or resnet50")
    network.avgpool = nn.Identity()


def _check_size(network: nn.Module, size: int | None, name: str) -> None:
    """Raise `ConfigError` for a vision transformer, which has one size, when another is asked for."""
    own = getattr(network, "image_size", size)
    if size not in (None, own):
        raise ConfigError(f"size={size}, but name='{name}' takes {own} pixels alone; use size=null")


def _remove_classifier(network: nn.Module, name: str) -> tuple[str, int]:
    """Replace the last linear layer by the identity; returns its name and the width of its input."""
    linears = [(path, module) for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linears or linears[-1][1].out_features != CLASSES or hasattr(network, "aux_logits"):
        raise ConfigError(
            f"name='{name}' does not end in one linear classifier (GoogLeNet, Inception, SqueezeNet don't); "
            f"use another model, such as resnet50"
        )
    path, classifier = linears[-1]
    network.set_submodule(path, nn.Identity())
    return path, classifier.in_features


def _downloaded(member: Any) -> Path:
    """The enum member's file in torch's hub folder, downloaded if need be, its hash checked."""
    file = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(member.url).path).name)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(member.url, str(file))
        except OSError as error:
            raise MissingFilesError(
                f"weights {member} can't be downloaded ({error}).\n"
                f"Download {member.url} with another machine and put the file at {file}; "
                f"or set weights=null to train from scratch."
            ) from None
    expected = file.stem.rpartition("-")[2]
    if not sha256_file(file).startswith(expected):
        raise DataError(f"{file} is damaged: its SHA-256 does not start with {expected}; delete it and retry")
    return file


def _existing(weights: str, name: str, enum: Mapping[str, Any]) -> Path:
    file = Path(weights)
    if not file.is_file():
        hint = did_you_mean(weights, enum)
        raise ConfigError(f"weights='{weights}' is neither a file nor weights of {name}; {hint} Or set null.")
    return file


def _load(network: nn.Module, file: Path, *, ignored: str) -> None:
    """Load a state dict, the removed classifier aside; all missing and unknown keys are listed at once."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{file} can't be loaded as a state dict ({reason}); save one with torch.save"
        ) from error
    state = {key: value for key, value in state.items() if not key.startswith(ignored)}
    own = network.state_dict()
    problems = [f"missing {key}" for key in own.keys() - state.keys()]
    problems += [f"unknown {key}" for key in state.keys() - own.keys()]
    problems += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in own.keys() & state.keys()
        if state[key].shape != own[key].shape
    ]
    if problems:
        raise DataError(problems_message(f"weights {file}", sorted(problems), "Check that name fits them."))
    network.load_state_dict(state)
