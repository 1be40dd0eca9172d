import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize, one_hot

from xmr.core.errors import ConfigError, DataError
from xmr.core.protocols import Encoder
from xmr.data.dataset import Item, RetrievalDataset
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.probes import embed
from xmr.encoders.text import text_cnn
from xmr.encoders.text.text_cnn import LENGTH, Stage, TextCNN, random_offsets, shifted
from xmr.encoders.text.vocabulary import FIRST_WORD, PADDING, FitsVocabulary
from xmr.models.heads import DualPathHead

WORDS = ["a", "dog", "runs", "cat", "sleeps", ".", "The", "the"]
TEXTS = ["a dog runs", "dog", "zzz", " ".join(["the cat sleeps ."] * 7), " ".join(["a dog"] * 20)]


@pytest.fixture
def narrow(monkeypatch):
    """The paper's strides with 64 channels instead of 2048: what does not look at widths takes no time."""
    stages = (Stage(4, 2, 8, 1), Stage(16, 4, 16, 2), Stage(32, 8, 32, 2), Stage(64, 16, 64, 1))
    monkeypatch.setattr(text_cnn, "STAGES", stages)


@pytest.fixture
def vectors(tmp_path, narrow):
    matrix = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, matrix, strict=True)]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "vectors.txt")


def small(vectors, **settings):
    """One bottleneck a stage, and batch norms that are no identity."""
    torch.manual_seed(0)
    encoder = TextCNN(vectors=vectors, blocks=[1, 1, 1, 1], **settings)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return encoder


def test_word_layer_is_a_convolution_of_one_hot_words(vectors):
    encoder = small(vectors)
    nn.init.normal_(encoder.word.bias)
    ids = torch.tensor([[2, 5, 9, PADDING], [3, 3, PADDING, PADDING]])
    one_hots = one_hot(ids, len(encoder.word.weight)).float()
    one_hots[ids == PADDING] = 0
    assert torch.allclose(encoder.word(ids), one_hots @ encoder.word.weight + encoder.word.bias)


def by_loops(encoder, text, head=None):
    """The mean over all places of the features (or the head's outputs), one place at a time."""
    ids = encoder.prepare([text])["input_ids"][0].tolist()
    places = []
    for offset in range(LENGTH + 1 - len(ids)):
        row = [PADDING] * offset + ids + [PADDING] * (LENGTH - len(ids) - offset)
        features = encoder.features(torch.tensor([row]))
        places.append(features if head is None else head(features))
    return torch.cat(places).mean(0)


def test_test_features_are_the_mean_over_all_places_whatever_the_batch(vectors):
    encoder = small(vectors).double().eval()
    with torch.no_grad():
        together = encoder(encoder.prepare(TEXTS))
        for row, text in enumerate(TEXTS):
            assert torch.allclose(together[row], by_loops(encoder, text).float(), atol=1e-5)
    assert torch.isfinite(together).all()
    assert together.shape == (5, encoder.dim) == (5, 64)


def test_after_the_papers_head_they_point_where_its_sum_over_places_does(vectors):
    torch.manual_seed(1)
    encoder, head = small(vectors).double().eval(), DualPathHead(in_dim=64, dim=7).double().eval()
    nn.init.normal_(head.layers[1].running_mean)
    nn.init.normal_(head.layers[1].bias)
    with torch.no_grad():
        ours = normalize(head(encoder(encoder.prepare(TEXTS[:2])).double()), dim=1)
        sums = torch.stack([by_loops(encoder, text, head) for text in TEXTS[:2]])
    assert torch.allclose(ours, normalize(sums, dim=1), atol=1e-5)


def test_the_first_place_alone_when_asked(vectors):
    encoder = small(vectors, test_offsets="first").eval()
    ids = encoder.prepare(["a dog runs"])["input_ids"][0].tolist()
    row = torch.tensor([ids + [PADDING] * (LENGTH - len(ids))])
    with torch.no_grad():
        assert torch.equal(encoder(encoder.prepare(["a dog runs"])), encoder.features(row))
    assert encoder_fingerprint(encoder) != encoder_fingerprint(small(vectors))


def test_sentences_start_at_uniform_places_in_training():
    lengths = torch.tensor([29] * 4000 + [32] * 10 + [0] * 10)
    torch.manual_seed(0)
    offsets = random_offsets(lengths)
    counts = Counter(offsets[:4000].tolist())
    assert set(counts) == {0, 1, 2, 3}
    assert all(abs(count - 1000) < 150 for count in counts.values())
    assert (offsets[4000:4010] == 0).all()
    torch.manual_seed(0)
    assert torch.equal(random_offsets(lengths), offsets)


def test_shifting_moves_words_and_nothing_else():
    ids = torch.zeros(2, LENGTH, dtype=torch.long)
    ids[0, :3], ids[1, :30] = torch.tensor([4, 5, 6]), torch.arange(1, 31)
    moved = shifted(ids, torch.tensor([29, 1]))
    assert moved[0].tolist() == [0] * 29 + [4, 5, 6]
    assert moved[1].tolist() == [0, *range(1, 31), 0]


