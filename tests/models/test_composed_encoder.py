import pytest
import torch
from torch import nn

from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Modality
from xmr.models.composed_encoder import ComposedEncoder
from xmr.models.fusion.gated_last_conv import GatedLastConv
from xmr.models.fusion.one_side import OneSide
from xmr.models.fusion.sum import Sum
from xmr.models.fusion.tirg import TIRG
from xmr.models.heads import LinearHead

IMAGE, TEXT, COMPOSED = Modality.IMAGE, Modality.TEXT, Modality.COMPOSED
PIXELS, WORDS, IMAGE_DIM, TEXT_DIM, DIM = 7, 9, 4 * 3, 5, 6
FUSIONS = {
    "sum": Sum,
    "tirg": TIRG,
    "gated_last_conv": GatedLastConv,
    "text_only": lambda **sizes: OneSide(**sizes, side="text"),
    "image_only": lambda **sizes: OneSide(**sizes, side="image"),
}
UNREACHED = {"gated_last_conv": {"text_head"}, "image_only": {"text_encoder", "text_head"}}


class Encoder(nn.Module):
    """All that training mode changes: batch norm and dropout."""

    def __init__(self, modality, in_dim, dim, tokens=1):
        super().__init__()
        self.modality, self.dim, self.tokens, self.preprocessing = modality, dim, tokens, {}
        self.layers = nn.Sequential(nn.Linear(in_dim, dim), nn.BatchNorm1d(dim), nn.Dropout(0.1))

    def forward(self, inputs):
        return self.layers(inputs)


def model(fusion="tirg", freeze=(), normalize=True):
    torch.manual_seed(0)
    sizes = {"image_dim": IMAGE_DIM, "text_dim": TEXT_DIM, "image_tokens": 4, "text_tokens": 1}
    return ComposedEncoder(
        image_encoder=Encoder(IMAGE, PIXELS, IMAGE_DIM, tokens=4),
        text_encoder=Encoder(TEXT, WORDS, TEXT_DIM),
        image_head=LinearHead(in_dim=IMAGE_DIM, dim=DIM),
        text_head=LinearHead(in_dim=TEXT_DIM, dim=DIM),
        fusion=FUSIONS[fusion](dim=DIM, **sizes),
        freeze=freeze,
        normalize=normalize,
    )


def queries(batch=5):
    generator = torch.Generator().manual_seed(1)
    return {
        "image": torch.randn(batch, PIXELS, generator=generator),
        "text": torch.randn(batch, WORDS, generator=generator),
    }


@pytest.mark.parametrize("name", FUSIONS)
def test_inputs_and_their_features_give_the_same_unit_norm_embeddings(name):
    composed, inputs = model(name).eval(), queries()
    embedded = composed.embed(COMPOSED, inputs)
    assert embedded.shape == (5, DIM)
    torch.testing.assert_close(embedded.norm(dim=1), torch.ones(5))
    features = {side: composed.encoder(Modality(side))(inputs[side]) for side in ("image", "text")}
    torch.testing.assert_close(composed.embed_features(COMPOSED, features), embedded)


def test_fusions_on_projections_take_the_heads_outputs():
    composed, inputs = model("sum", normalize=False).eval(), queries()
    expected = composed.project(IMAGE, inputs["image"]) + composed.project(TEXT, inputs["text"])
    torch.testing.assert_close(composed.embed(COMPOSED, inputs), expected)


def test_fusions_on_features_take_the_encoders_outputs():
    composed, inputs = model("gated_last_conv", normalize=False).eval(), queries()
    sides = (composed.encoder(IMAGE)(inputs["image"]), composed.encoder(TEXT)(inputs["text"]))
    torch.testing.assert_close(composed.embed(COMPOSED, inputs), composed.fusion(*sides))


@pytest.mark.parametrize("name", ["text_only", "image_only"])
def test_a_baseline_embeds_queries_as_its_side(name):
    composed, inputs = model(name).eval(), queries()
    side = Modality(name.removesuffix("_only"))
    torch.testing.assert_close(composed.embed(COMPOSED, inputs), composed.embed(side, inputs[side]))


def test_targets_are_embedded_as_a_dual_encoder_does():
    composed, image = model().eval(), queries()["image"]
    expected = nn.functional.normalize(composed.image_head(composed.image_encoder(image)), dim=1)
    torch.testing.assert_close(composed.embed(IMAGE, image), expected)


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("frozen", ["", *ComposedEncoder.PARTS])
def test_all_that_learns_gets_a_gradient_and_no_other(name, frozen):
    """What DistributedDataParallel asks for: a parameter without a gradient stops it."""
    composed = model(name, freeze=[frozen] if frozen else []).train()
    inputs = queries()
    target = composed.embed(IMAGE, torch.randn(5, PIXELS))
    loss = (target * composed.embed(COMPOSED, inputs)).sum()
    if loss.requires_grad:
        loss.backward()
    still = UNREACHED.get(name, set()) | {frozen}
    for parameter_name, parameter in composed.named_parameters():
        learns = parameter_name.partition(".")[0] not in still
        assert parameter.requires_grad == learns, parameter_name
        assert (parameter.grad is not None) == learns, parameter_name


def test_thawing_does_not_wake_what_nothing_reaches():
    composed = model("image_only", freeze=["image_encoder", "text_head"])
    composed.set_frozen([])
    learning = {name.partition(".")[0] for name, p in composed.named_parameters() if p.requires_grad}
    assert learning == {"image_encoder", "image_head"}


def test_a_frozen_fusion_keeps_its_weights_and_statistics():
    composed = model(freeze=["fusion"]).train()
    before = {name: value.clone() for name, value in composed.fusion.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in composed.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        composed.eval()
        composed.train()
        composed.embed(COMPOSED, queries()).sum().backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in composed.fusion.state_dict().items())


def test_features_of_queries_are_constant_when_both_encoders_are_frozen():
    assert model(freeze=["image_encoder", "text_encoder"]).has_frozen_encoder(COMPOSED)
    assert not model(freeze=["image_encoder"]).has_frozen_encoder(COMPOSED)
    assert model(freeze=["image_encoder"]).has_frozen_encoder(IMAGE)


def test_queries_without_a_side_are_told():
    composed = model()
    with pytest.raises(DataError, match=r"need inputs .*not the keys \['image'\]"):
        composed.embed(COMPOSED, {"image": torch.zeros(2, PIXELS)})
    with pytest.raises(DataError, match="not a tensor"):
        composed.embed_features(COMPOSED, torch.zeros(2, IMAGE_DIM))


def test_an_unknown_part_is_named():
    with pytest.raises(ConfigError, match=r"no part 'fusoin'; did you mean 'fusion'\?"):
        model(freeze=["fusoin"])
