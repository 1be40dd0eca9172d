import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors
from gensim.models.fasttext import save_facebook_model

from xmr.core.errors import DataError, MissingFilesError
from xmr.encoders.text.word_vectors import load_glove_package, load_word_vectors

WORDS = ["the", "dog", "Zürich", "naïve-ish", "!"]
MATRIX = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)


@pytest.fixture
def keyed():
    vectors = KeyedVectors(vector_size=7)
    vectors.add_vectors(WORDS, MATRIX)
    return vectors


def save_word2vec_text(keyed, path):
    keyed.save_word2vec_format(str(path), binary=False)


def save_word2vec_binary(keyed, path):
    keyed.save_word2vec_format(str(path), binary=True)


def save_glove_text(keyed, path):
    lines = [" ".join([word, *map(str, keyed[word])]) for word in keyed.index_to_key]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("save", [save_word2vec_text, save_word2vec_binary, save_glove_text])
def test_each_format_gives_the_same_words_and_vectors(keyed, tmp_path, save):
    save(keyed, tmp_path / "vectors.any")
    loaded = load_word_vectors(tmp_path / "vectors.any")
    assert list(loaded.words) == WORDS
    assert loaded.matrix.dtype == np.float32
    assert np.allclose(loaded.matrix, MATRIX, atol=1e-6)
    assert not loaded.lowercase


def test_fasttext_binary_gives_its_whole_words(tmp_path):
    sentences = [["a", "dog", "runs"], ["a", "cat", "sleeps"]] * 5
    model = FastText(sentences, vector_size=8, min_count=1, bucket=50, epochs=1, seed=1)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    loaded = load_word_vectors(tmp_path / "model.bin")
    assert set(loaded.words) == {"a", "dog", "runs", "cat", "sleeps"}
    dog = loaded.matrix[list(loaded.words).index("dog")]
    assert np.allclose(dog, model.wv["dog"], atol=1e-5)
    assert loaded.lowercase


def test_restricting_keeps_order_and_vectors(keyed, tmp_path):
    save_word2vec_text(keyed, tmp_path / "v.txt")
    kept = load_word_vectors(tmp_path / "v.txt").restricted_to({"!", "dog", "unheard"})
    assert kept.words == ["dog", "!"]
    assert np.allclose(kept.matrix, MATRIX[[1, 4]])


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(MissingFilesError, match=r"nowhere\.vec' do not exist"):
        load_word_vectors(tmp_path / "nowhere.vec")
    torn = tmp_path / "torn.vec"
    torn.write_text("5 7\nthe 1 2 3\n")
    with pytest.raises(DataError, match=r"torn\.vec can't be read"):
        load_word_vectors(torn)
    empty = tmp_path / "empty.vec"
    empty.write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.vec can't be read"):
        load_word_vectors(empty)


def test_glove_knows_that_a_king_is_to_a_man_as_a_queen_to_a_woman():
    glove = load_glove_package()
    assert len(glove.words) == len(glove.matrix) == 400_000
    assert glove.lowercase
    row = {word: n for n, word in enumerate(glove.words)}
    unit = glove.matrix / np.linalg.norm(glove.matrix, axis=1, keepdims=True)
    wanted = glove.matrix[row["king"]] - glove.matrix[row["man"]] + glove.matrix[row["woman"]]
    best = [glove.words[n] for n in np.argsort(-unit @ wanted)[:3]]
    assert "queen" in best
