import re
import urllib.request

import pytest
import torch
from torchvision import models

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.encoders.image.torchvision_models import TorchvisionEncoder
from xmr.encoders.probes import embed, probe_pictures


@pytest.fixture
def state_file(tmp_path):
    """A resnet18 with another classifier, as a user's own training would leave it."""
    torch.manual_seed(0)
    network = models.resnet18(num_classes=10).eval()
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    return network, tmp_path / "mine.pth"


def test_features_are_what_the_classifier_would_see(state_file):
    network, file = state_file
    encoder = TorchvisionEncoder(name="resnet18", weights=str(file)).eval()
    seen = []
    network.fc.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    pixels = encoder.prepare(probe_pictures())
    with torch.no_grad():
        network(pixels)
    assert torch.equal(embed(encoder, probe_pictures()), seen[0])
    assert seen[0].shape == (4, encoder.dim) == (4, 512)


@pytest.mark.parametrize(
    ("name", "dim"),
    [
        ("resnet152", 2048),
        ("vgg19", 4096),
        ("densenet121", 1024),
        ("vit_b_32", 768),
        ("mobilenet_v3_small", 1024),
    ],
)
def test_dim_is_found_for_every_kind_of_classifier(name, dim):
    with torch.device("meta"):  # shapes without the 500 MB
        encoder = TorchvisionEncoder(name=name, weights=None).eval()
        assert encoder(torch.empty(2, 3, 224, 224)).shape == (2, dim)
    assert encoder.dim == dim


def test_pixels_are_prepared_as_the_weights_ask(tmp_path):
    encoder = TorchvisionEncoder(name="resnet18", weights=None)
    preset = models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    picture = probe_pictures()[0]
    assert (encoder.prepare([picture])[0] - preset(picture)).abs().max() < 0.02
    assert encoder.preprocessing["name"] == "resnet18"


def test_every_parameter_gets_a_gradient():
    encoder = TorchvisionEncoder(name="resnet18", weights=None)
    encoder(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "resnet51"}, "did you mean 'resnet50'"),
        ({"name": "resnet18", "weights": "IMAGENET1K_V2"}, "did you mean 'IMAGENET1K_V1'"),
        ({"name": "resnet18", "weights": "no/such/file.pth"}, "neither a file nor weights of resnet18"),
        ({"name": "squeezenet1_0", "weights": None}, "does not end in one linear classifier"),
    ],
)
def test_unknown_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TorchvisionEncoder(**settings)


def test_weights_of_another_model_are_refused_with_all_differences(tmp_path, state_file):
    network, _ = state_file
    state = network.state_dict()
    state.pop("conv1.weight")
    state["layer1.0.conv1.weight"] = torch.zeros(3, 3)
    state["stray"] = torch.zeros(1)
    torch.save(state, tmp_path / "broken.pth")
    with pytest.raises(DataError) as caught:
        TorchvisionEncoder(name="resnet18", weights=str(tmp_path / "broken.pth"))
    message = str(caught.value)
    assert "3 problems" in message
    assert "missing conv1.weight" in message
    assert "unknown stray" in message
    assert "layer1.0.conv1.weight is (3, 3), not (64, 64, 3, 3)" in message


def test_a_pickle_with_code_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return (print, ("code ran",))

    torch.save({"fc": Payload()}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match="can't be loaded as a state dict"):
        TorchvisionEncoder(name="resnet18", weights=str(tmp_path / "evil.pth"))


@pytest.fixture
def unreachable_network(monkeypatch):
    """Every download goes to a closed port of this machine."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    urllib.request.install_opener(urllib.request.build_opener())
    yield
    urllib.request.install_opener(None)


def test_without_a_network_the_error_says_which_file_goes_where(tmp_path, monkeypatch, unreachable_network):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingFilesError, match=re.escape("weights=null")) as caught:
        TorchvisionEncoder(name="resnet18", weights="DEFAULT")
    assert str(tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth") in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_torn_download_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half of it")
    with pytest.raises(DataError, match=r"resnet18-f37072fd\.pth is damaged"):
        TorchvisionEncoder(name="resnet18", weights="IMAGENET1K_V1")
