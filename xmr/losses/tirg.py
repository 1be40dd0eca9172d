"""The losses of TIRG: each composed query finds its target image among those of the batch."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from xmr.core.errors import check_positive


class ScaledQueries(nn.Module):
    """Composed queries (the text side) and target images, at the norm `scale`, which may learn."""

    on: Literal["embeddings", "projections"] = "embeddings"

    def __init__(self, *, scale: float = 4.0, learn_scale: bool = True) -> None:
        super().__init__()
        check_positive(scale=scale)
        self.scale = nn.Parameter(torch.tensor(float(scale)), requires_grad=learn_scale)

    def similarity(self, image: Tensor, text: Tensor) -> Tensor:
        """Unit-norm targets (B, D) and queries (B, D) -> inner products at norm `scale`, query by target."""
        return self.scale.square() * (text @ image.T)

    def diagnostics(self) -> dict[str, float]:
        """The scale in use."""
        return {"scale": self.scale.item()}


class BatchSoftmax(ScaledQueries):
    """Softmax cross-entropy of each query over the targets of the batch (Vo et al. 2019, eq. 4, K = B).

    One direction, query to target; as in the authors' code scale 4 means logits of 16 times the cosine.
    Deviation: rows with equal `item_id` are all positives, averaged outside the logarithm.
    """

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm targets (B, D), queries (B, D), ids (B,) -> scalar in [0, inf)."""
        positive = (item_id[:, None] == item_id[None, :]).to(image.dtype)
        chances = self.similarity(image, text).log_softmax(dim=1)
        return -((positive * chances).sum(1) / positive.sum(1)).mean()

    def collapsed_value(self, batch_size: int) -> float | None:
        """An even guess among the batch: log B."""
        return math.log(batch_size)


class SoftTriplet(ScaledQueries):
    """log(1 + exp(d^2(query, own) - d^2(query, negative))), the mean over all negatives.

    Vo et al. 2019, eq. 4 with K = 2; d is the Euclidean distance at norm `scale`, as in the authors' code.
    Deviation from the code: every negative target of the batch, as in the paper, where it draws 3 triplets
    an anchor from both sides.
    """

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm targets (B, D), queries (B, D), ids (B,) -> scalar in [0, inf); 0 without negatives."""
        # squared distances of vectors of one norm differ as twice their inner products
        similarity = 2 * self.similarity(image, text)
        negative = item_id[:, None] != item_id[None, :]
        violation = softplus(similarity - similarity.diagonal()[:, None]) * negative
        return violation.sum() / negative.sum().clamp(min=1)

    def collapsed_value(self, batch_size: int) -> float | None:
        """Own and negative targets are as far: log 2; 0 for a single item."""
        return math.log(2) if batch_size > 1 else 0.0
