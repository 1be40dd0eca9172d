import pytest
import torch
from torch import nn

from xmr.core.errors import ConfigError
from xmr.core.protocols import Encoder
from xmr.encoders.image.p1_cnn import P1CNN
from xmr.encoders.probes import embed, probe_pictures


def test_layers_are_those_of_the_document():
    encoder = P1CNN()
    kinds = [type(layer).__name__ for layer in encoder]
    block = ["Conv2d", "ReLU", "MaxPool2d", "BatchNorm2d", "Dropout2d"]
    assert kinds == [*block, *block, "AdaptiveAvgPool2d", "Flatten", "Dropout"]
    assert [layer.p for layer in encoder if isinstance(layer, nn.Dropout | nn.Dropout2d)] == [0.1, 0.3, 0.1]
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    assert parameters == (27 * 32 + 32 + 64) + (9 * 32 * 64 + 64 + 128)


@pytest.mark.parametrize("size", [4, 30, 64])
def test_pictures_of_any_shape_become_64_features_of_their_own(size):
    encoder = P1CNN(size=size)
    assert isinstance(encoder, Encoder)
    features = embed(encoder, probe_pictures())
    assert features.shape == (4, encoder.dim) == (4, 64)
    alone = torch.cat([embed(encoder, [picture]) for picture in probe_pictures()])
    assert torch.allclose(features, alone, atol=1e-5)
    assert encoder.prepare(probe_pictures()).shape == (4, 3, size, size)


def test_size_that_leaves_no_position_is_refused():
    with pytest.raises(ConfigError, match="size=3"):
        P1CNN(size=3)
