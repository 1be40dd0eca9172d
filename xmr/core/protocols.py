"""What the parts of xmr expect of each other: encoders, losses and indexes, as protocols."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor

from xmr.core.types import Embeddings, Modality, Rankings

Inputs = Tensor | Mapping[str, "Inputs"]
"""What an encoder takes: pixels (B, 3, H, W), or token tensors by name, each (B, ...); of a composed query
the inputs of both encoders by modality."""


@runtime_checkable
class Encoder(Protocol):
    """A `torch.nn.Module` from raw inputs of one modality to features (B, dim).

    Its raw inputs are RGB `PIL.Image`s for `Modality.IMAGE` and strings for `Modality.TEXT`.
    """

    modality: Modality
    dim: int
    preprocessing: Mapping[str, Any]
    """Size, mean, colour order, padding, case...: JSON-able, and all that `prepare` depends on."""

    def prepare(self, raw: Sequence[Any]) -> Inputs:
        """B raw inputs -> model inputs on the CPU; deterministic, and cheap to pickle into a worker."""

    def __call__(self, inputs: Inputs) -> Tensor:
        """Prepared inputs of B items -> features (B, dim)."""


class Loss(Protocol):
    """A `torch.nn.Module` that scores a batch of matching embeddings."""

    on: Literal["embeddings", "projections"]
    """What it takes: the embeddings (unit-norm, or raw for a model that does not normalise), or the heads'
    outputs before normalisation."""

    def __call__(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Image (B, D) and text (B, D), row i matching row i, item_id (B,) -> scalar loss.

        Rows with equal `item_id` also match each other.
        """

    def diagnostics(self) -> dict[str, float]:
        """What is worth plotting beside the loss (a learned temperature), by name."""

    def collapsed_value(self, batch_size: int) -> float | None:
        """The loss of B distinct items that are all embedded at one point; None where that says nothing."""


@runtime_checkable
class NeedsClasses(Protocol):
    """A loss with a classifier over the training items (or classes), which it creates once told of them."""

    def set_classes(self, *, classes: int, dim: int) -> None:
        """Create the parameters; `item_id` is then 0..classes - 1. Called once, before the optimizer."""


class Index(Protocol):
    """Finds the gallery entries that are most similar to a query."""

    exact: bool
    """Whether `search` returns the true nearest entries, always."""

    @property
    def measures(self) -> str:
        """What a score is, in words for people, as `cosine similarity to the query`."""

    @property
    def nbytes(self) -> int:
        """Bytes that a search reads: vectors or codes, and what leads to them; 0 before `add`."""

    def add(self, gallery: Embeddings) -> None:
        """Make `gallery` (G, D) what `search` looks through, instead of what it was before."""

    def search(self, queries: Embeddings, *, k: int) -> Rankings:
        """The `k` most similar gallery entries of each query, best first."""

    def save(self, folder: Path) -> None:
        """Write what was computed from the vectors to `folder`, each file atomically; may be nothing."""

    def load(self, folder: Path, gallery: Embeddings) -> None:
        """What `add(gallery)` does, from the files that `save` wrote for the same gallery.

        The caller has compared the files' hashes with those of what was saved.
        """
