"""The text CNN of the dual-path network: words through a ResNet of one dimension."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xmr.core.errors import ConfigError, check_whole, did_you_mean
from xmr.core.types import Modality
from xmr.encoders.text.gru import WordTable
from xmr.encoders.text.vocabulary import FIRST_WORD, WordTokenizer, pack_words, unpack_words, words_of
from xmr.encoders.text.word_vectors import GLOVE_50D, WordVectors, word_vectors

LENGTH = 32
"""Positions of the network's input, most of them padding."""

RANDOM_WIDTH = 300
TEST_OFFSETS = ("all", "first")
KERNELS = {"middle": 1, "all": 2}
"""Which convolutions of a bottleneck have 1 x 2 kernels, and the width of its outer ones."""

# memory of a pass: some 100 MB of activations
SENTENCES_A_PASS = 256


class Stage(NamedTuple):
    """Bottlenecks of one length: the first one's inner width, that of the others, and the output's."""

    first: int
    inner: int
    out: int
    stride: int


STAGES = (
    Stage(128, 64, 256, 1),
    Stage(512, 128, 512, 2),
    Stage(1024, 256, 1024, 2),
    Stage(2048, 512, 2048, 1),
)


class WordLayer(WordTable):
    """Rows (B, T) -> vectors (B, T, D) plus a bias: the 1 x 1 convolution of one-hot words; padding: bias."""

    def __init__(self, matrix: np.ndarray) -> None:
        super().__init__(matrix, trained=True)
        self.bias = nn.Parameter(torch.zeros(matrix.shape[1]))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, T) -> vectors (B, T, D)."""
        return super().forward(rows) + self.bias


class Bottleneck(nn.Module):
    """(B, C, L) -> (B, out, L / stride): three convolutions beside an identity, or a projection.

    The middle one has a 1 x 2 kernel and the stride; the others and the projection have kernels of
    1 x `outer`. All are padded on the left, without bias, and followed by batch norm.
    """

    def __init__(
        self, channels: int, width: int, out: int, *, stride: int, project: bool, outer: int
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _convolution(channels, width, kernel=outer),
            nn.ReLU(inplace=True),
            _convolution(width, width, kernel=2, stride=stride),
            nn.ReLU(inplace=True),
            _convolution(width, out, kernel=outer),
        )
        self.shortcut = _convolution(channels, out, kernel=outer, stride=stride) if project else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, L) -> (B, out, L / stride), not negative."""
        return functional.relu(self.layers(inputs) + self.shortcut(inputs))


