import logging

import numpy as np
import pytest
import torch

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.protocols import Encoder
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.image.p1_cnn import P1CNN
from xmr.encoders.precomputed import Precomputed, PrecomputedFeatures

RANDOM = np.random.default_rng(0)
IDS = ["a/1.jpg", "a/2", "3.jpg", "4"]


def saved(folder, features, ids=IDS, name="features.npz"):
    np.savez(folder / name, ids=np.array(ids), features=features)
    return str(folder / name)


@pytest.fixture
def vectors(tmp_path):
    features = RANDOM.normal(size=(4, 5)).astype(np.float32)
    return features, saved(tmp_path, features)


def test_images_are_found_by_key_or_file_name_with_or_without_suffix(vectors):
    features, path = vectors
    encoder = Precomputed(modality="image", path=path)
    assert isinstance(encoder, PrecomputedFeatures)
    assert isinstance(encoder, Encoder)
    assert not isinstance(P1CNN(), PrecomputedFeatures)
    rows = encoder.rows(["b/4.png", "a/1.jpg", "a/2.jpg", "b/3.jpg", "a/1.jpg"])
    assert np.array_equal(rows, features[[3, 0, 1, 2, 0]])
    assert (rows.dtype, encoder.dim, encoder.tokens) == (np.float32, 5, 1)


def test_texts_are_found_by_themselves(tmp_path):
    features = RANDOM.normal(size=(2, 3))
    encoder = Precomputed(modality="text", path=saved(tmp_path, features, ["a dog.", "a cat/dog"]))
    assert np.array_equal(encoder.rows(["a cat/dog", "a dog."]), features[::-1].astype(np.float32))
    with pytest.raises(DataError, match="no features for 'a dog'"):
        encoder.rows(["a dog"])


def test_missing_keys_are_listed_in_one_error(vectors):
    encoder = Precomputed(modality="image", path=vectors[1])
    with pytest.raises(DataError, match="2 problems") as caught:
        encoder.rows(["5.jpg", "4.jpg", "6.jpg", "5.jpg"])
    assert "'5.jpg'" in str(caught.value)
    assert "'6.jpg'" in str(caught.value)
    assert "It has 4 ids" in str(caught.value)


def test_images_of_one_name_in_two_folders_never_share_features(vectors):
    encoder = Precomputed(modality="image", path=vectors[1])
    encoder.rows(["train/4.jpg", "3.jpg"])
    with pytest.raises(DataError, match=r"'train/4\.jpg' and 'test/4\.jpg' have one id, '4'"):
        encoder.rows(["test/4.jpg"])


def test_sets_are_padded_with_zeros_or_averaged_without_them(tmp_path):
    regions = [RANDOM.normal(size=(count, 3)).astype(np.float16) for count in (2, 1, 4)]
    for name, own in zip("abc", regions, strict=True):
        np.save(tmp_path / f"{name}.npy", own if len(own) > 1 else own[0])
    padded = np.zeros((3, 4, 3), np.float32)
    for row, own in enumerate(regions):
        padded[row, : len(own)] = own
    (tmp_path / "packed").mkdir()
    packed = saved(tmp_path / "packed", padded, list("abc"))
    means = np.stack([own.astype(np.float32).mean(0) for own in regions])
    for path in (str(tmp_path), packed):
        encoder = Precomputed(modality="image", path=path)
        assert (encoder.tokens, encoder.dim) == (4, 12)
        assert np.array_equal(encoder.rows(["a.jpg", "b.jpg", "c.jpg"]), padded.reshape(3, 12))
        mean = Precomputed(modality="image", path=path, pooling="mean")
        assert (mean.tokens, mean.dim) == (1, 3)
        assert np.allclose(mean.rows(["a.jpg", "b.jpg", "c.jpg"]), means, atol=1e-6)


def test_a_folders_ids_may_hold_folders(tmp_path):
    (tmp_path / "train").mkdir()
    np.save(tmp_path / "train" / "7.npy", np.arange(3.0))
    encoder = Precomputed(modality="image", path=str(tmp_path))
    assert encoder.rows(["train/7.jpg"]).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("level", [0.0, 300.0])
def test_features_that_are_the_same_for_all_items_are_refused(tmp_path, level):
    """What a detector gives for pixels of the wrong range: seed 003's chance-level row."""
    features = level + 1e-3 * level * 0.01 * RANDOM.normal(size=(4, 5))
    encoder = Precomputed(modality="image", path=saved(tmp_path, features))
    with pytest.raises(DataError, match=r"4 items have practically equal features.*colour order"):
        encoder.rows(IDS)
    assert encoder.rows(IDS[:1]).shape == (1, 5)


