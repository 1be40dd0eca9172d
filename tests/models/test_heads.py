from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from xmr.core.errors import ConfigError
from xmr.models.heads import DualPathHead, IdentityHead, LinearHead, MLPHead, PReLUHead
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
    ("name", "modality", "in_dim", "dim", "shapes", "kinds"),
    [
        ("dime", "image", 2048, 64, [(1024, 2048), (512, 1024), (256, 512), (64, 256)], "LPLPLPLD"),
        ("dime", "text", 300, 64, [(256, 300), (256, 256), (128, 256), (64, 128)], "LPLPLPLD"),
        ("fc2", "image", 512, 2, [(256, 512), (256, 256), (2, 256)], "LPLPLD"),
        ("triplet_captions_vgg", "image", 4096, 4096, [(2048, 4096), (4096, 2048)], "LPLD"),
        ("triplet_captions_faster_rcnn", "image", 1024, 4096, [(2048, 1024), (4096, 2048)], "BLPLD"),
        ("triplet_captions_vgg", "text", 300, 4096, [(1024, 300), (2048, 1024), (4096, 2048)], "LPLPLD"),
        ("dual_path", "image", 2048, 2048, [(2048, 2048), (2048, 2048)], "LBRLB"),
        ("dual_path", "text", 2048, 2048, [(2048, 2048)], "LB"),
    ],
)
def test_configured_heads_have_the_documents_layers(name, modality, in_dim, dim, shapes, kinds):
    letters = {"Linear": "L", "PReLU": "P", "BatchNorm1d": "B", "ReLU": "R", "Dropout": "D"}
    config = OmegaConf.load(next(path for path in HEADS if path.stem == name))[modality]
    head = instantiate(config, in_dim=in_dim, dim=dim)
    layers = [module for module in head.modules() if type(module).__name__ in letters]
    assert [tuple(layer.weight.shape) for layer in layers if isinstance(layer, torch.nn.Linear)] == shapes
    assert "".join(letters[type(layer).__name__] for layer in layers) == kinds


def test_prelu_head_equals_the_sums_by_hand():
    torch.manual_seed(0)
    head = PReLUHead(in_dim=3, dim=2, hidden=[4], dropout=0.5, batch_norm=True).double().eval()
    norm, first, prelu, last, _ = head
    torch.nn.init.normal_(norm.running_mean)
    features = torch.randn(5, 3, dtype=torch.float64)
    normed = (features - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    hidden = normed @ first.weight.T + first.bias
    hidden = torch.where(hidden > 0, hidden, prelu.weight * hidden)
    assert torch.allclose(head(features), hidden @ last.weight.T + last.bias)


def test_prelu_head_without_hidden_layers_is_linear_and_drops_its_output():
    head = PReLUHead(in_dim=3, dim=200, dropout=0.5)
    dropped = head(torch.ones(1, 3)) == 0
    assert 50 < dropped.sum() < 150
    assert not (head.eval()(torch.ones(1, 3)) == 0).any()


@pytest.mark.parametrize(
    ("settings", "in_training", "in_evaluation"),
    [
        ({}, True, False),
        ({"relu_in_training": False}, False, False),
        ({"relu_in_evaluation": True}, True, True),
    ],
)
def test_dual_path_head_ends_in_a_relu_where_asked(settings, in_training, in_evaluation):
    torch.manual_seed(0)
    head, features = DualPathHead(in_dim=6, dim=50, hidden=8, **settings), torch.randn(9, 6)
    assert bool((head.train()(features) >= 0).all()) == in_training
    outputs = head.eval()(features)
    assert bool((outputs >= 0).all()) == in_evaluation
    plain = head.layers(features)
    assert torch.equal(outputs, plain.clamp(min=0) if in_evaluation else plain)


def test_dual_path_head_has_no_bias_before_its_batch_norms():
    head = DualPathHead(in_dim=6, dim=5, hidden=8)
    assert [module.bias for module in head.modules() if isinstance(module, torch.nn.Linear)] == [None, None]


@pytest.mark.parametrize(
    ("head", "settings", "named"),
    [
        (LinearHead, {"dim": 0}, "dim=0"),
        (MLPHead, {"dim": -1}, "dim=-1"),
        (MLPHead, {"dim": 4, "hidden": 0}, "hidden=0"),
        (MLPHead, {"dim": 4, "layers": 0}, "layers=0"),
        (MLPHead, {"dim": 4, "dropout": -0.1}, r"dropout=-0\.1"),
        (PReLUHead, {"dim": 4, "hidden": [8, 0]}, r"hidden\[1\]=0"),
        (PReLUHead, {"dim": 4, "dropout": 1.0}, r"dropout=1\.0"),
        (DualPathHead, {"dim": 4, "hidden": 0}, "hidden=0"),
    ],
)
def test_errors_name_the_setting(head, settings, named):
    with pytest.raises(ConfigError, match=named):
        head(in_dim=6, **settings)
