"""Triplet loss on Euclidean distances, in one direction or both."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from xmr.core.errors import ConfigError, check_positive, did_you_mean
from xmr.losses.miners import Miner

DIRECTIONS = {
    "both": ("image_to_text", "text_to_image"),
    "image_to_text": ("image_to_text",),
    "text_to_image": ("text_to_image",),
}


class TripletL2(nn.Module):
    """Hinge on distances: max(0, margin + d(anchor, own) - d(anchor, negative)), the mean over anchors.

    FaceNet (Schroff et al. 2015, eq. 3) with `squared`; DIME's with margin 5 on d itself; of seed 003 with
    margin 1, random negatives and one direction. Both sides may be images of one class.
    The miner sees minus the distance as the similarity.
    """

    on: Literal["embeddings", "projections"] = "embeddings"
    any_norm = True

    def __init__(
        self, *, miner: Miner, margin: float = 1.0, squared: bool = False, directions: str = "both"
    ) -> None:
        super().__init__()
        check_positive(margin=margin)
        if directions not in DIRECTIONS:
            raise ConfigError(f"directions={directions} is unknown; {did_you_mean(directions, DIRECTIONS)}")
        self.miner = miner
        self.margin = margin
        self.squared = squared
        self.directions = DIRECTIONS[directions]

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """(B, D), (B, D) of any norm, ids (B,) -> scalar in [0, inf); the margin if collapsed."""
        with torch.no_grad():
            similarity = -torch.cdist(image, text, compute_mode="donot_use_mm_for_euclid_dist")
        positive = item_id[:, None] == item_id[None, :]
        sides = {
            "image_to_text": (image, text, similarity),
            "text_to_image": (text, image, similarity.T),
        }
        values = [self._one_way(*sides[direction], positive) for direction in self.directions]
        return torch.stack(values).mean()

    def _one_way(self, anchor: Tensor, candidate: Tensor, similarity: Tensor, positive: Tensor) -> Tensor:
        chosen = self.miner(similarity, positive)
        # only the chosen distances need a gradient, and from differences they are exact
        hinge = relu(
            self.margin + self._length(anchor - candidate) - self._length(anchor - candidate[chosen])
        )
        # a batch of one item has no negatives
        return (hinge * ~positive.all(dim=1)).mean()

    def _length(self, difference: Tensor) -> Tensor:
        # vector_norm, unlike a square root of sums, has a gradient at 0: 0
        return difference.square().sum(1) if self.squared else torch.linalg.vector_norm(difference, dim=1)

    def diagnostics(self) -> dict[str, float]:
        """Nothing is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """The margin."""
        return self.margin
