"""InfoNCE with soft labels: what resembles the own partner is not wholly wrong."""

import torch
from torch import Tensor

from xmr.core.errors import ConfigError, check_at_least, check_positive
from xmr.losses.info_nce import InfoNCE


class SoftInfoNCE(InfoNCE):
    """InfoNCE whose targets mix the matching rows with a softmax over similarities within each side.

    SoftCLIP's softened targets (Gao et al. 2024): an image that resembles the image of another
    row may choose that row's text too, and so for texts. target = (1 - softness) * matching + softness *
    softmax(within-side similarity / target_temperature), held constant for the gradient. Deviation: the
    similarities are those of the embeddings themselves, not of detected regions, and negatives are not
    disentangled from the positive. softness 0 is InfoNCE.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        learn_temperature: bool = True,
        softness: float = 0.2,
        target_temperature: float = 0.07,
    ) -> None:
        super().__init__(temperature=temperature, learn_temperature=learn_temperature)
        check_at_least(0, softness=softness)
        if softness > 1:
            raise ConfigError(f"softness={softness} is above 1; use softness <= 1")
        check_positive(target_temperature=target_temperature)
        self.softness = softness
        self.target_temperature = target_temperature

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Unit-norm (B, D), (B, D), ids (B,) -> scalar in [0, inf); log B for a collapsed model."""
        similarity = image @ text.T
        image_to_text = self.one_way(similarity, self._target(image, item_id))
        text_to_image = self.one_way(similarity.T, self._target(text, item_id))
        return (image_to_text + text_to_image) / 2

    @torch.no_grad()
    def _target(self, side: Tensor, item_id: Tensor) -> Tensor:
        """What each row should choose (B, B), by its likeness to the rows of its own side; rows sum to 1."""
        matching = (item_id[:, None] == item_id[None, :]).to(side.dtype)
        alike = (side @ side.T / self.target_temperature).softmax(dim=1)
        return (1 - self.softness) * matching / matching.sum(1, keepdim=True) + self.softness * alike
