"""ArcFace and CosFace: classification by cosine, with a margin that the own class must win by."""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize

from xmr.core.errors import ConfigError, check_at_least, check_positive

INITIAL_DEVIATION = 0.01
# acos has no gradient at 1 and -1
WITHIN = 1 - 1e-6


class MarginSoftmax(nn.Module, ABC):
    """Cross-entropy of scale * cosine to the rows of a classifier, the own class's cosine made smaller.

    One classifier for both sides, the mean of their losses. `with_margin` is what differs by loss.
    """

    on: Literal["embeddings", "projections"] = "projections"
    weight: nn.Parameter | None

    def __init__(self, *, margin: float, scale: float) -> None:
        super().__init__()
        check_at_least(0, margin=margin)
        check_positive(scale=scale)
        if margin >= math.pi:
            raise ConfigError(f"margin={margin} is beyond pi; ArcFace's is in radians (28.6 degrees are 0.5)")
        self.margin = margin
        self.scale = scale
        self.register_parameter("weight", None)

    def set_classes(self, *, classes: int, dim: int) -> None:
        """Create the classifier (classes, dim)."""
        self.weight = nn.Parameter(INITIAL_DEVIATION * torch.randn(classes, dim))

    @abstractmethod
    def with_margin(self, cosine: Tensor) -> Tensor:
        """Cosines of the own classes (N,) in [-1, 1] -> what stands for them (N,)."""

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """(B, D), (B, D) of any norm, class ids (B,) -> scalar; raises `ConfigError` before `set_classes`."""
        if self.weight is None:
            raise ConfigError("the loss has no classes yet; call set_classes(classes=, dim=) before training")
        target = item_id.repeat(2)
        cosine = linear(normalize(torch.cat([image, text]), dim=1), normalize(self.weight, dim=1))
        own = self.with_margin(cosine.gather(1, target[:, None]))
        return cross_entropy(self.scale * cosine.scatter(1, target[:, None], own), target)

    def diagnostics(self) -> dict[str, float]:
        """Nothing but the classifier is learned here."""
        return {}

    def collapsed_value(self, batch_size: int) -> float | None:  # noqa: ARG002
        """None: it follows the classifier's rows."""
        return None


class ArcFace(MarginSoftmax):
    """cos(angle + margin), the margin in radians (Deng et al. 2019, eq. 3).

    Where angle + margin passes pi: cos(angle) - margin sin(margin), as in the authors' code, so that the
    logit keeps falling with the angle.
    """

    def __init__(self, *, margin: float = 0.5, scale: float = 64.0) -> None:
        super().__init__(margin=margin, scale=scale)

    def with_margin(self, cosine: Tensor) -> Tensor:
        """cos(acos(cosine) + margin): (N, 1) -> (N, 1)."""
        angle = cosine.clamp(-WITHIN, WITHIN).acos()
        beyond = cosine - self.margin * math.sin(self.margin)
        return torch.where(angle <= math.pi - self.margin, (angle + self.margin).cos(), beyond)


class CosFace(MarginSoftmax):
    """The own cosine less the margin (Wang et al. 2018, eq. 4)."""

    def __init__(self, *, margin: float = 0.35, scale: float = 64.0) -> None:
        super().__init__(margin=margin, scale=scale)

    def with_margin(self, cosine: Tensor) -> Tensor:
        """The cosine less the margin: (N, 1) -> (N, 1)."""
        return cosine - self.margin
