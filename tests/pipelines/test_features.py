"""Cached features: computed once, equal to live ones, and never served for anything else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from xmr.core.types import Modality
from xmr.data.dataset import RetrievalDataset
from xmr.data.feature_cache import FeatureCache
from xmr.data.shapes import load_shapes
from xmr.data.sources import CachedFeatures
from xmr.encoders.text.gru import MeanWordVectors
from xmr.models.dual_encoder import DualEncoder
from xmr.models.heads import LinearHead
from xmr.pipelines.features import FeatureExtraction, SourceMaker

ALL = frozenset({Modality.IMAGE, Modality.TEXT})


class Pooled(torch.nn.Module):
    """A tiny image encoder: the picture, averaged over a grid, through fixed weights."""

    modality, dim = Modality.IMAGE, 12

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.preprocessing = {"grid": 2}
        self.weight = torch.nn.Parameter(torch.randn(12, 12, generator=torch.Generator().manual_seed(seed)))
        self.calls = 0

    def prepare(self, images: list) -> torch.Tensor:
        pixels = torch.stack([torch.from_numpy(np.array(image)) for image in images]) / 255
        return pixels.permute(0, 3, 1, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.calls += len(pixels)
        return torch.nn.functional.adaptive_avg_pool2d(pixels, 2).flatten(1) @ self.weight


@pytest.fixture(scope="module")
def words() -> MeanWordVectors:
    return MeanWordVectors(vectors="glove_50d")


def dual(words: MeanWordVectors, seed: int = 0) -> DualEncoder:
    return DualEncoder(
        image_encoder=Pooled(seed),
        text_encoder=words,
        image_head=LinearHead(in_dim=12, dim=4),
        text_head=LinearHead(in_dim=50, dim=4),
        freeze=["image_encoder", "text_encoder"],
    )


def sources(dataset: RetrievalDataset, model: DualEncoder, folder: Path, cached: frozenset = ALL) -> dict:
    extraction = FeatureExtraction(FeatureCache(folder), torch.device("cpu"))
    make, split = SourceMaker(dataset, model, extraction, cached), dataset.split("train")
    return {
        Modality.IMAGE: make.images(split.image_keys.tolist(), what="train"),
        Modality.TEXT: make.texts(split.texts, what="train"),
    }


def test_cached_features_are_those_of_the_encoder(words: MeanWordVectors, tmp_path: Path) -> None:
    dataset, model = load_shapes(size=30), dual(words)
    cached, live = sources(dataset, model, tmp_path), sources(dataset, model, tmp_path, frozenset())
    rows = np.array([3, 0, 11])
    for modality in ALL:
        expected = model.encoder(modality)(live[modality].fetch(rows))
        assert torch.allclose(cached[modality].fetch(rows), expected, atol=1e-6)


def test_a_second_run_computes_nothing(words: MeanWordVectors, tmp_path: Path) -> None:
    dataset = load_shapes(size=30)
    first, second = dual(words), dual(words)
    sources(dataset, first, tmp_path)
    assert first.image_encoder.calls == len(dataset.split("train").image_ids)
    again = sources(load_shapes(size=30), second, tmp_path)
    assert second.image_encoder.calls == 0
    assert isinstance(again[Modality.IMAGE], CachedFeatures)
    assert isinstance(again[Modality.IMAGE].features, np.memmap)


def test_other_weights_preprocessing_or_data_are_other_features(
    words: MeanWordVectors, tmp_path: Path
) -> None:
    sources(load_shapes(size=30), dual(words), tmp_path)
    other_weights = dual(words, seed=1)
    sources(load_shapes(size=30), other_weights, tmp_path)
    other_preprocessing = dual(words)
    other_preprocessing.image_encoder.preprocessing = {"grid": 3}
    sources(load_shapes(size=30), other_preprocessing, tmp_path)
    other_data = dual(words)
    sources(load_shapes(size=30, seed=1), other_data, tmp_path)
    other_pixels = dual(words)
    sources(load_shapes(size=30, image_size=32), other_pixels, tmp_path)
    for model in (other_weights, other_preprocessing, other_data, other_pixels):
        assert model.image_encoder.calls > 0
