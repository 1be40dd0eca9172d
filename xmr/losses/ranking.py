"""Ranking loss: a hinge for the image anchor and one for the text anchor, with negatives from pools."""

from typing import Literal

from torch import Tensor, nn

from xmr.losses.memory import EmbeddingMemory
from xmr.losses.miners import HardestOfPool
from xmr.losses.triplet import TripletLoss


class RankingLoss(nn.Module):
    """max(0, margin - (s(Ia, Ta) - s(Ia, Tn))) + max(0, margin - (s(Ta, Ia) - s(Ta, In))), s the cosine.

    Zheng et al. 2020, section 4: Tn is the hardest of `text_pool` random texts, In of `image_pool` random
    images (1: a random one). Deviation: pools are drawn from the batch and from the embeddings of the last
    `memory` rows, not embedded anew from the whole training set. An item's own are never its negatives.
    """

    on: Literal["embeddings", "projections"] = "embeddings"

    def __init__(
        self, *, margin: float = 1.0, text_pool: int = 256, image_pool: int = 1, memory: int = 512
    ) -> None:
        super().__init__()
        self.margin = margin
        self.image_anchor = TripletLoss(miner=HardestOfPool(pool=text_pool), margin=margin)
        self.text_anchor = TripletLoss(miner=HardestOfPool(pool=image_pool), margin=margin)
        self.memory = EmbeddingMemory(size=memory)

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, 2 margin + 4]; in training it is remembered."""
        images, texts, ids = self.memory.with_batch(image, text, item_id)
        same = item_id[:, None] == ids[None, :]
        of_images = self.image_anchor.one_way(image @ texts.T, same)
        of_texts = self.text_anchor.one_way(text @ images.T, same)
        if self.training:
            self.memory.push(image, text, item_id)
        return of_images + of_texts

    def diagnostics(self) -> dict[str, float]:
        """Nothing is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """The margin, once for each anchor."""
        return 2 * self.margin
