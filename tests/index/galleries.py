"""Embeddings to search in, and the slow, sure way to search."""

import numpy as np
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality, Rankings


def embeddings_of(vectors, *, prefix="g", n_items=5):
    ids = np.array([f"{prefix}{i}" for i in range(len(vectors))], dtype=object).astype(str)
    return Embeddings(vectors, ids, (np.arange(len(vectors)) % n_items).astype(str), Modality.IMAGE)


def embeddings(n, *, dim=16, seed=0, prefix="g"):
    """Random unit vectors."""
    random = torch.Generator().manual_seed(seed)
    return embeddings_of(normalize(torch.randn(n, dim, generator=random), dim=1), prefix=prefix)


def clusters(n, *, dim=64, centres=20, spread=1.0, seed=0, prefix="g"):
    """Unit vectors around random centres, the same ones for every seed."""
    middle = normalize(torch.randn(centres, dim, generator=torch.Generator().manual_seed(7)), dim=1)
    random = torch.Generator().manual_seed(seed)
    chosen = middle[torch.randint(centres, (n,), generator=random)]
    noise = torch.randn(n, dim, generator=random) * spread / dim**0.5
    return embeddings_of(normalize(chosen + noise, dim=1), prefix=prefix)


def search_slowly(queries: Embeddings, gallery: Embeddings, k: int, metric: str = "ip"):
    """Gallery positions and scores (Q, k) by a sort of all scores: float64, as float32, first come."""
    a, b = queries.vectors.double().numpy(), gallery.vectors.double().numpy()
    scores = a @ b.T if metric == "ip" else -np.square(a[:, None] - b).sum(axis=2)
    scores = scores.astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def assert_same(found: Rankings, other: Rankings) -> None:
    """Both found the same entries with the same scores."""
    for name in ("query_ids", "gallery_ids", "scores", "relevant"):
        assert getattr(found, name).tolist() == getattr(other, name).tolist()
