"""Every FAISS index under one class, named by a factory string: flat, IVF, HNSW, PQ, scalar quantised."""

from collections.abc import Mapping
from contextlib import nullcontext
from math import sqrt
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from xmr.core.errors import ConfigError, DataError, check_positive
from xmr.core.files import atomic_path
from xmr.core.types import Embeddings, Rankings
from xmr.index.checks import (
    check_choice,
    check_search,
    checked_gallery_norms,
    checked_norms,
    rankings,
    score_name,
    searchable,
)
from xmr.index.faiss_module import clusterings, import_faiss, one_thread, reason, rotations_of

Device = Literal["auto", "cpu", "cuda"]
Metric = Literal["ip", "l2"]

FILE = "faiss.index"
ROWS_AT_ONCE = 65_536
FEWEST_TRAINED = 16_384
ROWS_PER_CENTROID = 64
FEWEST_PER_CENTROID = 39  # below it, k-means warns
GPU_MOST_RESULTS = 2048


class FaissIndex:
    """The index that `factory` names to `faiss.index_factory`, by inner product ("ip") or distance ("l2").

    In `factory`, `{nlist}` stands for 4 sqrt(G) lists (fewer in small galleries, so that each can be
    trained) and `{pq}` for the largest divisor of D up to D / 8: the bytes of a code. `search` holds
    FAISS's parameters (nprobe, efSearch). Scores are inner products, or minus squared distances, as the
    codes give them.

    On a GPU where FAISS sees one and has the kind (HNSW it has not), with `shard` cut over all of them.
    Codes are learned from `train_size` vectors drawn by `seed` (None: 64 a centroid). With
    `deterministic`, one thread builds an HNSW graph, and it is the same every time; otherwise all do.

    Raises `ConfigError` for an unknown setting, and for a GPU where FAISS sees none.
    """

    def __init__(
        self,
        *,
        factory: str,
        metric: Metric = "ip",
        device: Device = "auto",
        shard: bool = False,
        search: Mapping[str, float] | None = None,
        train_size: int | None = None,
        seed: int = 0,
        deterministic: bool = True,
    ) -> None:
        check_choice("device", device, get_args(Device))
        check_choice("metric", metric, get_args(Metric))
        if train_size is not None:
            check_positive(train_size=train_size)
        self._faiss = import_faiss()
        gpus = getattr(self._faiss, "get_num_gpus", lambda: 0)()
        if (device == "cuda" or shard) and not gpus:
            asked = "index.shard=true" if shard else "index.device=cuda"
            raise ConfigError(
                f"{asked}, but FAISS sees no GPU; install the [gpu] extra, or use index.device=auto "
                "and index.shard=false"
            )
        self._on_gpu = device != "cpu" and gpus > 0 and not (device == "auto" and "HNSW" in factory)
        self._factory, self._metric, self._shard = factory, metric, shard
        self._parameters = dict(search or {})
        self._train_size, self._seed, self._deterministic = train_size, seed, deterministic
        self._index: Any = None
        self._gallery: Embeddings | None = None
        self.exact = factory == "Flat"

    @property
    def measures(self) -> str:
        """What a score is, in words."""
        return score_name(self._metric, self._gallery)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and of what leads to them, as FAISS writes them; 0 before `add`."""
        if self._index is None:
            return 0
        written = 0

        def count(data: bytes) -> None:
            nonlocal written
            written += len(data)

        self._faiss.write_index(self._on_cpu(), self._faiss.PyCallbackIOWriter(count, 2**24))
        return written

    def add(self, gallery: Embeddings) -> None:
        """Make `gallery` (G, D) what `search` looks through, training the index where it has to learn.

        Raises `DataError` when the gallery is empty, not finite or too small to train on, `ConfigError`
        for a factory string or search parameter that FAISS refuses.
        """
        checked_gallery_norms(gallery)
        index = self._made(gallery)
        if not index.is_trained:
            self._train(index, gallery)
        with one_thread(self._faiss) if self._deterministic and "HNSW" in self._factory else nullcontext():
            for rows in searchable(gallery).split(ROWS_AT_ONCE):
                index.add(rows.float().numpy())
        self._use(index, gallery)

    def search(self, queries: Embeddings, *, k: int) -> Rankings:
        """The `k` most similar gallery entries of each query that the index finds, best first.

        Raises `ConfigError` for k < 1; `DataError`, before FAISS is called, for k > gallery size, another
        dimension, NaN or inf, and k > 2048 on a GPU; and when the index finds fewer than k.
        """
        gallery = check_search(self._gallery, queries, k=k)
        checked_norms("query", queries)
        if self._on_gpu and k > GPU_MOST_RESULTS:
            raise DataError(
                f"k={k} > {GPU_MOST_RESULTS}, FAISS's limit on a GPU; use a smaller k or index.device=cpu"
            )
        if not len(queries):
            return rankings(queries, gallery, np.empty((0, k), np.int64), np.empty((0, k), np.float32))
        # FAISS multiplies without BLAS, many times slower, while queries x D is below this
        self._faiss.cvar.distance_compute_blas_threshold = 2 * gallery.dim
        scores, positions = self._index.search(searchable(queries).float().numpy(), k)
        missing = (positions < 0).any(axis=1)
        if missing.any():
            first = queries.ids[missing.argmax()]
            settings = ", ".join(f"{name}={value}" for name, value in self._parameters.items())
            raise DataError(
                f"{self._factory} found fewer than k={k} entries for {missing.sum()} queries, first "
                f"'{first}'; raise nprobe or efSearch in index.search (now: {settings or 'not set'}), "
                "or lower k"
            )
        return rankings(queries, gallery, positions, scores if self._metric == "ip" else -scores)

    def save(self, folder: Path) -> None:
        """Write FAISS's index to `folder`, atomically; raises `DataError` before `add`."""
        if self._index is None:
            raise DataError("the index holds no gallery yet; call add(gallery) before save")
        with atomic_path(folder / FILE) as path:
            self._faiss.write_index(self._on_cpu(), str(path))

    def load(self, folder: Path, gallery: Embeddings) -> None:
        """What `add(gallery)` does, from the file of `save`; raises `DataError` for another gallery's."""
        try:
            index = self._faiss.read_index(str(folder / FILE))
        except RuntimeError as error:
            raise DataError(f"FAISS can't read {folder / FILE} ({reason(error)}); build it again") from error
        if (index.ntotal, index.d) != (len(gallery), gallery.dim):
            raise DataError(
                f"{folder / FILE} holds {index.ntotal} vectors of dimension {index.d}, the gallery "
                f"{len(gallery)} of {gallery.dim}; build it again"
            )
        self._use(index, gallery)

    def _made(self, gallery: Embeddings) -> Any:
        """The empty index for this gallery."""
        size, dim = len(gallery), gallery.dim
        nlist = max(1, min(round(4 * sqrt(size)), size // FEWEST_PER_CENTROID))
        pq = max(divisor for divisor in range(1, max(1, dim // 8) + 1) if dim % divisor == 0)
        factory = self._factory.replace("{nlist}", str(nlist)).replace("{pq}", str(pq))
        metric = {"ip": self._faiss.METRIC_INNER_PRODUCT, "l2": self._faiss.METRIC_L2}[self._metric]
        try:
            return self._faiss.index_factory(dim, factory, metric)
        except RuntimeError as error:
            raise ConfigError(
                f"index.factory='{factory}' is refused by FAISS for dimension {dim} and "
                f"metric={self._metric}: {reason(error)}"
            ) from error

    def _train(self, index: Any, gallery: Embeddings) -> None:
        centroids = max((size for size, _ in clusterings(self._faiss, index)), default=1)
        if len(gallery) < centroids:
            raise DataError(
                f"{self._factory} learns {centroids} centroids, but the gallery has {len(gallery)} vectors; "
                f"use at least {centroids} (better {FEWEST_PER_CENTROID * centroids}), or index=exact"
            )
        rotations = rotations_of(self._faiss, index)
        for parameters in (
            *(of for _, of in clusterings(self._faiss, index)),
            *(pq.cp for _, pq in rotations),
        ):
            parameters.seed = self._seed
            parameters.min_points_per_centroid = 1  # the check above is the warning
        wanted = self._train_size or max(ROWS_PER_CENTROID * centroids, FEWEST_TRAINED)
        vectors = searchable(gallery)
        if wanted < len(gallery):
            drawn = np.random.default_rng(self._seed).choice(len(gallery), wanted, replace=False)
            vectors = vectors[np.sort(drawn)]
        if rotations and len(vectors) < gallery.dim:
            # FAISS writes outside its memory there
            raise DataError(
                f"{self._factory} learns a rotation of {gallery.dim} dimensions from {len(vectors)} vectors; "
                f"use at least {gallery.dim}, or an index without OPQ"
            )
        try:
            index.train(vectors.float().numpy())
        except RuntimeError as error:
            raise DataError(
                f"FAISS can't train {self._factory} on {len(vectors)} vectors: {reason(error)}"
            ) from error
        finally:
            for rotation, _ in rotations:
                rotation.pq = None

    def _use(self, index: Any, gallery: Embeddings) -> None:
        """Make `index`, of this gallery, the one that is searched: on its device, with its parameters."""
        faiss = self._faiss
        if self._on_gpu:
            options = faiss.GpuMultipleClonerOptions()
            options.shard = self._shard
            try:
                index = faiss.index_cpu_to_all_gpus(index, options, -1 if self._shard else 1)
            except RuntimeError as error:
                raise ConfigError(
                    f"FAISS has no {self._factory} on a GPU ({reason(error)}); use index.device=cpu"
                ) from error
        space = faiss.GpuParameterSpace() if self._on_gpu else faiss.ParameterSpace()
        for name, value in self._parameters.items():
            try:
                space.set_index_parameter(index, name, value)
            except RuntimeError as error:
                raise ConfigError(
                    f"index.search.{name}={value} is no parameter of {self._factory}: {reason(error)}"
                ) from error
        self._index, self._gallery = index, gallery

    def _on_cpu(self) -> Any:
        return self._faiss.index_gpu_to_cpu(self._index) if self._on_gpu else self._index