def test_small_but_real_differences_pass(tmp_path):
    features = 1.0 + 0.01 * RANDOM.normal(size=(4, 5))
    assert Precomputed(modality="image", path=saved(tmp_path, features)).rows(IDS).shape == (4, 5)


def test_broken_features_are_named(tmp_path):
    features = RANDOM.normal(size=(4, 5))
    features[1, 2], features[3, 0] = np.nan, np.inf
    encoder = Precomputed(modality="image", path=saved(tmp_path, features))
    with pytest.raises(DataError, match="2 problems") as caught:
        encoder.rows(IDS)
    assert "'4' has NaN or infinite values" in str(caught.value)
    assert encoder.rows(["3.jpg"]).shape == (1, 5)


def test_items_without_any_feature_are_counted(tmp_path, caplog):
    features = RANDOM.normal(size=(4, 5))
    features[2] = 0
    encoder = Precomputed(modality="image", path=saved(tmp_path, features))
    with caplog.at_level(logging.WARNING):
        encoder.rows([*IDS, "3.jpg"])
    assert "1 of 4 are all zero" in caplog.text


def test_new_inputs_are_refused_and_features_pass_through(vectors):
    encoder = Precomputed(modality="text", path=vectors[1])
    with pytest.raises(DataError, match="can't embed 1 new text inputs"):
        encoder.prepare(["a dog"])
    features = torch.randn(2, 5)
    assert torch.equal(encoder(features), features)


def test_fingerprint_is_that_of_the_content_and_the_pooling(vectors, tmp_path):
    features, path = vectors
    (tmp_path / "copy").mkdir()
    np.save(tmp_path / "copy" / "a.npy", features)
    encoders = [
        Precomputed(modality="image", path=path),
        Precomputed(modality="image", path=saved(tmp_path, features, name="same.npz")),
        Precomputed(modality="image", path=saved(tmp_path, features + 1, name="other.npz")),
        Precomputed(modality="image", path=path, pooling="mean"),
        Precomputed(modality="image", path=str(tmp_path / "copy")),
    ]
    names = [encoder_fingerprint(encoder) for encoder in encoders]
    assert names[0] == names[1]
    assert len(set(names)) == 4


def test_files_that_are_no_features_say_what_was_expected(tmp_path):
    cases = {
        "ids differ": saved(tmp_path, np.zeros((3, 2)), name="a.npz"),
        "twice": saved(tmp_path, np.zeros((2, 2)), ["x", "x"], name="b.npz"),
        "flat": saved(tmp_path, np.zeros(4), name="c.npz"),
    }
    np.savez(tmp_path / "d.npz", features=np.zeros((2, 2)))
    (tmp_path / "e.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "f.npz", ids=np.array(["x", 1], dtype=object), features=np.zeros((2, 2)))
    cases |= {name: str(tmp_path / f"{name}.npz") for name in "def"}
    messages = {
        "ids differ": r"ids \(4,\) and features \(3, 2\)",
        "twice": "'x' appears more than once",
        "flat": r"features \(4,\); expected",
        "d": r"can't be read.*np\.savez",
        "e": r"can't be read.*np\.savez",
        "f": r"can't be read.*dtype=str",
    }
    for name, path in cases.items():
        with pytest.raises(DataError, match=messages[name]):
            Precomputed(modality="image", path=path)


def test_folders_that_hold_no_features_say_what_was_expected(tmp_path):
    with pytest.raises(MissingFilesError, match=r"the folder has no \.npy file"):
        Precomputed(modality="image", path=str(tmp_path))
    with pytest.raises(MissingFilesError, match="do not exist"):
        Precomputed(modality="image", path=str(tmp_path / "none.npz"))
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.save(tmp_path / "b.npy", np.zeros(4))
    with pytest.raises(DataError, match="vectors of 4 values"):
        Precomputed(modality="image", path=str(tmp_path))
    (tmp_path / "b.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"b\.npy can't be read"):
        Precomputed(modality="image", path=str(tmp_path))


def test_unknown_settings_are_refused(vectors):
    with pytest.raises(ConfigError, match="unknown modality='composed'"):
        Precomputed(modality="composed", path=vectors[1])
    with pytest.raises(ConfigError, match="did you mean 'mean'"):
        Precomputed(modality="image", path=vectors[1], pooling="meen")
