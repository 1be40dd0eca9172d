"""Each fusion against its formula, element by element in float64."""

import pytest
import torch

from tests.models.fusion import references as loop
from xmr.models.fusion.combiner import Combiner
from xmr.models.fusion.concat import Concat
from xmr.models.fusion.gated import Gated
from xmr.models.fusion.gated_last_conv import GatedLastConv
from xmr.models.fusion.one_side import OneSide
from xmr.models.fusion.sum import Sum
from xmr.models.fusion.tirg import TIRG
from xmr.models.fusion.tirg_last_conv import TIRGLastConv
from xmr.models.fusion.visualbert import VisualBERT

B, D = 5, 4
SIDE, C, T = 3, 3, 2


def built(kind, *, training=True, **settings):
    """The fusion in float64, its batch norms and weights away from where they start."""
    torch.manual_seed(0)
    sizes = {"dim": D, "image_dim": 6, "text_dim": 5, "image_tokens": 1, "text_tokens": 1}
    fusion = kind(**(sizes | settings)).double().train(training)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
        for name, buffer in fusion.named_buffers():
            if buffer.is_floating_point():
                buffer += torch.rand_like(buffer) if name.endswith("var") else torch.randn_like(buffer)
    return fusion


def vectors(*widths, batch=B):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, width, generator=generator, dtype=torch.float64) for width in widths]


def on_map(kind, **settings):
    return built(kind, image_dim=SIDE * SIDE * C, image_tokens=SIDE * SIDE, text_dim=T, **settings)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_gated(inside, training):
    fusion, (image, text) = built(Gated, inside=inside, training=training), vectors(D, D)
    joined = [i + t for i, t in zip(image.tolist(), text.tolist(), strict=True)]
    gate = loop.branch(joined, fusion.gate.layers, training)
    weight = float(fusion.weight.detach())
    expected = [
        [
            weight
            * (loop.sigmoid(gate[b][d] * image[b, d]) if inside else loop.sigmoid(gate[b][d]) * image[b, d])
            for d in range(D)
        ]
        for b in range(B)
    ]
    torch.testing.assert_close(fusion(image, text), loop.tensor(expected))


@pytest.mark.parametrize("training", [True, False])
def test_tirg(training):
    fusion, (image, text) = built(TIRG, training=training), vectors(D, D)
    joined = [i + t for i, t in zip(image.tolist(), text.tolist(), strict=True)]
    gate = loop.branch(joined, fusion.gate.layers, training)
    residual = loop.branch(joined, fusion.residual.layers, training)
    a = fusion.weights.tolist()
    expected = [
        [a[0] * loop.sigmoid(gate[b][d]) * float(image[b, d]) + a[1] * residual[b][d] for d in range(D)]
        for b in range(B)
    ]
    torch.testing.assert_close(fusion(image, text), loop.tensor(expected))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_gated_last_conv(inside, training):
    fusion, (image, text) = on_map(GatedLastConv, inside=inside, training=training), vectors(SIDE**2 * C, T)
    maps = loop.image_maps(image, SIDE)
    gate = loop.map_branch(loop.joined_maps(maps, text), fusion.gate.layers, training)
    weight = float(fusion.weight.detach())

    def value(g, x):
        return weight * (loop.sigmoid(g * x) if inside else loop.sigmoid(g) * x)

    composed = [
        [
            [[value(gate[b][y][x][c], maps[b][y][x][c]) for c in range(C)] for x in range(SIDE)]
            for y in range(SIDE)
        ]
        for b in range(B)
    ]
    expected = loop.linear(loop.pooled(composed), fusion.project)
    torch.testing.assert_close(fusion(image, text), loop.tensor(expected))


@pytest.mark.parametrize("training", [True, False])
def test_tirg_last_conv(training):
    fusion, (image, text) = on_map(TIRGLastConv, training=training), vectors(SIDE**2 * C, T)
    maps = loop.image_maps(image, SIDE)
    joined = loop.joined_maps(maps, text)
    gate = loop.map_branch(joined, fusion.gate.layers, training)
    residual = loop.map_branch(joined, fusion.residual.layers, training)
    a = fusion.weights.tolist()
    composed = [
        [
            [
                [
                    a[0] * loop.sigmoid(gate[b][y][x][c]) * maps[b][y][x][c] + a[1] * residual[b][y][x][c]
                    for c in range(C)
                ]
                for x in range(SIDE)
            ]
            for y in range(SIDE)
        ]
        for b in range(B)
    ]
    expected = loop.linear(loop.pooled(composed), fusion.project)
    torch.testing.assert_close(fusion(image, text), loop.tensor(expected))


def test_combiner():
    fusion, (image, text) = built(Combiner, projection=0.5, hidden=1.5, training=False), vectors(D, D)
    sides = [
        loop.relu(loop.linear(rows.tolist(), layers[0]))
        for rows, layers in ((image, fusion.image), (text, fusion.text))
    ]
    joined = [i + t for i, t in zip(*sides, strict=True)]
    assert len(joined[0]) == 2 * 2
    value = loop.linear(loop.relu(loop.linear(joined, fusion.joint[0])), fusion.joint[-1])
    mixture = loop.linear(loop.relu(loop.linear(joined, fusion.mixture[0])), fusion.mixture[-2])
    expected = []
    for b in range(B):
        share = loop.sigmoid(mixture[b][0])
        expected.append(
            [value[b][d] + share * float(text[b, d]) + (1 - share) * float(image[b, d]) for d in range(D)]
        )
    torch.testing.assert_close(fusion(image, text), loop.tensor(expected))


