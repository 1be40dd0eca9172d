"""InfoNCE and the triplet loss with the embeddings of recent batches as further negatives."""

import torch
from torch import Tensor

from xmr.losses.info_nce import InfoNCE
from xmr.losses.memory import EmbeddingMemory
from xmr.losses.miners import Miner
from xmr.losses.triplet import TripletLoss

# finite, so that a weight of 0 times it is 0; beyond the reach of any temperature
NEVER = -1e30


class InfoNCEQueue(InfoNCE):
    """InfoNCE where each row also has `queue` remembered rows to choose from (MoCo, He et al. 2020, eq. 1).

    Remembered rows of the same item are no candidates at all: neither negatives nor, being old, positives.
    Deviation from MoCo: no momentum encoder, as in XBM (Wang et al. 2020), and both directions.
    """

    def __init__(
        self, *, temperature: float = 0.07, learn_temperature: bool = True, queue: int = 4096
    ) -> None:
        super().__init__(temperature=temperature, learn_temperature=learn_temperature)
        self.memory = EmbeddingMemory(size=queue)

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, inf); in training the batch is remembered."""
        images, texts, ids = self.memory.with_batch(image, text, item_id)
        same = item_id[:, None] == ids[None, :]
        old = torch.arange(len(ids), device=ids.device) >= len(item_id)
        image_to_text, text_to_image = (
            self.one_way((queries @ gallery.T).masked_fill(same & old, NEVER), same & ~old)
            for queries, gallery in ((image, texts), (text, images))
        )
        if self.training:
            self.memory.push(image, text, item_id)
        return (image_to_text + text_to_image) / 2

    def collapsed_value(self, batch_size: int) -> float | None:
        """An even guess among the batch and what is remembered of other items, taken as all of it."""
        return super().collapsed_value(batch_size + len(self.memory.item_id))


class TripletQueue(TripletLoss):
    """The triplet loss whose miner also sees `queue` remembered rows (XBM, Wang et al. 2020, algorithm 1).

    Remembered rows of the same item are never negatives. Deviation: the memory is used from the first step,
    where the paper waits until embeddings drift slowly.
    """

    def __init__(self, *, miner: Miner, margin: float = 0.2, queue: int = 4096) -> None:
        super().__init__(miner=miner, margin=margin)
        self.memory = EmbeddingMemory(size=queue)

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, margin + 2]; in training it is remembered."""
        images, texts, ids = self.memory.with_batch(image, text, item_id)
        same = item_id[:, None] == ids[None, :]
        value = (self.one_way(image @ texts.T, same) + self.one_way(text @ images.T, same)) / 2
        if self.training:
            self.memory.push(image, text, item_id)
        return value
