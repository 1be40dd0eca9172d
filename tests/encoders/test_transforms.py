import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from xmr.core.errors import ConfigError, DataError
from xmr.encoders.transforms import IMAGENET_MEAN, IMAGENET_STD, ImageTransform

SHAPES = [(375, 500), (500, 375), (224, 224), (257, 256), (60, 90), (900, 71), (601, 800)]


def picture(height, width):
    y, x = np.mgrid[:height, :width]
    planes = [128 + 120 * np.sin(x / 9), 128 + 120 * np.cos(y / 13), 128 + 100 * np.sin((x + y) / 17)]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def by_torchvision(image, *, crop, resize, mode):
    steps = [
        transforms.Resize(resize, mode),
        transforms.CenterCrop(crop),
        transforms.ToTensor(),
        transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
    return transforms.Compose(steps)(image)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_equals_torchvision_to_two_grey_levels(shape, mode):
    image = picture(*shape)
    ours = ImageTransform(crop=224, resize=256, interpolation=mode)([image])[0]
    theirs = by_torchvision(image, crop=224, resize=256, mode=transforms.InterpolationMode(mode))
    grey_levels = (ours - theirs).abs() * torch.tensor(IMAGENET_STD).view(3, 1, 1) * 255
    assert grey_levels.max() < 2.01
    assert grey_levels.mean() < 0.05


def test_resize_none_squashes_the_whole_picture():
    image = picture(100, 300)
    ours = ImageTransform(crop=64, resize=None, mean=(0,) * 3, std=(1,) * 3)([image])[0]
    theirs = transforms.ToTensor()(image.resize((64, 64), Image.Resampling.BICUBIC))
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_bgr_puts_the_blue_plane_first_and_its_mean_with_it():
    red = Image.new("RGB", (30, 30), (255, 0, 0))
    bgr = ImageTransform(crop=8, resize=8, colour_order="BGR", mean=(0.1, 0.2, 0.3), std=(1,) * 3)([red])
    assert torch.allclose(bgr[0].mean((1, 2)), torch.tensor([-0.1, -0.2, 0.7]))


def test_reducing_gap_changes_a_huge_picture_little_and_is_recorded():
    image = picture(1200, 1500)
    exact, fast = ImageTransform(), ImageTransform(reducing_gap=2.0)
    assert (exact([image]) - fast([image])).abs().max() < 0.1
    assert exact.describe() != fast.describe()


def test_survives_pickling_and_takes_an_empty_batch():
    transform = ImageTransform(crop=16, resize=16)
    copied = pickle.loads(pickle.dumps(transform))
    assert torch.equal(copied([picture(20, 30)]), transform([picture(20, 30)]))
    assert transform([]).shape == (0, 3, 16, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 300, "resize": 256}, "resize=256 < crop=300"),
        ({"interpolation": "bicubik"}, "did you mean 'bicubic'"),
        ({"colour_order": "GBR"}, "use RGB or BGR"),
        ({"crop": 0}, "crop=0"),
        ({"std": (0.2, 0.0, 0.2)}, "std=0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ImageTransform(**settings)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_a_picture_that_is_not_rgb_is_refused(mode):
    with pytest.raises(DataError, match=f"picture 1 of the batch has mode {mode}"):
        ImageTransform()([picture(40, 40), picture(40, 40).convert(mode)])
