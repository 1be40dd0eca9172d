"""Contrastive (Siamese) loss: matching pairs together, others a margin apart."""

from typing import Literal

import torch
from torch import Tensor, nn

from xmr.core.errors import check_positive, check_whole


class ContrastiveLoss(nn.Module):
    """1/2 [y d^2 + (1 - y) max(0, margin - d)^2], d the Euclidean distance (Hadsell et al. 2006, eq. 4).

    Positives are the B matching pairs, negatives each image with `negatives` texts of other items, drawn at
    random (None: with all). The mean over positives and the mean over negatives count the same, so that
    with one negative each it is the mean over all pairs, as in seed 003.
    """

    on: Literal["embeddings", "projections"] = "embeddings"
    any_norm = True

    def __init__(self, *, margin: float = 1.0, negatives: int | None = 1) -> None:
        super().__init__()
        check_positive(margin=margin)
        if negatives is not None:
            check_whole(1, negatives=negatives)
        self.margin = margin
        self.negatives = negatives

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """(B, D), (B, D) of any norm, ids (B,) -> scalar in [0, inf); margin^2 / 4 if collapsed."""
        together = (image - text).square().sum(1).mean()
        negative = item_id[:, None] != item_id[None, :]
        if self.negatives is None:
            distance = torch.cdist(image, text, compute_mode="donot_use_mm_for_euclid_dist")
        else:
            drawn = torch.rand(negative.shape, device=image.device).masked_fill(~negative, -1.0)
            chosen = drawn.topk(min(self.negatives, len(image)), dim=1).indices
            distance = torch.linalg.vector_norm(image[:, None] - text[chosen], dim=2)
            negative = negative.gather(1, chosen)
        apart = (self.margin - distance).clamp(min=0).square() * negative
        return (together + apart.sum() / negative.sum().clamp(min=1)) / 4

    def diagnostics(self) -> dict[str, float]:
        """Nothing is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """Positives cost nothing, negatives margin^2 / 2."""
        return self.margin**2 / 4
