"""The exact FAISS index: on a GPU where there is one and FAISS was built for it, on the CPU else."""

from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
from torch import Tensor

from xmr.core.errors import ConfigError, DataError, XmrError, check_positive, problems_message
from xmr.core.types import Embeddings, Rankings

Device = Literal["auto", "cpu", "gpu"]


class FaissFlat:
    """Exact search by inner product: cosine similarity, as embeddings have unit norm.

    Raises `ConfigError` for an unknown `device`, and for "gpu" where FAISS sees none.
    """

    def __init__(self, *, device: Device = "auto") -> None:
        if device not in get_args(Device):
            raise ConfigError(f"index.device='{device}' is none of {', '.join(get_args(Device))}")
        self._faiss = import_faiss()
        gpus = getattr(self._faiss, "get_num_gpus", lambda: 0)()
        if device == "gpu" and not gpus:
            raise ConfigError(
                "index.device=gpu, but FAISS sees no GPU; install the [gpu] extra, or use index.device=auto"
            )
        self._on_gpu = device != "cpu" and gpus > 0
        self._index: Any = None
        self._gallery: Embeddings | None = None

    def add(self, gallery: Embeddings) -> None:
        """Make `gallery` (G, D) what `search` looks through; raises `DataError` when empty or not finite."""
        if not len(gallery):
            raise DataError("the gallery is empty; there is nothing to search")
        vectors = _finite("gallery", gallery)
        index = self._faiss.IndexFlatIP(gallery.dim)
        if self._on_gpu:
            index = self._faiss.index_cpu_to_gpu(self._faiss.StandardGpuResources(), 0, index)
        index.add(vectors)
        self._index, self._gallery = index, gallery

    def search(self, queries: Embeddings, *, k: int) -> Rankings:
        """The `k` most similar gallery entries of each query, best first.

        Raises `DataError` before FAISS is called: for k > gallery size, another dimension, NaN or inf.
        """
        check_positive(k=k)
        gallery = self._gallery
        if self._index is None or gallery is None:
            raise DataError("the index holds no gallery yet; call add(gallery) first")
        if k > len(gallery):
            raise DataError(f"k={k} > gallery size {len(gallery)}; use k <= {len(gallery)}")
        if queries.dim != gallery.dim:
            raise DataError(
                f"queries have dimension {queries.dim}, the index {gallery.dim}; use one model for both"
            )
        scores, positions = self._index.search(_finite("query", queries), k)
        return Rankings(
            query_ids=queries.ids,
            gallery_ids=gallery.ids[positions],
            scores=scores,
            relevant=gallery.item_ids[positions] == queries.item_ids[:, None],
        )


def import_faiss() -> ModuleType:
    """The faiss module; raises `XmrError` saying how to install one when there is none."""
    try:
        import faiss
    except ImportError as error:
        raise XmrError(
            f"FAISS is not installed ({error}); run: pip install 'xmr[cpu]' (or 'xmr[gpu]' on a CUDA machine)"
        ) from error
    return faiss


def _finite(role: str, embeddings: Embeddings) -> np.ndarray:
    vectors = _as_float32(embeddings.vectors)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        problems = [f"'{embeddings.ids[row]}' (row {row})" for row in bad]
        raise DataError(
            problems_message(f"{role} embeddings must be finite", problems, "Look for a diverged run.")
        )
    return vectors


def _as_float32(vectors: Tensor) -> np.ndarray:
    return np.ascontiguousarray(vectors.detach().float().cpu().numpy())
