"""Sentences from word vectors: a GRU over them (VSE++), or their plain mean."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xmr.core.errors import ConfigError, check_at_least, did_you_mean
from xmr.core.types import Modality
from xmr.encoders.text.vocabulary import (
    FIRST_WORD,
    PADDING,
    UNKNOWN,
    WordTokenizer,
    pack_words,
    unpack_words,
    words_of,
)
from xmr.encoders.text.word_vectors import GLOVE_50D, WordVectors, word_vectors

POOLINGS = ("mean", "sum")


class WordTable(nn.Module):
    """Rows (B, T) -> vectors (B, T, D); row 0 is zero and stays so, row 1 (unknown) starts as the mean."""

    def __init__(self, matrix: np.ndarray, *, trained: bool) -> None:
        super().__init__()
        rows = torch.zeros(FIRST_WORD + len(matrix), matrix.shape[1])
        if len(matrix):
            rows[UNKNOWN] = torch.from_numpy(matrix.mean(0))
            rows[FIRST_WORD:] = torch.from_numpy(matrix)
        if trained:
            self.weight = nn.Parameter(rows)
        else:
            self.register_buffer("weight", rows)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, T) -> vectors (B, T, D)."""
        return functional.embedding(rows, self.weight, padding_idx=PADDING)


class GRUText(nn.Module):
    """Words (B, T) -> features (B, dim): the GRU's state after the last real word.

    Reading the state there equals packing the sequences, without the wait for lengths on the CPU.
    `vectors`: "glove_50d" or the path of a file (see `load_word_vectors`); `train_vectors` tunes them.
    `fit_vocabulary` shrinks the table to the known words of the training texts; a checkpoint holds the
    words, so that loading one restores its vocabulary.
    Source: Faghri et al., VSE++, BMVC 2018 (word 300, dim 1024, one layer).
    """

    modality = Modality.TEXT
    starts_random = True

    def __init__(
        self,
        *,
        vectors: str = GLOVE_50D,
        dim: int = 1024,
        layers: int = 1,
        train_vectors: bool = True,
        max_length: int = 64,
    ) -> None:
        super().__init__()
        check_at_least(1, dim=dim, layers=layers)
        self.dim = dim
        self.train_vectors = train_vectors
        self.max_length = max_length
        loaded = word_vectors(vectors)
        self.lowercase = loaded.lowercase
        self._use(loaded)
        self.gru = nn.GRU(loaded.matrix.shape[1], dim, num_layers=layers, batch_first=True)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """{"input_ids": (B, T), "attention_mask": (B, T)} -> features (B, dim), each in (-1, 1)."""
        states, _ = self.gru(self.table(inputs["input_ids"]))
        last = inputs["attention_mask"].sum(1) - 1
        return states[torch.arange(len(last), device=states.device), last]

    def fit_vocabulary(self, texts: Sequence[str]) -> None:
        """Keep the words of the training `texts` that have a vector; raises `DataError` when none has."""
        matrix = self.table.weight.detach().cpu().numpy()[FIRST_WORD:]
        self._use(words_of(texts, self.prepare, matrix), device=self.table.weight.device)

    def get_extra_state(self) -> Tensor:
        """The vocabulary, for the checkpoint."""
        return pack_words(self.prepare.rows)

    def set_extra_state(self, state: Tensor) -> None:
        """Take a checkpoint's vocabulary; its vectors are loaded into the table right after."""
        words = unpack_words(state)
        if words != list(self.prepare.rows):
            empty = np.zeros((len(words), self.table.weight.shape[1]), np.float32)
            self._use(WordVectors(words, empty), device=self.table.weight.device)

    def _use(self, vectors: WordVectors, *, device: torch.device | None = None) -> None:
        self.table: WordTable = WordTable(vectors.matrix, trained=self.train_vectors).to(device)
        self.prepare = WordTokenizer(vectors.words, lowercase=self.lowercase, max_length=self.max_length)
        self.preprocessing: Mapping[str, Any] = self.prepare.describe()


class MeanWordVectors(nn.Module):
    """Words (B, T) -> features (B, D): the mean or the sum of the known words' vectors; nothing is trained.

    A text without any known word gives zeros. `vectors` as for `GRUText`.
    """

    modality = Modality.TEXT

    def __init__(
        self, *, vectors: str = GLOVE_50D, pooling: Literal["mean", "sum"] = "mean", max_length: int = 64
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ConfigError(f"unknown pooling='{pooling}'; {did_you_mean(pooling, POOLINGS)}")
        loaded = word_vectors(vectors)
        self.pooling = pooling
        self.dim = int(loaded.matrix.shape[1])
        self.table = WordTable(loaded.matrix, trained=False)
        self.prepare = WordTokenizer(loaded.words, lowercase=loaded.lowercase, max_length=max_length)
        self.preprocessing: Mapping[str, Any] = {"pooling": pooling, **self.prepare.describe()}

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """{"input_ids": (B, T)} -> features (B, D)."""
        known = (inputs["input_ids"] >= FIRST_WORD).unsqueeze(-1)
        total = (self.table(inputs["input_ids"]) * known).sum(1)
        return total / known.sum(1).clamp(min=1) if self.pooling == "mean" else total
