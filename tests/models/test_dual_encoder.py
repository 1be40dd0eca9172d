import pytest
import torch
from torch import nn

from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.models.dual_encoder import DualEncoder
from xmr.models.heads import LinearHead, MLPHead

MODALITIES = list(Modality)[:2]
PARTS = DualEncoder.PARTS


class Encoder(nn.Module):
    """All that training mode changes: batch norm and dropout."""

    def __init__(self, modality: Modality, dim: int = 10) -> None:
        super().__init__()
        self.modality, self.dim, self.preprocessing = modality, dim, {}
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.Dropout(0.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layers(inputs)


def model(*freeze: str) -> DualEncoder:
    torch.manual_seed(0)
    return DualEncoder(
        image_encoder=Encoder(Modality.IMAGE),
        text_encoder=Encoder(Modality.TEXT),
        image_head=MLPHead(in_dim=10, dim=6, dropout=0.5),
        text_head=LinearHead(in_dim=10, dim=6),
        freeze=freeze,
    )


def train_steps(dual: DualEncoder, steps: int = 3) -> None:
    """What a run does: validation in between, and an optimizer that would move any parameter."""
    optimizer = torch.optim.SGD([p for p in dual.parameters() if p.requires_grad] or [torch.zeros(1)], lr=0.1)
    for _ in range(steps):
        dual.eval()
        dual.train()
        image, text = (dual.embed(modality, torch.randn(8, 10)) for modality in MODALITIES)
        loss = -(image * text).sum()
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()


@pytest.mark.parametrize("part", PARTS)
def test_a_frozen_part_keeps_its_weights_and_statistics_and_all_others_learn(part):
    dual = model(part)
    before = {name: value.clone() for name, value in dual.state_dict().items()}
    train_steps(dual)
    changed = {name for name, value in dual.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith(part) for name in changed)
    assert all(p.grad is None for p in getattr(dual, part).parameters())
    # batch norm takes the bias before it out again: that one gets no gradient
    assert {name for name in before if not name.startswith(part)} - changed <= {
        "image_encoder.layers.0.bias",
        "text_encoder.layers.0.bias",
    }


@pytest.mark.parametrize("part", PARTS)
def test_train_and_eval_switch_all_but_frozen_parts(part):
    dual, as_built = model(part), lambda: None
    for switch, mode in ((as_built, True), (dual.eval, False), (dual.train, True)):
        switch()
        modes = {name: {m.training for m in getattr(dual, name).modules()} for name in PARTS}
        assert modes == {name: {mode and name != part} for name in PARTS}


def test_frozen_features_are_the_same_in_training():
    dual, inputs = model("image_encoder").train(), torch.randn(4, 10)
    assert torch.equal(dual.image_encoder(inputs), dual.image_encoder(inputs))
    assert dual.has_frozen_encoder(Modality.IMAGE)
    assert not dual.has_frozen_encoder(Modality.TEXT)


def test_an_encoder_with_a_frozen_head_is_not_frozen():
    assert not any(model("image_head", "text_head").has_frozen_encoder(modality) for modality in MODALITIES)


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("batch", [1, 5])
def test_embeddings_have_unit_norm(modality, batch):
    dual = model().eval()
    inputs = 100 * torch.randn(batch, 10)
    embedded = dual.embed(modality, inputs)
    assert embedded.shape == (batch, 6)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(batch))
    features = dual.encoder(modality)(inputs)
    torch.testing.assert_close(dual.embed_features(modality, features), embedded)


def test_embeddings_have_unit_norm_in_mixed_precision():
    dual = model().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embedded = dual.embed(Modality.TEXT, torch.randn(64, 10))
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(64))


def test_zero_features_embed_to_zero_not_to_nan():
    """A zero vector is caught by the evaluator; a NaN would spread to the whole batch."""
    dual = model()
    dual.text_head = LinearHead(in_dim=10, dim=6, bias=False)
    features = torch.zeros(3, 10, requires_grad=True)
    embedded = dual.embed_features(Modality.TEXT, features)
    assert torch.equal(embedded, torch.zeros(3, 6))
    embedded.sum().backward()
    assert torch.isfinite(features.grad).all()


def test_an_unknown_part_is_named():
    with pytest.raises(ConfigError, match=r"no part 'image_encodr'; did you mean 'image_encoder'\?"):
        model("image_encodr")


def test_kept_batch_norms_learn_their_weights_but_not_their_statistics():
    dual = model()
    dual.freeze_batch_norm = True
    before = {name: value.clone() for name, value in dual.state_dict().items()}
    train_steps(dual)
    after = dual.state_dict()
    for part in ("image_encoder", "text_encoder"):
        norm = f"{part}.layers.1"
        assert torch.equal(before[f"{norm}.running_mean"], after[f"{norm}.running_mean"])
        assert not torch.equal(before[f"{norm}.weight"], after[f"{norm}.weight"])
        assert getattr(dual, part).layers[2].training  # dropout is not touched
