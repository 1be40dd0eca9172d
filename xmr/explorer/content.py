"""What a source holds: rows of vectors with what each one is, what is searched, and its evaluations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from PIL import Image

from xmr.core.types import Embeddings, Modality
from xmr.evaluation.protocol import Protocol


@dataclass(frozen=True, eq=False)
class Rows:
    """N entries of one modality: their vectors, and what each one is, as arrays (N,) of strings.

    `texts` holds None for an image without a caption, `pictures` the id of the image that shows the entry
    ("" for none), and `keys`, of images alone, what the data set's reader opens.
    """

    embeddings: Embeddings
    labels: np.ndarray
    texts: np.ndarray
    pictures: np.ndarray
    keys: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.embeddings)

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each id stands."""
        return {str(id_): row for row, id_ in enumerate(self.embeddings.ids)}

    def take(self, rows: np.ndarray) -> "Rows":
        """The entries at positions `rows`; all of them in their order are not copied."""
        if np.array_equal(rows, np.arange(len(self))):
            return self
        keys = None if self.keys is None else self.keys[rows]
        return Rows(
            self.embeddings.take(rows), self.labels[rows], self.texts[rows], self.pictures[rows], keys
        )


@dataclass(frozen=True, eq=False)
class Direction:
    """An evaluation: which rows of which modality are queries (Q,), what they search, by what protocol.

    `references` (Q,) are the ids that the protocol leaves out of each query's ranking; None for none.
    """

    queries: Modality
    rows: np.ndarray
    gallery: Modality
    protocol: Protocol
    references: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Content:
    """All that a source embedded: by modality, which rows are searched, and what its evaluations are.

    `name` is the data set's; `data` names its ids and texts: equal in two sources, an id means the same in
    both. `vectors` changes with
    any vector. `metric` is "ip" or "l2". To vectors of bits belong queries less `thresholds` (D,).
    """

    rows: Mapping[Modality, Rows]
    searched: Mapping[Modality, np.ndarray]
    directions: Mapping[str, Direction]
    read_image: Callable[[str], Image.Image]
    name: str
    data: str
    vectors: str
    relevance: str | None
    metric: Literal["ip", "l2"] = "ip"
    thresholds: np.ndarray | None = None
