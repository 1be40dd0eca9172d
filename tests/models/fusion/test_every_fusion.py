"""What every fusion of conf/fusion promises: found by looking, so that a new one is tested by being there."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from xmr.core.errors import ConfigError, DataError
from xmr.pipelines.cli import CONF
from xmr.pipelines.instantiate import instantiate

NAMES = sorted(path.stem for path in (CONF / "fusion").glob("*.yaml"))
SIZES = {"dim": 8, "image_dim": 4 * 6, "text_dim": 10, "image_tokens": 4, "text_tokens": 1}
READS_ONE = {"text_only": 1, "image_only": 0}


def built(name, **sizes):
    torch.manual_seed(0)
    return instantiate(OmegaConf.load(CONF / "fusion" / f"{name}.yaml"), **(SIZES | sizes))


def sides(fusion, batch=6, seed=1):
    widths = (SIZES["image_dim"], SIZES["text_dim"]) if fusion.on == "features" else (SIZES["dim"],) * 2
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, width, generator=generator, requires_grad=True) for width in widths]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("batch", [2, 7])
def test_shape_and_dtype(name, training, batch):
    fusion = built(name).train(training)
    out = fusion(*sides(fusion, batch))
    assert out.shape == (batch, SIZES["dim"])
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_both_sides_and_every_parameter(name):
    fusion = built(name)
    inputs = sides(fusion)
    (fusion(*inputs) * torch.randn(6, SIZES["dim"])).sum().backward()
    for position, side in enumerate(inputs):
        reaches = name not in READS_ONE or position == READS_ONE[name]
        assert (side.grad is not None and bool((side.grad.abs().sum(1) > 0).all())) == reaches
    assert all(parameter.grad is not None for parameter in fusion.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_fusion_and_the_same_output(name):
    first, second = built(name).eval(), built(name).eval()
    inputs = sides(first)
    assert torch.equal(first(*inputs), second(*inputs))
    assert torch.equal(first(*inputs), first(*inputs))


@pytest.mark.parametrize("name", NAMES)
def test_in_evaluation_a_row_does_not_depend_on_the_batch(name):
    fusion = built(name).eval()
    image, text = sides(fusion)
    whole = fusion(image, text)
    for row in range(len(whole)):
        torch.testing.assert_close(fusion(image[row : row + 1], text[row : row + 1]), whole[row : row + 1])


@pytest.mark.parametrize("name", NAMES)
def test_a_training_batch_of_one_works_or_says_why_not(name):
    fusion = built(name).train()
    inputs = sides(fusion, 1)
    norms = [m for m in fusion.modules() if isinstance(m, nn.BatchNorm1d)]
    if norms:  # of vectors: one value has no variance, which a map of several positions has
        with pytest.raises(DataError, match=r"batch of 1 query .*use batch_size >= 2"):
            fusion(*inputs)
    else:
        assert fusion(*inputs).shape == (1, SIZES["dim"])


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_checked(name):
    with pytest.raises(ConfigError, match="dim=0"):
        built(name, dim=0)
    with pytest.raises(ConfigError, match="image_dim=25 does not divide into image_tokens=4"):
        built(name, image_dim=25)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("last_conv")])
def test_last_conv_wants_a_square_map_and_one_text_vector(name):
    with pytest.raises(ConfigError, match=r"image_tokens=6 is no square map \(H = W\)"):
        built(name, image_tokens=6)
    with pytest.raises(ConfigError, match="text_tokens=2, but one text vector is tiled"):
        built(name, text_tokens=2)


@pytest.mark.parametrize(
    ("name", "setting", "value", "message"),
    [
        ("combiner", "dropout", 1.0, "dropout=1.0 is outside"),
        ("combiner", "hidden", 0, "hidden=0"),
        ("visualbert", "heads", 3, "width=256 does not divide into heads=3; use a multiple of 3"),
        ("visualbert", "layers", 0, "layers=0"),
        ("text_only", "side", "txet", "fusion.side='txet' is none of image, text"),
    ],
)
def test_settings_are_checked(name, setting, value, message):
    with pytest.raises(ConfigError, match=message):
        built(name, **{setting: value})
