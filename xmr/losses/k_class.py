"""K-class loss: the instance loss with clusters of training items as its classes."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from xmr.core.errors import ConfigError, DataError, check_whole
from xmr.losses.instance import InstanceLoss

UNASSIGNED = -1


class KClassLoss(nn.Module):
    """Cross-entropy of both sides against the k-means cluster of their item (Zheng et al. 2020, table 5).

    What the paper compares the instance loss with, at 3,000 and 10,000 clusters. The clusters come from
    `set_clusters` and travel with the checkpoint; the other settings are `InstanceLoss`'s.
    """

    on: Literal["embeddings", "projections"] = "projections"
    assignment: Tensor

    def __init__(
        self,
        *,
        clusters: int = 3000,
        image_weight: float = 1.0,
        text_weight: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        check_whole(1, clusters=clusters)
        self.clusters = clusters
        self.instance = InstanceLoss(image_weight=image_weight, text_weight=text_weight, dropout=dropout)
        self.register_buffer("assignment", torch.empty(0, dtype=torch.int64))
        self._assigned = False

    def set_classes(self, *, classes: int, dim: int) -> None:
        """Create the classifier over the clusters, and room for the cluster of each of `classes` items.

        Raises `ConfigError` when there are more clusters than items.
        """
        if self.clusters > classes:
            raise ConfigError(f"clusters={self.clusters} > {classes} items; use clusters <= {classes}")
        self.instance.set_classes(classes=self.clusters, dim=dim)
        self.assignment = torch.full((classes,), UNASSIGNED)

    def set_clusters(self, assignment: Tensor) -> None:
        """Take the cluster of each item, (classes,) int64 in 0..clusters-1; raises `DataError` otherwise."""
        if assignment.shape != self.assignment.shape or assignment.is_floating_point():
            raise DataError(
                f"assignment has shape {tuple(assignment.shape)} and {assignment.dtype}; give a whole number "
                f"for each of the {len(self.assignment)} items, after set_classes"
            )
        if not bool(((assignment >= 0) & (assignment < self.clusters)).all()):
            raise DataError(f"assignment leaves 0..{self.clusters - 1}; give clusters below {self.clusters}")
        self.assignment = assignment.to(self.assignment)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of the sides "image" and "text" that are given."""
        self.instance.set_weights(weights)

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Features (B, D), (B, D), item ids 0..classes-1 (B,) -> scalar in [0, inf).

        Raises `ConfigError` before `set_clusters`.
        """
        if not self._assigned:  # looked at once: it waits for the GPU
            if bool((self.assignment == UNASSIGNED).any()) or not len(self.assignment):
                raise ConfigError("the items have no clusters yet; call set_clusters(assignment) first")
            self._assigned = True
        return self.instance(image, text, self.assignment[item_id])

    def diagnostics(self) -> dict[str, float]:
        """The cross-entropy of each side, in the last batch."""
        return self.instance.diagnostics()

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """None: it follows the classifier's rows."""
        return None
