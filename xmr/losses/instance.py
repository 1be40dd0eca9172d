"""Instance loss: every training item is a class of its own, and one classifier judges both sides."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from xmr.core.distributed import first_process_has
from xmr.core.errors import ConfigError, check_at_least, did_you_mean
from xmr.losses.classifier import LargeClassifier


class InstanceLoss(nn.Module):
    """Cross-entropy of image and of text features under one shared classifier.

    Zheng et al. 2020, eq. 4.5-4.8. `image_weight` and `text_weight` are the paper's lambda 2 and 3,
    `dropout` is on the classifier's input (.75 for Flickr30k, .5 for COCO). The classifier starts from
    N(0, 0.001^2), so that all classes are even (the paper does not say; its author's later classifiers do
    so). `sampled` and `sharded` are for many classes, see `LargeClassifier`; `sampled` deviates from the
    paper, `sharded` computes the same. With class labels for items this is plain classification.
    The n x n cross-entropy within a batch that the same author later published under this name is not this
    loss but InfoNCE with a fixed temperature: `loss=in_batch`.
    """

    on: Literal["embeddings", "projections"] = "projections"

    def __init__(
        self,
        *,
        image_weight: float = 1.0,
        text_weight: float = 1.0,
        dropout: float = 0.5,
        bias: bool = False,
        sampled: int | None = None,
        sharded: bool = False,
    ) -> None:
        super().__init__()
        check_at_least(0, dropout=dropout)
        if dropout >= 1:
            raise ConfigError(f"dropout={dropout} leaves nothing; use dropout < 1")
        self.weights = {"image": 0.0, "text": 0.0}
        self.set_weights({"image": image_weight, "text": text_weight})
        self.dropout = dropout
        self.classifier = LargeClassifier(bias=bias, sampled=sampled, sharded=sharded)
        self._last = torch.full((2,), torch.nan)

    def set_classes(self, *, classes: int, dim: int) -> None:
        """Create the classifier over `classes` training items for features (B, dim)."""
        self.classifier.create(classes=classes, dim=dim)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Set the weights of the sides "image" and "text" that are given; at least 0 each."""
        for side, weight in weights.items():
            if side not in self.weights:
                raise ConfigError(f"no side '{side}' to weigh; {did_you_mean(side, self.weights)}")
            check_at_least(0, **{f"{side}_weight": weight})
            self.weights[side] = weight

    @property
    def local_parameters(self) -> dict[str, int]:
        """The parameters that differ by process, left out of DDP, with the rows of all processes."""
        return {f"classifier.{name}": rows for name, rows in self.classifier.local_parameters.items()}

    def shard(self) -> None:
        """Share a sharded classifier out, once the processes have met and before the optimizer is built."""
        self.classifier.shard()

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Features (B, D), (B, D), item ids 0..classes-1 (B,) -> scalar in [0, inf); about
        (image_weight + text_weight) log(classes) at the start. Raises `ConfigError` before `set_classes`.
        """
        features = self._dropped(torch.cat([image, text]))
        by_side = self.classifier(features, item_id).view(2, -1).mean(1)
        self._last = by_side.detach()
        return self.weights["image"] * by_side[0] + self.weights["text"] * by_side[1]

    def _dropped(self, features: Tensor) -> Tensor:
        if not self.training or self.dropout == 0:
            return features
        kept = (torch.rand(features.shape, device=features.device) >= self.dropout).to(features.dtype)
        if self.local_parameters:  # all shards must see the same features
            kept = first_process_has(kept)
        return features * kept / (1 - self.dropout)

    def diagnostics(self) -> dict[str, float]:
        """The cross-entropy of each side, in the last batch."""
        return {f"{side}_loss": value for side, value in zip(self.weights, self._last.tolist(), strict=True)}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """None: it follows the classifier's rows."""
        return None
