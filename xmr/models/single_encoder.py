"""The single encoder: one image tower whose embeddings find images of the same class."""

from typing import ClassVar

from xmr.core.types import Modality
from xmr.models.dual_encoder import DualEncoder


class SingleEncoder(DualEncoder):
    """An image encoder and its head; both sides of a training pair are images of one class."""

    PARTS: ClassVar[tuple[str, ...]] = ("image_encoder", "image_head")
    SIDES: ClassVar[tuple[Modality, Modality]] = (Modality.IMAGE, Modality.IMAGE)
