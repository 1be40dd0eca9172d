"""Sentences to rows of a table of word vectors, and the vocabulary that training texts leave in it."""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from xmr.core.errors import DataError, check_at_least
from xmr.core.files import fingerprint
from xmr.encoders.text.word_vectors import WordVectors

log = logging.getLogger(__name__)

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2
"""Rows of the table: all zero, for words without a vector, and where the words begin."""

CHUNK = re.compile(r"\w+(?:['’.-]\w+)*|[^\w\s]")
# as GloVe's tokeniser: don't -> do n't, dog's -> dog 's
PIECE = re.compile(r"\w+(?=n['’]t\b)|n['’]t\b|['’]\w+|\w+|[^\w\s]")


@runtime_checkable
class FitsVocabulary(Protocol):
    """An encoder whose vocabulary comes from the training texts; call before taking its `prepare`."""

    def fit_vocabulary(self, texts: Sequence[str]) -> None:
        """Keep the words of `texts`, which must be of the training split only; others become unknown."""


class WordTokenizer:
    """B sentences -> {"input_ids": (B, T), "attention_mask": (B, T)}, int64, padded to the longest.

    A hyphenated or contracted word that is unknown is cut into its pieces. A sentence without any word
    counts as one unknown word; words after the first `max_length` are cut off. `drop_unknown` leaves
    unknown words out instead, so that a sentence may have no word at all.
    """

    def __init__(
        self, words: Sequence[str], *, lowercase: bool, max_length: int, drop_unknown: bool = False
    ) -> None:
        check_at_least(1, max_length=max_length)
        self.rows = {word: row for row, word in enumerate(words, start=FIRST_WORD)}
        self.lowercase = lowercase
        self.max_length = max_length
        self.drop_unknown = drop_unknown

    def __call__(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """B sentences -> rows of the table and the mask of real words, both (B, T)."""
        rows = [self._rows_of(text)[: self.max_length] for text in texts]
        ids = torch.full((len(rows), max(map(len, rows), default=0)), PADDING)
        for line, sentence in enumerate(rows):
            ids[line, : len(sentence)] = torch.tensor(sentence)
        return {"input_ids": ids, "attention_mask": (ids != PADDING).long()}

    def split(self, text: str) -> list[str]:
        """The words and punctuation marks of `text`, unknown ones included."""
        words = []
        for chunk in CHUNK.findall(text.lower() if self.lowercase else text):
            words += [chunk] if chunk in self.rows else PIECE.findall(chunk.replace("’", "'"))
        return words

    def describe(self) -> dict[str, Any]:
        """All that the rows depend on."""
        return {
            "tokenizer": type(self).__name__,
            "vocabulary": f"{len(self.rows)} words, {fingerprint(list(self.rows))}",
            "lowercase": self.lowercase,
            "max_length": self.max_length,
            # no key for the default: features that were cached without it keep their names
            **({"drop_unknown": True} if self.drop_unknown else {}),
        }

    def _rows_of(self, text: str) -> list[int]:
        rows = [self.rows.get(word, UNKNOWN) for word in self.split(text)]
        return [row for row in rows if row != UNKNOWN] if self.drop_unknown else rows or [UNKNOWN]


def words_of(texts: Sequence[str], tokenizer: WordTokenizer, matrix: np.ndarray) -> WordVectors:
    """The words of the training `texts` that the tokenizer knows, with their rows of `matrix` (V, D).

    Logs how many words have no vector. Raises `DataError` when none has one: the texts and the vectors
    differ in language or case.
    """
    report = coverage_report(tokenizer, texts)
    seen = {word for text in texts for word in tokenizer.split(text)}
    kept = WordVectors(list(tokenizer.rows), matrix).restricted_to(seen)
    if not kept.words:
        raise DataError(f"no training word has a vector ({report}); use vectors of the texts' language")
    log.info("vocabulary: %s", report)
    return kept


def coverage_report(tokenizer: WordTokenizer, texts: Sequence[str], *, shown: int = 5) -> str:
    """One line: how many distinct words of `texts` have no vector, their share of all, the commonest."""
    counts = Counter(word for text in texts for word in tokenizer.split(text))
    unknown = Counter({word: n for word, n in counts.items() if word not in tokenizer.rows})
    share = unknown.total() / max(counts.total(), 1)
    examples = ", ".join(f"'{word}' x{n}" for word, n in unknown.most_common(shown))
    return (
        f"{len(counts)} distinct words in {len(texts)} texts, {len(unknown)} without a vector "
        f"({share:.2%} of all words){': ' + examples if examples else ''}"
    )


def pack_words(words: Mapping[str, int]) -> Tensor:
    """The words in row order as UTF-8 bytes (uint8): a vocabulary that any checkpoint format can hold."""
    text = "\n".join(words)
    return torch.tensor(list(text.encode("utf-8")), dtype=torch.uint8)


def unpack_words(packed: Tensor) -> list[str]:
    """The inverse of `pack_words`."""
    text = bytes(packed.cpu().tolist()).decode("utf-8")
    return text.split("\n") if text else []
