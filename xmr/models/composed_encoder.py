"""The composed encoder: queries of a reference image and a text meet target images in one space."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor, nn

from xmr.core.errors import DataError
from xmr.core.protocols import Inputs
from xmr.core.types import Modality
from xmr.models.dual_encoder import DualEncoder

PAIR = (Modality.IMAGE, Modality.TEXT)


class Fusion(Protocol):
    """A `torch.nn.Module` that makes one vector (B, dim) of an image and a text.

    A fusion that looks at one side only has it in `reads`: ("image",) or ("text",).
    """

    on: Literal["projections", "features"]
    """What it takes: the heads' outputs (B, dim), or the encoders' features (B, in_dim)."""

    def __call__(self, image: Tensor, text: Tensor) -> Tensor:
        """Both sides of B queries -> (B, dim), before unit norm."""


class ComposedEncoder(DualEncoder):
    """A dual encoder whose `fusion` makes of an image and a text the projection (B, dim) of a composed query.

    Fusions on "projections" take what the heads give, those on "features" what the encoders give. Inputs of
    `Modality.COMPOSED` are {"image": of the references, "text": of the texts}, B of each. Parts that neither
    a query nor a target image reaches (the text head beside a fusion on features, the text's parts beside
    `image_only`) do not learn, frozen or not.
    """

    PARTS: ClassVar[tuple[str, ...]] = (*DualEncoder.PARTS, "fusion")
    SIDES: ClassVar[tuple[Modality, Modality]] = (Modality.IMAGE, Modality.COMPOSED)
    fusion: Fusion

    def __init__(
        self,
        *,
        freeze: Sequence[str] = (),
        freeze_batch_norm: bool = False,
        normalize: bool = True,
        **parts: nn.Module,
    ) -> None:
        super().__init__(freeze=freeze, freeze_batch_norm=freeze_batch_norm, normalize=normalize, **parts)
        unreached = _unreached(self.fusion)
        self._learns = {name for name in self._learns if name.partition(".")[0] not in unreached}
        self.set_frozen(freeze)

    def has_frozen_encoder(self, modality: Modality) -> bool:
        """Whether the features of `modality` do not change now; of composed queries, those of both sides."""
        if modality is Modality.COMPOSED:
            return all(map(super().has_frozen_encoder, PAIR))
        return super().has_frozen_encoder(modality)

    def project(self, modality: Modality, inputs: Inputs) -> Tensor:
        """Prepared inputs of B items -> projections (B, dim), before they are brought to unit norm."""
        if modality is not Modality.COMPOSED:
            return super().project(modality, inputs)
        sides = _both_sides(inputs)
        return self.project_features(modality, {side: self.encoder(side)(sides[side]) for side in PAIR})

    def project_features(self, modality: Modality, features: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Encoder features (B, in_dim), of composed queries those of both sides -> projections (B, dim)."""
        if modality is not Modality.COMPOSED:
            return super().project_features(modality, features)
        sides = _both_sides(features)
        if self.fusion.on == "features":
            return self.fusion(sides[Modality.IMAGE], sides[Modality.TEXT])
        return self.fusion(
            *(super(ComposedEncoder, self).project_features(side, sides[side]) for side in PAIR)
        )


def _both_sides(inputs: Inputs) -> Mapping[str, Any]:
    """`inputs` itself; raises `DataError` unless it has an image side and a text side."""
    if isinstance(inputs, Tensor) or not set(PAIR) <= set(inputs):
        has = "a tensor" if isinstance(inputs, Tensor) else f"the keys {sorted(inputs)}"
        raise DataError(f"composed queries need inputs {{'image': ..., 'text': ...}}, not {has}")
    return inputs


def _unreached(fusion: Fusion) -> set[str]:
    """The parts that give neither queries nor target images anything."""
    if Modality.TEXT not in getattr(fusion, "reads", PAIR):
        return {"text_encoder", "text_head"}
    return {"text_head"} if fusion.on == "features" else set()