def test_combiner_drops_in_training_only():
    fusion, (image, text) = built(Combiner), vectors(D, D)
    torch.manual_seed(0)
    first, second = fusion(image, text), fusion(image, text)
    assert not torch.equal(first, second)
    fusion.eval()
    assert torch.equal(fusion(image, text), fusion(image, text))


def test_sum_concat_and_baselines():
    image, text = vectors(D, D)
    added = [[float(image[b, d] + text[b, d]) for d in range(D)] for b in range(B)]
    torch.testing.assert_close(built(Sum)(image, text), loop.tensor(added))
    concat = built(Concat)
    joined = [i + t for i, t in zip(image.tolist(), text.tolist(), strict=True)]
    torch.testing.assert_close(concat(image, text), loop.tensor(loop.linear(joined, concat.linear)))
    assert torch.equal(built(OneSide, side="text")(image, text), text)
    assert torch.equal(built(OneSide, side="image")(image, text), image)


def visualbert(text_tokens=3, image_tokens=4, **settings):
    return built(
        VisualBERT,
        image_dim=image_tokens * C,
        image_tokens=image_tokens,
        text_dim=text_tokens * T,
        text_tokens=text_tokens,
        width=6,
        heads=2,
        layers=2,
        **({"training": False} | settings),
    )


@pytest.mark.parametrize("padded", [False, True])
def test_visualbert(padded):
    fusion, (image, text) = visualbert(), vectors(4 * C, 3 * T)
    if padded:
        text[0, T:] = 0  # one word
        text[1, 2 * T :] = 0  # two
        image[1, C : 2 * C] = 0  # a region in the middle is missing
        image[2] = 0  # no region at all
    expected = []
    position, segment = fusion.position.tolist(), fusion.segment.tolist()
    for b in range(B):
        words, regions = text[b].view(3, T).tolist(), image[b].view(4, C).tolist()
        spoken = [fusion.cls.tolist(), *loop.linear(words, fusion.text)]
        spoken = [loop.plus(loop.plus(v, p), segment[0]) for v, p in zip(spoken, position, strict=True)]
        seen = [loop.plus(v, segment[1]) for v in loop.linear(regions, fusion.image)]
        sequence = [loop.layer_norm(v, fusion.norm) for v in spoken + seen]
        attended = [True] + [any(x != 0 for x in v) for v in words + regions]
        for layer in fusion.transformer.layers:
            sequence = loop.transformer_layer(sequence, attended, layer)
        expected += loop.linear(sequence[:1], fusion.project)
    for grad in (True, False):  # torch takes another path without gradients
        with torch.set_grad_enabled(grad):
            torch.testing.assert_close(fusion(image, text), loop.tensor(expected))


def test_visualbert_does_not_see_padding():
    """A shorter text gives the same whatever the longest text of its data set is."""
    fusion, (image, text) = visualbert(), vectors(4 * C, 3 * T)
    text[:, T:] = 0
    expected = fusion(image, text)
    short = visualbert(text_tokens=1)
    state = fusion.state_dict()
    short.load_state_dict(state | {"position": state["position"][:2]})
    torch.testing.assert_close(short(image, text[:, :T].contiguous()), expected)


def test_visualbert_of_nothing_but_padding_is_finite():
    fusion = visualbert()
    zeros = torch.zeros(2, 4 * C).double(), torch.zeros(2, 3 * T).double()
    assert torch.isfinite(fusion(*zeros)).all()
    fusion.train()
    fusion(*zeros).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in fusion.parameters() if p.grad is not None)


def test_the_last_conv_gate_at_one_position_is_the_gate_of_vectors():
    conv = built(GatedLastConv, image_dim=D, text_dim=D)
    vector = built(Gated)
    state = {k: v for k, v in conv.state_dict().items() if not k.startswith("project")}
    vector.load_state_dict({k: v[:, :, 1, 1] if v.ndim == 4 else v for k, v in state.items()})
    image, text = vectors(D, D)
    torch.testing.assert_close(conv(image, text), conv.project(vector(image, text)))


def test_maps_are_read_row_by_row():
    """A change at one corner reaches its neighbours through the convolutions, and not the far corner."""
    fusion = on_map(TIRGLastConv, training=False)
    image, text = vectors(SIDE**2 * C, T, batch=1)
    image.requires_grad_()
    grid = image.view(1, SIDE, SIDE, C).permute(0, 3, 1, 2)
    tiled = text[:, :, None, None].expand(-1, -1, SIDE, SIDE)
    kernels = [layer for layer in fusion.modules() if isinstance(layer, torch.nn.Conv2d)]
    for layer in kernels:  # look one position to the left, and nowhere else
        layer.weight.data[:] = 0
        layer.weight.data[:, :, 1, 0] = torch.randn_like(layer.weight.data[:, :, 1, 0])
    fusion.weights.data = torch.tensor([0.0, 1.0]).double()
    composed = fusion.compose(grid, tiled)
    composed[0, :, 1, 2].sum().backward()
    touched = image.grad.view(SIDE, SIDE, C).abs().sum(2).nonzero().tolist()
    assert touched == [[1, 0]]
