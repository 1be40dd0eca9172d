import pytest
import torch
from torchvision import models

from xmr.core.errors import ConfigError
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.image.efficientnet_lite import EfficientNetLite
from xmr.encoders.image.feature_map import map_features
from xmr.encoders.image.torchvision_models import TorchvisionEncoder
from xmr.encoders.probes import embed, find_golden, probe_pictures


def test_map_is_flattened_row_by_row_position_by_position():
    feature_map = torch.randn(2, 3, 4, 5)
    features = map_features(feature_map)
    for token, (row, column) in enumerate((row, column) for row in range(4) for column in range(5)):
        assert torch.equal(features[:, 3 * token : 3 * token + 3], feature_map[:, :, row, column])


def resnet(**settings):
    torch.manual_seed(0)
    return TorchvisionEncoder(name="resnet18", weights=None, **settings)


@pytest.mark.parametrize(
    ("build", "size", "tokens", "channels"),
    [(EfficientNetLite, None, 49, 1280), (EfficientNetLite, 64, 4, 1280), (resnet, 70, 9, 512)],
)
def test_the_mean_over_a_maps_vectors_is_the_usual_feature(build, size, tokens, channels):
    together, vectors = build(size=size, pool="map"), build(size=size)
    features = embed(together, probe_pictures())
    assert (together.tokens, together.dim) == (tokens, tokens * channels)
    assert features.shape == (4, together.dim)
    assert torch.allclose(
        features.view(4, tokens, channels).mean(1), embed(vectors, probe_pictures()), atol=1e-4
    )
    assert (vectors.tokens, vectors.dim) == (1, channels)


def test_resnets_positions_are_those_of_the_last_layer():
    encoder, seen = resnet(size=96, pool="map"), []
    encoder.network.layer4.register_forward_hook(lambda module, inputs, output: seen.append(output))
    features = embed(encoder, probe_pictures()[:1])
    assert torch.equal(features[0, :512], seen[0][0, :, 0, 0])
    assert torch.equal(features[0, 512:1024], seen[0][0, :, 0, 1])
    assert torch.equal(features[0, 3 * 512 : 4 * 512], seen[0][0, :, 1, 0])


def test_pool_and_size_show_in_the_fingerprint_and_maps_have_no_golden_of_vectors():
    plain, maps, small = EfficientNetLite(), EfficientNetLite(pool="map"), EfficientNetLite(size=96)
    assert len({encoder_fingerprint(encoder) for encoder in (plain, maps, small)}) == 3
    assert find_golden(plain) is not None
    assert find_golden(maps) is None
    # caches of features are named by these: they stay as they were before there were maps
    assert "pool" not in plain.preprocessing


def test_size_keeps_the_share_of_the_picture():
    own = resnet().prepare
    small = resnet(size=112).prepare
    assert (own.crop, own.resize) == (224, 256)
    assert (small.crop, small.resize) == (112, 128)
    preset = models.ResNet50_Weights.IMAGENET1K_V2
    assert preset.transforms().resize_size == [232]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EfficientNetLite(pool="maps"), "did you mean 'map'"),
        (lambda: EfficientNetLite(size=100), "size=100 is no multiple of 32"),
        (lambda: TorchvisionEncoder(name="resnet18", weights=None, size=8), "size=8"),
        (
            lambda: TorchvisionEncoder(name="mobilenet_v3_small", weights=None, pool="map"),
            "pool=map is for ResNets",
        ),
        (lambda: TorchvisionEncoder(name="vit_b_32", weights=None, size=96), "takes 224 pixels alone"),
    ],
)
def test_impossible_settings_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
