"""The embeddings of recent batches, kept as further candidates for the next ones."""

from typing import Any

import torch
from torch import Tensor, nn

from xmr.core.errors import check_whole

SIDES = ("image", "text", "item_id")


class EmbeddingMemory(nn.Module):
    """First in, first out: the last `size` rows of both sides and their item ids, without gradients.

    The cross-batch memory of Wang et al. 2020 (XBM) and the queue of He et al. 2020 (MoCo; here without a
    momentum encoder). It starts empty, fills as batches come, and is part of the checkpoint, so that a
    resumed run goes on with the same rows.
    """

    image: Tensor
    text: Tensor
    item_id: Tensor

    def __init__(self, *, size: int) -> None:
        super().__init__()
        check_whole(0, size=size)
        self.size = size
        for side in SIDES:  # of no width yet, which torch.cat takes
            self.register_buffer(side, torch.empty(0, dtype=torch.int64 if side == "item_id" else None))

    def with_batch(self, image: Tensor, text: Tensor, item_id: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The batch (B, D), (B, D), (B,) and behind it what is remembered -> (C, D), (C, D), (C,)."""
        return (
            torch.cat([image, self.image.to(image.dtype)]),
            torch.cat([text, self.text.to(text.dtype)]),
            torch.cat([item_id, self.item_id]),
        )

    @torch.no_grad()
    def push(self, image: Tensor, text: Tensor, item_id: Tensor) -> None:
        """Remember a batch in place of the oldest rows."""
        for side, rows in zip(SIDES, self.with_batch(image, text, item_id), strict=True):
            # a new tensor: the old one may still be needed for gradients
            setattr(self, side, rows[: self.size].clone())

    def clear(self) -> None:
        """Forget all rows."""
        for side in SIDES:
            setattr(self, side, torch.empty_like(getattr(self, side))[:0])

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *arguments: Any) -> None:
        """Take as many rows as the checkpoint has."""
        for side in SIDES:
            if prefix + side in state_dict:
                setattr(self, side, torch.empty_like(state_dict[prefix + side], device=self.item_id.device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
