"""Triplet loss in both directions, with the negatives of a miner."""

from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import relu

from xmr.core.errors import check_positive
from xmr.losses.miners import Miner


class TripletLoss(nn.Module):
    """Hinge on cosine similarity: max(0, margin - s(anchor, own) + s(anchor, negative)), both directions.

    With `HardestNegative` this is VSE++'s max-of-hinges loss (Faghri et al. 2018, eq. 6). Deviation: the
    mean over anchors of both directions, where their code sums (a factor of 2B on the learning rate).
    """

    on: Literal["embeddings", "projections"] = "embeddings"

    def __init__(self, *, miner: Miner, margin: float = 0.2) -> None:
        super().__init__()
        check_positive(margin=margin)
        self.miner = miner
        self.margin = margin

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, margin + 2]; the margin if collapsed."""
        similarity = image @ text.T
        positive = item_id[:, None] == item_id[None, :]
        return (self.one_way(similarity, positive) + self.one_way(similarity.T, positive)) / 2

    def one_way(self, similarity: Tensor, positive: Tensor) -> Tensor:
        """Similarities (B, C) of B anchors, own in column i, and mask of the relevant (B, C) -> scalar."""
        chosen = self.miner(similarity.detach(), positive)
        hinge = relu(self.margin - similarity.diagonal() + similarity.gather(1, chosen[:, None]).squeeze(1))
        # a batch of one item has no negatives
        return (hinge * ~positive.all(dim=1)).mean()

    def diagnostics(self) -> dict[str, float]:
        """Nothing is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """The margin."""
        return self.margin
