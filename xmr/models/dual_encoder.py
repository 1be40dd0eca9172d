"""The dual encoder: an image tower and a text tower that meet in one space."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.protocols import Encoder, Inputs
from xmr.core.types import Modality

PARTS = ("image_encoder", "text_encoder", "image_head", "text_head")


class DualEncoder(nn.Module):
    """Encoders give features, heads map them to unit-norm embeddings (B, dim) of one space.

    The parts named in `freeze` keep their weights and their evaluation behaviour (batch norm statistics,
    no dropout) during training.
    """

    def __init__(
        self,
        *,
        image_encoder: nn.Module,
        text_encoder: nn.Module,
        image_head: nn.Module,
        text_head: nn.Module,
        freeze: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.image_head = image_head
        self.text_head = text_head
        for part in freeze:
            if part not in PARTS:
                raise ConfigError(f"model.freeze has no part '{part}'; {did_you_mean(part, PARTS)}")
            getattr(self, part).requires_grad_(False)
        self.frozen = frozenset(freeze)
        self.train(self.training)

    def train(self, mode: bool = True) -> "DualEncoder":
        """Switch to training (or evaluation) mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in self.frozen:
            getattr(self, part).eval()
        return self

    def encoder(self, modality: Modality) -> Encoder:
        """The encoder of `modality`."""
        return getattr(self, f"{modality}_encoder")

    def encoder_module(self, modality: Modality) -> nn.Module:
        """The encoder of `modality`, as a torch module."""
        return getattr(self, f"{modality}_encoder")

    def has_frozen_encoder(self, modality: Modality) -> bool:
        """Whether the features of `modality` never change, so that they can be computed once."""
        return f"{modality}_encoder" in self.frozen

    def embed(self, modality: Modality, inputs: Inputs) -> Tensor:
        """Prepared inputs of B items -> unit-norm embeddings (B, dim)."""
        return self.embed_features(modality, self.encoder(modality)(inputs))

    def embed_features(self, modality: Modality, features: Tensor) -> Tensor:
        """Encoder features (B, in_dim) -> unit-norm embeddings (B, dim), float32 in mixed precision too."""
        return normalize(getattr(self, f"{modality}_head")(features).float(), dim=1)
