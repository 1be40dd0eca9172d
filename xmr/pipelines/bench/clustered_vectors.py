"""Vectors to measure search with: around many centres, as those of trained models are."""

import numpy as np
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality

ENTRIES_PER_CENTRE = 100
SPREAD = 1.0
"""Length of the noise around a centre of length 1: neighbours are at a cosine of about 0.5."""


def clustered(size: int, n_queries: int, *, dim: int) -> tuple[Embeddings, Embeddings]:
    """A gallery of unit vectors around random centres, 100 to a centre, and queries of the same kind."""
    random = torch.Generator().manual_seed(0)
    centres = normalize(torch.randn(max(10, size // ENTRIES_PER_CENTRE), dim, generator=random), dim=1)

    def drawn(n: int) -> Embeddings:
        vectors = torch.randn(n, dim, generator=random).mul_(SPREAD / dim**0.5)
        vectors += centres[torch.randint(len(centres), (n,), generator=random)]
        ids = np.arange(n)
        return Embeddings(normalize(vectors, dim=1, out=vectors), ids, ids, Modality.IMAGE)

    return drawn(size), drawn(n_queries)
