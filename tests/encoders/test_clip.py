import shutil

import pytest
import torch
import transformers

from xmr.core.errors import ConfigError, DataError
from xmr.encoders.clip import ClipImage, ClipText, checkpoint_bias, checkpoint_temperature
from xmr.encoders.probes import embed, probe_pictures

TEXTS = ["A cat!", "a CAT on a mat and a dog that ran after it, far too long for sixteen tokens"]


@pytest.fixture(params=["tiny_clip", "tiny_siglip"])
def folder(request):
    return request.getfixturevalue(request.param)


def test_image_features_are_the_models_own(folder):
    encoder = ClipImage(name_or_path=str(folder))
    features = embed(encoder, probe_pictures())

    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(probe_pictures(), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        theirs = model.get_image_features(pixels).pooler_output
        same_pixels = model.get_image_features(encoder.prepare(probe_pictures())).pooler_output
    assert torch.allclose(features, same_pixels, atol=1e-6)
    # Pillow rounds to grey levels in another place
    assert (encoder.prepare(probe_pictures()) - pixels).abs().max() < 0.03
    assert torch.allclose(features, theirs, atol=0.02 * float(theirs.abs().mean()))
    assert features.shape == (4, encoder.dim)


def test_text_features_are_the_models_own(folder):
    features = embed(ClipText(name_or_path=str(folder)), TEXTS)

    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        theirs = model.get_text_features(input_ids=tokens["input_ids"]).pooler_output
    assert torch.allclose(features, theirs, atol=1e-5)


def test_text_features_do_not_depend_on_the_rest_of_the_batch(folder):
    encoder = ClipText(name_or_path=str(folder))
    alone = torch.cat([embed(encoder, [text]) for text in TEXTS])
    assert torch.allclose(embed(encoder, TEXTS), alone, atol=1e-5)
    assert encoder.dim == alone.shape[1] == ClipImage(name_or_path=str(folder)).dim


def test_siglip_always_pads_to_full_length_and_lower_cases(tiny_siglip):
    encoder = ClipText(name_or_path=str(tiny_siglip))
    upper, lower = encoder.prepare(["A Cat sat"]), encoder.prepare(["a cat sat"])
    assert upper["input_ids"].shape == (1, 16)
    assert torch.equal(upper["input_ids"], lower["input_ids"])
    assert encoder.preprocessing["padding"] == "max_length"


def test_a_folder_without_image_settings_is_named(tiny_clip, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_clip / name, tmp_path)
    with pytest.raises(DataError, match="has no usable ImageProcessor"):
        ClipImage(name_or_path=str(tmp_path))


def test_a_model_with_one_tower_is_refused(tiny_bert):
    with pytest.raises(ConfigError, match="is a bert model; use one of clip, siglip"):
        ClipText(name_or_path=str(tiny_bert))


@pytest.mark.parametrize("safe", [True, False])
def test_temperature_and_bias_are_the_checkpoints(tiny_siglip, tmp_path, safe):
    model = transformers.AutoModel.from_pretrained(tiny_siglip)
    with torch.no_grad():
        model.logit_scale.fill_(4.6052)
        model.logit_bias.fill_(-12.5)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    if not safe:
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
        for file in tmp_path.glob("*.safetensors*"):
            file.unlink()
    assert checkpoint_temperature(name_or_path=str(tmp_path)) == 0.01
    assert checkpoint_bias(name_or_path=str(tmp_path)) == -12.5


def test_a_bias_that_the_checkpoint_lacks_is_named(tiny_clip):
    with pytest.raises(DataError, match="has no logit_bias; give the loss a number"):
        checkpoint_bias(name_or_path=str(tiny_clip))
