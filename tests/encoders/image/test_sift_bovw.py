import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.protocols import Encoder
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.image import sift
from xmr.encoders.image.sift_bovw import FitsImages, SiftBoVW
from xmr.encoders.probes import embed
from xmr.encoders.text.gru import MeanWordVectors

pytest.importorskip("cv2", reason="the extra `fusion` (opencv-python-headless) is not installed")

PLAIN = Image.new("RGB", (64, 64), (90, 90, 90))
NOISE = np.random.default_rng(0).integers(0, 256, (4, 12, 16, 3)).astype(np.uint8)
BLOBS = [
    Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)
    for noise, size in zip(NOISE, (96, 128, 160, 300), strict=True)
]


@pytest.fixture
def encoder():
    encoder = SiftBoVW(words=8, size=128)
    encoder.fit_images(BLOBS)
    return encoder


def test_histograms_count_the_nearest_words_by_loops(encoder):
    features = embed(encoder, BLOBS)
    vocabulary = encoder.vocabulary.double().numpy()
    for row, picture in zip(features, BLOBS, strict=True):
        counts = np.zeros(8)
        for descriptor in encoder.prepare.descriptors(picture).astype(float):
            counts[np.argmin([((descriptor - word) ** 2).sum() for word in vocabulary])] += 1
        assert np.allclose(row.numpy(), counts / np.linalg.norm(counts), atol=1e-6)
    assert features.shape == (4, encoder.dim) == (4, 8)


def test_features_do_not_depend_on_the_rest_of_the_batch(encoder):
    pictures = [*BLOBS, PLAIN]
    alone = torch.cat([embed(encoder, [picture]) for picture in pictures])
    assert torch.allclose(embed(encoder, pictures), alone, atol=1e-6)


def test_a_picture_without_keypoints_has_the_uniform_histogram(encoder):
    assert encoder.prepare([PLAIN])["descriptors"].shape == (1, 0, 128)
    assert torch.allclose(embed(encoder, [PLAIN]), torch.full((1, 8), 8**-0.5))


def test_vocabulary_is_that_of_the_images_and_the_seed(encoder):
    assert isinstance(encoder, FitsImages)
    assert isinstance(encoder, Encoder)
    assert not isinstance(MeanWordVectors, FitsImages)
    again, other = SiftBoVW(words=8, size=128), SiftBoVW(words=8, size=128)
    again.fit_images(iter(BLOBS))
    other.fit_images(BLOBS[:3])
    names = [encoder_fingerprint(one) for one in (encoder, again, other)]
    assert names[0] == names[1] != names[2]
    assert not list(encoder.parameters())


def test_a_checkpoint_holds_the_vocabulary(encoder):
    fresh = SiftBoVW(words=8, size=128)
    fresh.load_state_dict(encoder.state_dict())
    assert torch.equal(embed(fresh, BLOBS), embed(encoder, BLOBS))


def test_an_unfitted_encoder_says_so():
    with pytest.raises(DataError, match="not fitted; call fit_images"):
        embed(SiftBoVW(words=8), BLOBS)


def test_too_few_descriptors_are_refused():
    with pytest.raises(DataError, match=r"words=300 > \d+ SIFT descriptors of 2 training images"):
        SiftBoVW(words=300, size=64).fit_images(BLOBS[:2])
    with pytest.raises(DataError, match="words=4 > 0 SIFT descriptors of 1"):
        SiftBoVW(words=4).fit_images([PLAIN])


def test_descriptors_are_at_most_those_asked_for_and_travel_to_a_worker():
    prepare = SiftBoVW(words=8, keypoints=10, size=128).prepare
    inputs = prepare(BLOBS)
    assert inputs["descriptors"].shape == (4, 10, 128)
    assert inputs["descriptors"].dtype == torch.uint8
    assert inputs["mask"].all(1).any()
    copied = pickle.loads(pickle.dumps(prepare))(BLOBS)
    assert torch.equal(copied["descriptors"], inputs["descriptors"])


def test_without_opencv_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(sift, "find_spec", lambda name: None)
    with pytest.raises(MissingFilesError, match=r"xmr\[fusion\]"):
        SiftBoVW()


def test_impossible_settings_are_refused():
    for settings, message in (
        ({"words": 1}, "words=1"),
        ({"keypoints": 0}, "keypoints=0"),
        ({"size": 3}, "size=3"),
    ):
        with pytest.raises(ConfigError, match=message):
            SiftBoVW(**settings)