class TextCNN(nn.Module):
    """Words (B, T <= 32) -> features (B, 2048), not negative: "ResNet-50T" for `blocks` 3-4-6-1.

    In training a sentence starts at a random one of its 33 - length places among the 32 positions; in
    evaluation the features are the mean over all of them (`test_offsets="first"`: of the first alone, 20
    times faster). After a head that is affine in evaluation (FC and batch norm) the mean points to where
    the sum of the heads' outputs does, which is what the original sums.

    `vectors`: as for `GRUText`, or None for random ones of width 300 for all training words. Words without
    a vector are dropped. `lowercase`: None for what suits the vectors. `fit_vocabulary` keeps the training
    words; checkpoints hold them. The word layer's parameters are `word.weight` and `word.bias`.

    Source: Zheng et al., Dual-Path Convolutional Image-Text Embeddings with Instance Loss, TOMM 2020. Its
    code has 1 x 2 kernels in the middle of a bottleneck (`kernels="middle"`); a description of it has them
    in all convolutions (`kernels="all"`).
    """

    modality = Modality.TEXT
    starts_random = True

    def __init__(
        self,
        *,
        vectors: str | None = GLOVE_50D,
        lowercase: bool | None = None,
        blocks: Sequence[int] = (3, 4, 6, 1),
        kernels: Literal["middle", "all"] = "all",
        test_offsets: Literal["all", "first"] = "all",
    ) -> None:
        super().__init__()
        if len(blocks) != len(STAGES):
            raise ConfigError(
                f"blocks={list(blocks)}, but there are {len(STAGES)} stages; use e.g. [3, 4, 6, 1]"
            )
        check_whole(1, **{f"blocks[{stage}]": count for stage, count in enumerate(blocks)})
        _check_known("kernels", kernels, KERNELS)
        _check_known("test_offsets", test_offsets, TEST_OFFSETS)
        self.test_offsets = test_offsets
        self.dim = STAGES[-1].out
        self.random_vectors = vectors is None
        loaded = (
            word_vectors(vectors) if vectors else WordVectors([], np.zeros((0, RANDOM_WIDTH), np.float32))
        )
        self.lowercase = bool(loaded.words) and loaded.lowercase if lowercase is None else lowercase
        self._use(loaded)
        channels = loaded.matrix.shape[1]
        self.word_norm = nn.BatchNorm1d(channels)
        self.stages = nn.Sequential()
        for stage, count in zip(STAGES, blocks, strict=True):
            self.stages.append(_stage(channels, stage, count, outer=KERNELS[kernels]))
            channels = stage.out

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """{"input_ids": (B, T), "attention_mask": (B, T)} -> features (B, 2048)."""
        ids, lengths = inputs["input_ids"], inputs["attention_mask"].sum(1)
        ids = functional.pad(ids, (0, LENGTH - ids.shape[1]))
        if self.training:
            return self.features(shifted(ids, random_offsets(lengths)))
        return self.features(ids) if self.test_offsets == "first" else self._mean_over_offsets(ids, lengths)

    def features(self, ids: Tensor) -> Tensor:
        """Rows of the table, padding included (B, 32) -> features (B, 2048)."""
        words = self.word_norm(self.word(ids).transpose(1, 2))
        return self.stages(words).amax(2)

    def fit_vocabulary(self, texts: Sequence[str]) -> None:
        """Keep the words of the training `texts` that have a vector, all of them where vectors are random.

        Raises `DataError` when there is none.
        """
        device = self.word.weight.device
        if self.random_vectors:
            words = sorted({word for text in texts for word in self.prepare.split(text)})
            matrix = torch.randn(len(words), RANDOM_WIDTH) / RANDOM_WIDTH**0.5
            self._use(WordVectors(words, matrix.numpy()), device=device)
        vectors = self.word.weight.detach().cpu().numpy()[FIRST_WORD:]
        self._use(words_of(texts, self.prepare, vectors), device=device)

    def get_extra_state(self) -> Tensor:
        """The vocabulary, for the checkpoint."""
        return pack_words(self.prepare.rows)

    def set_extra_state(self, state: Tensor) -> None:
        """Take a checkpoint's vocabulary; its vectors are loaded into the word layer right after."""
        words = unpack_words(state)
        if words != list(self.prepare.rows):
            empty = np.zeros((len(words), self.word.weight.shape[1]), np.float32)
            self._use(WordVectors(words, empty), device=self.word.weight.device)

    def _use(self, vectors: WordVectors, *, device: torch.device | None = None) -> None:
        self.word: WordLayer = WordLayer(vectors.matrix).to(device)
        self.prepare = WordTokenizer(
            vectors.words, lowercase=self.lowercase, max_length=LENGTH, drop_unknown=True
        )
        self.preprocessing: Mapping[str, Any] = {
            "test_offsets": self.test_offsets,
            **self.prepare.describe(),
        }

    def _mean_over_offsets(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Rows (B, 32) of sentences at the first position -> the mean of all places' features (B, 2048)."""
        places = LENGTH + 1 - lengths
        sentence = torch.arange(len(ids), device=ids.device).repeat_interleave(places)
        offset = torch.arange(len(sentence), device=ids.device) - (places.cumsum(0) - places)[sentence]
        chunks = zip(sentence.split(SENTENCES_A_PASS), offset.split(SENTENCES_A_PASS), strict=True)
        features = torch.cat([self.features(shifted(ids[rows], start)) for rows, start in chunks])
        return torch.segment_reduce(features.float(), "mean", lengths=places)


def shifted(ids: Tensor, offsets: Tensor) -> Tensor:
    """Rows (B, 32), sentences first, then padding -> each sentence `offsets` (B,) positions to the right."""
    positions = torch.arange(LENGTH, device=ids.device) - offsets.unsqueeze(1)
    # what leaves on the right and enters on the left is padding
    return ids.gather(1, positions % LENGTH)


def random_offsets(lengths: Tensor) -> Tensor:
    """Lengths (B,) <= 32 -> offsets (B,), uniform in 0..32 - length, from torch's global generator."""
    places = LENGTH + 1 - lengths
    drawn = (torch.rand(lengths.shape, device=lengths.device) * places).long()
    return torch.minimum(drawn, places - 1)  # the product may round up


def _stage(channels: int, stage: Stage, count: int, *, outer: int) -> nn.Sequential:
    first = Bottleneck(channels, stage.first, stage.out, stride=stage.stride, project=True, outer=outer)
    others = [
        Bottleneck(stage.out, stage.inner, stage.out, stride=1, project=False, outer=outer)
        for _ in range(count - 1)
    ]
    return nn.Sequential(first, *others)


def _convolution(channels: int, out: int, *, kernel: int, stride: int = 1) -> nn.Sequential:
    """Padding of kernel - 1 on the left, a convolution without bias (He's initialisation), batch norm."""
    convolution = nn.Conv1d(channels, out, kernel, stride=stride, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(nn.ZeroPad1d((kernel - 1, 0)), convolution, nn.BatchNorm1d(out))


def _check_known(name: str, value: str, known: Any) -> None:
    if value not in known:
        raise ConfigError(f"unknown {name}='{value}'; {did_you_mean(value, known)}")
