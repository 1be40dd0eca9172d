"""The binary index: one bit a dimension, searched as bits; the nearest may be scored by their vectors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from xmr.core.errors import ConfigError, DataError, check_whole
from xmr.core.files import atomic_path
from xmr.core.types import Embeddings, Rankings
from xmr.index.binary_kernels import POSITION_BITS, nearest_keys
from xmr.index.checks import (
    HAMMING,
    check_choice,
    check_search,
    checked_gallery_norms,
    checked_norms,
    rankings,
    score_name,
    searchable,
)
from xmr.index.itq import learn_itq
from xmr.index.kernels import rank_candidates
from xmr.index.threads import run_on_threads

Threshold = Literal["zero", "median", "itq"]

ROWS_AT_ONCE = 16_384
TILE_ROWS = 4096
KEYS_AT_ONCE = 2**21
"""Keys that one thread keeps: 16 MB."""
SMALL_WORK = 2**20
"""Fewer words are compared in less time than starting threads takes."""
CODES, LEARNED = "binary_codes.npy", "binary_thresholds.npz"


class BinaryIndex:
    """Search by Hamming distance of bits: D bits a vector, 1/32 of its float32 bytes.

    A bit says whether a dimension is above `threshold`: "zero", or the gallery's "median"; "itq" first
    rotates the vectors (see `learn_itq`) to `bits` dimensions (None: D). Thresholds are learned from at
    most `train_size` vectors, drawn by `seed`. With `rescore=r`, the r * k nearest by bits are ranked by
    the inner product of their vectors, which may be memory-mapped; otherwise by bits alone, with the
    score 1 - 2 * distance / bits. Equal scores rank by gallery position.

    Raises `ConfigError` for an unknown threshold, and for `bits` without ITQ.
    """

    exact = False

    def __init__(
        self,
        *,
        threshold: Threshold = "zero",
        rescore: int = 0,
        bits: int | None = None,
        train_size: int = 20_000,
        seed: int = 0,
    ) -> None:
        check_choice("threshold", threshold, get_args(Threshold))
        check_whole(0, rescore=rescore)
        check_whole(1, train_size=train_size)
        if bits is not None and threshold != "itq":
            raise ConfigError(
                f"index.bits={bits} is for threshold=itq; threshold={threshold} has a bit a dimension"
            )
        self._threshold, self._rescore, self._bits = threshold, rescore, bits
        self._train_size, self._seed = train_size, seed
        self._gallery: Embeddings | None = None
        self._codes: np.ndarray = np.empty(0, np.uint64)
        self._offset: np.ndarray = np.empty(0, np.float32)
        self._projection: np.ndarray = np.empty(0, np.float32)

    @property
    def measures(self) -> str:
        """What a score is, in words."""
        return score_name("ip", self._gallery) if self._rescore else HAMMING

    @property
    def nbytes(self) -> int:
        """Bytes of the codes, and of thresholds and rotation; 0 before `add`."""
        return self._codes.nbytes + self._offset.nbytes + self._projection.nbytes

    def add(self, gallery: Embeddings) -> None:
        """Make `gallery` (G, D) what `search` looks through.

        Raises `DataError` when it is empty, not finite, or has fewer vectors than ITQ has bits.
        """
        checked_gallery_norms(gallery)
        self._offset, self._projection = self._learned(gallery)
        self._codes = self._encoded(gallery)
        self._gallery = gallery

    def search(self, queries: Embeddings, *, k: int) -> Rankings:
        """The `k` most similar gallery entries of each query, best first.

        Raises `ConfigError` for k < 1, `DataError` for k > gallery size, another dimension, NaN or inf.
        """
        gallery = check_search(self._gallery, queries, k=k)
        checked_norms("query", queries)
        nearest = min(k * max(1, self._rescore), len(gallery))
        positions, scores = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k), np.float32)
        # the keys of a block are more than its results, and each thread has its own
        step = max(1, KEYS_AT_ONCE // (2 * nearest + 64))
        for begin in range(0, len(queries), step):
            rows = np.arange(begin, min(begin + step, len(queries)))
            positions[rows], scores[rows] = self._searched(queries.take(rows), gallery, nearest, k)
        return rankings(queries, gallery, positions, scores)

    def _searched(
        self, queries: Embeddings, gallery: Embeddings, nearest: int, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions and scores (B, k) of the best of the `nearest` by bits."""
        keys = self._nearest(self._encoded(queries), nearest)
        positions = keys & ((1 << POSITION_BITS) - 1)
        if self._rescore:
            return self._rescored(queries, gallery, positions, k)
        bits = self._projection.shape[1] if self._projection.size else gallery.dim
        return positions, (1 - 2 * (keys >> POSITION_BITS) / bits).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write codes and thresholds to `folder`, each atomically; raises `DataError` before `add`."""
        if self._gallery is None:
            raise DataError("the index holds no gallery yet; call add(gallery) before save")
        with atomic_path(folder / CODES) as path, path.open("wb") as file:
            np.save(file, self._codes)
        with atomic_path(folder / LEARNED) as path, path.open("wb") as file:
            np.savez(file, offset=self._offset, projection=self._projection)

    def load(self, folder: Path, gallery: Embeddings) -> None:
        """What `add(gallery)` does, from the files of `save`; the codes stay on disk, memory-mapped."""
        codes = np.load(folder / CODES, mmap_mode="r")
        if len(codes) != len(gallery):
            raise DataError(
                f"{folder / CODES} has {len(codes)} codes, the gallery {len(gallery)} entries; build it again"
            )
        with np.load(folder / LEARNED) as learned:
            self._offset, self._projection = learned["offset"], learned["projection"]
        self._codes, self._gallery = codes, gallery

    def _learned(self, gallery: Embeddings) -> tuple[np.ndarray, np.ndarray]:
        """What is subtracted (D,) and the projection (D, bits) after it; none is empty."""
        none = np.empty(0, np.float32)
        if self._threshold == "zero":
            return none, none
        size = min(self._train_size, len(gallery))
        drawn = np.random.default_rng(self._seed).choice(len(gallery), size, replace=False)
        vectors = searchable(gallery)[np.sort(drawn)].float().numpy()
        if self._threshold == "median":
            return np.median(vectors, axis=0).astype(np.float32), none
        return learn_itq(vectors, bits=gallery.dim if self._bits is None else self._bits, seed=self._seed)

    def _encoded(self, embeddings: Embeddings) -> np.ndarray:
        """Packed bits (N, W) of the vectors, 64 to a word; the last word is filled up with zeros."""
        bits = self._projection.shape[1] if self._projection.size else embeddings.dim
        codes = np.zeros((len(embeddings), -(-bits // 64)), np.uint64)
        for begin in range(0, len(codes), ROWS_AT_ONCE):
            rows = slice(begin, begin + ROWS_AT_ONCE)
            values = searchable(embeddings)[rows].float().numpy()
            if self._offset.size:
                values = values - self._offset
            if self._projection.size:
                values = values @ self._projection
            packed = np.packbits(values > 0, axis=1, bitorder="little")
            codes[rows].view(np.uint8)[:, : packed.shape[1]] = packed
        return codes

    def _nearest(self, queries: np.ndarray, k: int) -> np.ndarray:
        """The keys (Q, k) of the nearest codes, by distance, then by position."""
        tiles = iter(range(0, len(self._codes), TILE_ROWS))
        found: list[np.ndarray] = []

        def look(tiles: Iterator[int]) -> None:
            counts, bars = np.zeros(len(queries), np.int64), np.full(len(queries), 2**20)
            keys = np.full((len(queries), 2 * k + 64), np.iinfo(np.int64).max)
            for begin in tiles:
                nearest_keys(self._codes[begin : begin + TILE_ROWS], queries, begin, k, counts, bars, keys)
            keys[np.arange(keys.shape[1]) >= counts[:, None]] = np.iinfo(np.int64).max
            found.append(keys)

        threads = 1 if self._codes.size * len(queries) < SMALL_WORK else torch.get_num_threads()
        run_on_threads(look, [tiles] * threads, threads=threads)
        return np.sort(np.concatenate(found, axis=1), axis=1)[:, :k]

    def _rescored(
        self, queries: Embeddings, gallery: Embeddings, positions: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best k of positions (Q, N) by inner product, and their scores."""
        vectors, rows = searchable(gallery).numpy(), searchable(queries).float().numpy()
        best = np.zeros((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
        step = max(1, ROWS_AT_ONCE // positions.shape[1])
        for begin in range(0, len(queries), step):
            part = slice(begin, begin + step)
            chosen = positions[part].reshape(-1)
            start = np.arange(len(rows[part]) + 1) * positions.shape[1]
            candidates = vectors[chosen].astype(np.float32, copy=False)
            rank_candidates(rows[part], candidates, start, chosen, False, best[1][part], best[0][part])
        return best
