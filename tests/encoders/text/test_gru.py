import pickle

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from xmr.core.errors import ConfigError, DataError
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.probes import embed
from xmr.encoders.text.gru import GRUText, MeanWordVectors
from xmr.encoders.text.vocabulary import (
    FIRST_WORD,
    PADDING,
    UNKNOWN,
    FitsVocabulary,
    WordTokenizer,
    coverage_report,
)

WORDS = ["a", "dog", "runs", "cat", "sleeps", "do", "n't", "'s", ".", "two-story", "house", "ice", "cream"]
TRAIN = ["A dog runs.", "a cat sleeps"]
TEXTS = ["a dog runs", "dog", "a cat sleeps. a dog runs . a dog", "zzz qqq"]


@pytest.fixture
def vectors(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, matrix, strict=True)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "vectors.txt")


@pytest.fixture
def encoder(vectors):
    torch.manual_seed(0)
    return GRUText(vectors=vectors, dim=16)


def test_words_are_cut_as_gloves_tokeniser_does_and_only_when_unknown():
    tokenizer = WordTokenizer(WORDS, lowercase=True, max_length=9)
    assert tokenizer.split("The dog's two-story ice-cream house") == (
        ["the", "dog", "'s", "two-story", "ice", "-", "cream", "house"]
    )
    assert tokenizer.split("Don’t DON'T!") == ["do", "n't", "do", "n't", "!"]
    assert WordTokenizer(WORDS, lowercase=False, max_length=9).split("A dog") == ["A", "dog"]


def test_tokens_are_padded_truncated_and_never_empty():
    tokenizer = WordTokenizer(WORDS, lowercase=True, max_length=3)
    inputs = tokenizer(["a dog runs fast", "dog", ""])
    row = tokenizer.rows
    assert inputs["input_ids"].tolist() == [
        [row["a"], row["dog"], row["runs"]],
        [row["dog"], PADDING, PADDING],
        [UNKNOWN, PADDING, PADDING],
    ]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert tokenizer([])["input_ids"].shape == (0, 0)


def test_features_are_the_last_states_of_packed_sequences(encoder):
    inputs = encoder.prepare(TEXTS)
    lengths = inputs["attention_mask"].sum(1)
    packed = pack_padded_sequence(
        encoder.table(inputs["input_ids"]), lengths, batch_first=True, enforce_sorted=False
    )
    with torch.no_grad():
        _, last = encoder.gru(packed)
    assert torch.allclose(embed(encoder, TEXTS), last[-1], atol=1e-6)


def test_features_do_not_depend_on_the_rest_of_the_batch(encoder):
    alone = torch.cat([embed(encoder, [text]) for text in TEXTS])
    assert torch.allclose(embed(encoder, TEXTS), alone, atol=1e-6)


def test_only_training_words_stay_known(encoder):
    assert isinstance(encoder, FitsVocabulary)
    before = embed(encoder, ["a dog runs"])
    encoder.fit_vocabulary(TRAIN)
    assert list(encoder.prepare.rows) == ["a", "dog", "runs", "cat", "sleeps", "."]
    assert encoder.table.weight.shape == (FIRST_WORD + 6, 6)
    assert torch.equal(embed(encoder, ["a dog runs"]), before)
    assert torch.equal(embed(encoder, ["house"]), embed(encoder, ["zzz"]))


def test_a_new_encoder_loads_a_fitted_one_with_its_vocabulary(encoder, vectors, tmp_path):
    encoder.fit_vocabulary(TRAIN)
    torch.nn.init.normal_(encoder.table.weight)
    torch.save(encoder.state_dict(), tmp_path / "state.pt")
    fresh = GRUText(vectors=vectors, dim=16)
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(embed(fresh, TEXTS), embed(encoder, TEXTS))
    assert fresh.preprocessing == encoder.preprocessing
    assert encoder_fingerprint(fresh) == encoder_fingerprint(encoder)


def test_loading_works_inside_another_module_and_keeps_the_parameter_when_words_agree(encoder, vectors):
    encoder.fit_vocabulary(TRAIN)
    model = torch.nn.ModuleDict({"text": encoder})
    other = torch.nn.ModuleDict({"text": GRUText(vectors=vectors, dim=16)})
    other["text"].fit_vocabulary(TRAIN)
    parameter = other["text"].table.weight  # an optimizer may hold it already
    other.load_state_dict(model.state_dict())
    assert other["text"].table.weight is parameter
    assert torch.equal(embed(other["text"], TEXTS), embed(encoder, TEXTS))


def test_vectors_are_trained_or_not_as_asked_and_padding_never(vectors):
    trained = GRUText(vectors=vectors, dim=16)
    trained(trained.prepare(TEXTS)).sum().backward()
    gradient = trained.table.weight.grad
    assert gradient[trained.prepare.rows["dog"]].abs().sum() > 0
    assert gradient[PADDING].abs().sum() == 0
    frozen = GRUText(vectors=vectors, dim=16, train_vectors=False)
    assert "table.weight" not in dict(frozen.named_parameters())
    assert "table.weight" in frozen.state_dict()


def test_texts_of_another_language_are_refused(encoder):
    with pytest.raises(DataError, match="no training word has a vector"):
        encoder.fit_vocabulary(["собака бежит"])


def test_words_without_a_vector_are_counted(encoder):
    report = coverage_report(encoder.prepare, ["A dog runs zzz zzz", "qqq"])
    assert report == (
        "5 distinct words in 2 texts, 2 without a vector (50.00% of all words): 'zzz' x2, 'qqq' x1"
    )
    assert "0 without a vector (0.00% of all words)" in coverage_report(encoder.prepare, TRAIN)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_mean_and_sum_are_over_the_known_words_alone(vectors, pooling):
    encoder = MeanWordVectors(vectors=vectors, pooling=pooling)
    table, row = encoder.table.weight, encoder.prepare.rows
    rows = torch.stack([table[row["a"]], table[row["dog"]]])
    features = embed(encoder, ["a zzz dog", "a dog runs", "zzz"])
    assert torch.allclose(features[0], rows.mean(0) if pooling == "mean" else rows.sum(0))
    assert features[2].abs().sum() == 0
    assert not list(encoder.parameters())


def test_prepare_travels_to_a_worker(encoder):
    copied = pickle.loads(pickle.dumps(encoder.prepare))
    assert torch.equal(copied(TEXTS)["input_ids"], encoder.prepare(TEXTS)["input_ids"])


def test_impossible_settings_are_refused(vectors):
    with pytest.raises(ConfigError, match="did you mean 'mean'"):
        MeanWordVectors(vectors=vectors, pooling="meen")
    with pytest.raises(ConfigError, match="dim=0"):
        GRUText(vectors=vectors, dim=0)
