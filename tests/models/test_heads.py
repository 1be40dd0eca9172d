from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from xmr.core.errors import ConfigError
from xmr.models.heads import IdentityHead, LinearHead, MLPHead
from xmr.pipelines.instantiate import instantiate

HEADS = sorted((Path(__file__).resolve().parents[2] / "conf" / "head").glob("*.yaml"))


@pytest.mark.parametrize("path", HEADS, ids=lambda path: path.stem)
@pytest.mark.parametrize("modality", ["image", "text"])
def test_every_configured_head_maps_features_to_the_space(path, modality):
    dim = 12 if path.stem == "identity" else 5
    head = instantiate(OmegaConf.load(path)[modality], in_dim=12, dim=dim)
    assert head(torch.randn(3, 12)).shape == (3, dim)


def test_identity_keeps_features():
    features = torch.randn(3, 7)
    assert torch.equal(IdentityHead(in_dim=7, dim=7)(features), features)


def test_identity_refuses_to_change_the_dimension():
    with pytest.raises(ConfigError, match=r"use model\.dim=512"):
        IdentityHead(in_dim=512, dim=256)


@pytest.mark.parametrize("layers", [1, 3])
def test_mlp_has_as_many_hidden_layers_as_asked_for(layers):
    head = MLPHead(in_dim=6, dim=4, hidden=9, layers=layers)
    shapes = [tuple(m.weight.shape) for m in head if isinstance(m, torch.nn.Linear)]
    assert shapes == [(9, 6)] + [(9, 9)] * (layers - 1) + [(4, 9)]


def test_mlp_drops_out_in_training_alone():
    head, features = MLPHead(in_dim=6, dim=4, dropout=0.5), torch.randn(8, 6)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


@pytest.mark.parametrize(
    ("head", "settings", "named"),
    [
        (LinearHead, {"dim": 0}, "dim=0"),
        (MLPHead, {"dim": -1}, "dim=-1"),
        (MLPHead, {"dim": 4, "hidden": 0}, "hidden=0"),
        (MLPHead, {"dim": 4, "layers": 0}, "layers=0"),
        (MLPHead, {"dim": 4, "dropout": -0.1}, r"dropout=-0\.1"),
    ],
)
def test_errors_name_the_setting(head, settings, named):
    with pytest.raises(ConfigError, match=named):
        head(in_dim=6, **settings)
