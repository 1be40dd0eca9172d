import io

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from xmr.core.types import Modality
from xmr.encoders.image.efficientnet_lite import EfficientNetLite
from xmr.encoders.transforms import ImageTransform
from xmr.pipelines.doctor.encoder import check_encoder, record_golden


def diagnose(encoder, **settings):
    output = io.StringIO()
    problems = check_encoder(encoder, console=Console(file=output, width=300), **settings)
    return problems, output.getvalue()


@pytest.fixture(scope="module")
def lite0():
    return EfficientNetLite()


@pytest.fixture
def prepared_as(lite0):
    """The encoder with other preprocessing, put right again afterwards."""
    right = lite0.prepare, lite0.preprocessing

    def change(**settings):
        lite0.prepare = ImageTransform(**settings)
        lite0.preprocessing = {"name": "efficientnet-lite0", **lite0.prepare.describe()}
        return lite0

    yield change
    lite0.prepare, lite0.preprocessing = right


def test_a_sound_encoder_has_no_problem_and_shows_its_facts(lite0):
    problems, output = diagnose(lite0)
    assert problems == []
    for fact in (
        "1280",
        "3,371,008",
        "bicubic",
        "golden features 'efficientnet_lite0': off by",
        "ms per item",
    ):
        assert fact in output


RIGHT = {"mean": (0.498,) * 3, "std": (0.502,) * 3}


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({**RIGHT, "colour_order": "BGR"}, "colour_order: BGR (golden: RGB)"),
        # the range bug: 0..255 where 0..1 is expected, seen as a mean and std 255 times too small
        ({"mean": (0.498 / 255,) * 3, "std": (0.502 / 255,) * 3}, "mean: "),
    ],
)
def test_wrong_preprocessing_is_found_and_named(prepared_as, settings, shown):
    problems, _ = diagnose(prepared_as(**settings))
    golden = [problem for problem in problems if "differ from golden" in problem]
    assert len(golden) == 1
    assert shown in golden[0]


class Toy(nn.Module):
    """Mean colour per picture; each broken version overrides one step."""

    modality = Modality.IMAGE
    dim = 3

    def __init__(self):
        super().__init__()
        self.prepare = ImageTransform(crop=16, resize=16)
        self.preprocessing = self.prepare.describe()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, inputs):
        return inputs.mean((2, 3)) * self.scale


class Random(Toy):
    def forward(self, inputs):
        return super().forward(inputs) + torch.rand(3)


class Companions(Toy):
    def forward(self, inputs):
        features = super().forward(inputs)
        return features - features.mean(0) * 0.5


class Collapsed(Toy):
    def forward(self, inputs):
        return super().forward(inputs) * 1e-7 + 1


class Grey(Toy):
    def __init__(self):
        super().__init__()
        self.prepare = ImageTransform(crop=16, resize=16, mean=(0.5,) * 3, std=(0.5,) * 3)

    def forward(self, inputs):
        return super().forward(inputs.mean(1, keepdim=True).expand(-1, 3, -1, -1))


class NotFinite(Toy):
    def forward(self, inputs):
        return super().forward(inputs) * torch.tensor([1, 1, np.nan])


class WrongDim(Toy):
    dim = 5


class AllZero(Toy):
    def forward(self, inputs):
        return super().forward(inputs) * 0


class DragsWeights(Toy):
    def __init__(self):
        super().__init__()
        self.register_buffer("big", torch.zeros(10_000_000))
        transform = self.prepare
        self.prepare = HeavyPrepare(transform, self.big)


class HeavyPrepare:
    def __init__(self, transform, big):
        self.transform, self.big = transform, big

    def __call__(self, raw):
        return self.transform(raw)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Random, "not deterministic"),
        (Companions, "depend on the batch"),
        (Collapsed, "collapsed"),
        (AllZero, "collapsed"),
        (Grey, "blind to colour"),
        (NotFinite, "4 of 12 feature values are NaN or infinite"),
        (WrongDim, r"features are (4, 3), not (4, 5)"),
        (DragsWeights, "it drags the weights along"),
    ],
)
def test_each_fault_is_found(broken, message):
    assert diagnose(Toy())[0] == []
    problems, output = diagnose(broken())
    assert any(message in problem for problem in problems)
    assert message in output


def test_without_golden_features_it_says_what_is_not_checked(tmp_path):
    problems, output = diagnose(Toy(), golden_dir=tmp_path)
    assert problems == []
    assert "NOT checked" in output


def test_a_recorded_golden_catches_a_later_change(tmp_path):
    toy = Toy()
    record_golden(toy, name="toy", golden_dir=tmp_path)
    assert diagnose(toy, golden_dir=tmp_path)[0] == []
    toy.prepare = ImageTransform(crop=16, resize=16, colour_order="BGR")
    problems, _ = diagnose(toy, golden_dir=tmp_path)
    # its `preprocessing` still says RGB: the features tell
    assert "settings that differ: none, so the code does" in problems[0]


def test_training_mode_is_left_as_it_was():
    toy = Toy()
    diagnose(toy.train())
    assert toy.training
    diagnose(toy.eval())
    assert not toy.training
