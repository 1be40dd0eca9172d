"""Pictures to pixels: one resize, crop and normalisation for all image encoders."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import PIL
import torch
from PIL import Image
from torch import Tensor

from xmr.core.errors import ConfigError, DataError, check_positive, did_you_mean

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """B RGB pictures -> pixels (B, 3, crop, crop), float32: (value / 255 - mean) / std.

    The shorter side is resized to `resize` and the centre cropped, as torchvision's Resize and CenterCrop
    do (equal to two of 255 grey levels); `resize=None` squashes the whole picture to the square.
    `mean` and `std` follow `colour_order`. `reducing_gap` (Pillow) shrinks huge pictures in two steps:
    three times faster, and off by a grey level or so.
    """

    crop: int = 224
    resize: int | None = 256
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: str = "bicubic"
    colour_order: Literal["RGB", "BGR"] = "RGB"
    reducing_gap: float | None = None

    def __post_init__(self) -> None:
        check_positive(crop=self.crop, std=min(self.std))
        if self.resize is not None and self.resize < self.crop:
            raise ConfigError(f"resize={self.resize} < crop={self.crop}; use resize >= crop")
        if self.interpolation not in FILTERS:
            known = did_you_mean(self.interpolation, FILTERS)
            raise ConfigError(f"unknown interpolation '{self.interpolation}'; {known}")
        if self.colour_order not in ("RGB", "BGR"):
            raise ConfigError(f"colour_order={self.colour_order}; use RGB or BGR")

    def __call__(self, images: Sequence[Image.Image]) -> Tensor:
        """B pictures -> (B, 3, crop, crop); raises `DataError` for a picture that is not RGB."""
        pixels = np.empty((len(images), self.crop, self.crop, 3), dtype=np.uint8)
        for row, image in enumerate(images):
            if image.mode != "RGB":
                raise DataError(f"picture {row} of the batch has mode {image.mode}; convert it to RGB first")
            pixels[row] = np.asarray(self._resized(image))
        if self.colour_order == "BGR":
            pixels = pixels[..., ::-1]
        # a view, not a copy: in this layout (channels last) convolutions are also faster
        planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return planes.div_(255).sub_(mean).div_(std)

    def describe(self) -> dict[str, Any]:
        """All that the pixels depend on, the version of the resizing library included."""
        return asdict(self) | {"backend": f"pillow {PIL.__version__}"}

    def _resized(self, image: Image.Image) -> Image.Image:
        """The resized centre in one pass: only the pixels that the crop keeps are computed."""
        size = (self.crop, self.crop)
        box = None if self.resize is None else self._crop_box(*image.size, resize=self.resize)
        return image.resize(size, FILTERS[self.interpolation], box=box, reducing_gap=self.reducing_gap)

    def _crop_box(self, width: int, height: int, *, resize: int) -> tuple[float, float, float, float]:
        """Where the crop lies in the original picture: (left, top, right, bottom) in its pixels."""
        shorter = min(width, height)
        edges = []
        for side in (width, height):
            resized = int(resize * side / shorter)
            start, scale = round((resized - self.crop) / 2), side / resized
            edges.append((start * scale, min((start + self.crop) * scale, side)))
        (left, right), (top, bottom) = edges
        return left, top, right, bottom