def test_training_shifts_by_the_global_generator_and_evaluation_draws_nothing(vectors):
    encoder = small(vectors)
    inputs = encoder.prepare(TEXTS)
    seeds = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        seeds.append(encoder.train()(inputs).detach())
    assert torch.equal(seeds[0], seeds[1])
    assert not torch.equal(seeds[0], seeds[2])
    state = torch.get_rng_state()
    encoder.eval()(inputs)
    assert torch.equal(torch.get_rng_state(), state)


def test_every_parameter_gets_a_gradient_but_the_padding(vectors):
    encoder = small(vectors)
    encoder(encoder.prepare(TEXTS)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    assert encoder.word.weight.grad[PADDING].abs().sum() == 0
    assert encoder.word.weight.grad[encoder.prepare.rows["dog"]].abs().sum() > 0


def test_word_layer_has_names_of_its_own(vectors):
    names = [name for name, _ in small(vectors).named_parameters() if "word." in name]
    assert names == ["word.weight", "word.bias"]


def test_unknown_words_are_dropped_and_long_sentences_cut(vectors):
    prepare = small(vectors).prepare
    inputs = prepare(["a zzz dog", "zzz qqq", "dog " * 40])
    row = prepare.rows
    assert inputs["input_ids"][0, :3].tolist() == [row["a"], row["dog"], PADDING]
    assert inputs["attention_mask"].sum(1).tolist() == [2, 0, LENGTH]
    assert prepare(["zzz"])["input_ids"].shape == (1, 0)


def test_a_batch_without_any_known_word_has_features(vectors):
    features = embed(small(vectors), ["zzz", ""])
    assert torch.isfinite(features).all()
    assert torch.allclose(features[0], features[1])


def test_capitals_are_kept_or_not_as_asked(vectors):
    assert small(vectors).prepare.rows.keys() >= {"The", "the"}
    cased, lower = (small(vectors, lowercase=value).prepare(["The"])["input_ids"] for value in (None, True))
    assert cased.item() == FIRST_WORD + WORDS.index("The")
    assert lower.item() == FIRST_WORD + WORDS.index("the")


def test_words_of_validation_texts_never_enter_the_vocabulary(vectors):
    dataset = RetrievalDataset(
        name="planted",
        items=(
            Item("1", "1.png", ("a dog runs", "a dog zzz"), "train"),
            Item("2", "2.png", ("a cat",), "val"),
            Item("3", "3.png", ("a dog sleeps",), "test"),
        ),
        read_image=None,
    )
    for source in (vectors, None):
        encoder = TextCNN(vectors=source, blocks=[1, 1, 1, 1])
        assert isinstance(encoder, FitsVocabulary)
        encoder.fit_vocabulary(dataset.split("train").texts)
        expected = {"a", "dog", "runs"} if source else {"a", "dog", "runs", "zzz"}
        assert set(encoder.prepare.rows) == expected
        assert encoder.word.weight.shape == (FIRST_WORD + len(expected), 6 if source else 300)
        assert torch.equal(embed(encoder, ["a cat"]), embed(encoder, ["a"]))


def test_random_vectors_are_those_of_the_seed_and_differ_between_words(narrow):
    tables = []
    for _ in range(2):
        torch.manual_seed(3)
        encoder = TextCNN(vectors=None, blocks=[1, 1, 1, 1])
        encoder.fit_vocabulary(["b a", "c"])
        tables.append(encoder.word.weight.detach()[FIRST_WORD:])
    assert torch.equal(*tables)
    assert list(encoder.prepare.rows) == ["a", "b", "c"]
    assert torch.pdist(tables[0]).min() > 0.1


def test_a_checkpoint_restores_vocabulary_and_features(vectors, tmp_path):
    encoder = small(vectors)
    encoder.fit_vocabulary(["a dog runs"])
    torch.save({"text": encoder.state_dict()}, tmp_path / "state.pt")
    fresh = TextCNN(vectors=vectors, blocks=[1, 1, 1, 1])
    fresh.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True)["text"])
    assert torch.equal(embed(fresh, TEXTS), embed(encoder, TEXTS))
    assert encoder_fingerprint(fresh) == encoder_fingerprint(encoder)
    assert isinstance(fresh, Encoder)


def test_prepare_travels_to_a_worker(vectors):
    prepare = small(vectors).prepare
    copied = pickle.loads(pickle.dumps(prepare))
    assert torch.equal(copied(TEXTS)["input_ids"], prepare(TEXTS)["input_ids"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": [3, 4, 6]}, r"blocks=\[3, 4, 6\], but there are 4 stages"),
        ({"blocks": [3, 4, 6, 0]}, r"blocks\[3\]=0"),
        ({"kernels": "al"}, "did you mean 'all'"),
        ({"test_offsets": "frist"}, "did you mean 'first'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TextCNN(vectors=None, **settings)


def test_texts_without_a_known_word_are_refused(vectors):
    with pytest.raises(DataError, match="no training word has a vector"):
        small(vectors).fit_vocabulary(["zzz"])
