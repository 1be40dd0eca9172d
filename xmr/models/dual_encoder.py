"""The dual encoder: an image tower and a text tower that meet in one space."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.protocols import Encoder, Inputs
from xmr.core.types import Modality


class DualEncoder(nn.Module):
    """Encoders give features, heads project them, and unit-norm projections are the embeddings (B, dim).

    The parts named in `freeze` keep their weights and their evaluation behaviour (batch norm statistics,
    no dropout) during training; `set_frozen` changes which those are. `freeze_batch_norm` keeps the
    statistics of the encoders' batch norms also where their weights learn: of small batches of few classes
    they are poor, and differ from those that evaluation uses. With `normalize` False embeddings are the
    projections themselves, for losses and evaluations by Euclidean distance.
    """

    PARTS: ClassVar[tuple[str, ...]] = ("image_encoder", "text_encoder", "image_head", "text_head")
    SIDES: ClassVar[tuple[Modality, Modality]] = (Modality.IMAGE, Modality.TEXT)
    """The modality of each side of a training pair."""

    def __init__(
        self,
        *,
        freeze: Sequence[str] = (),
        freeze_batch_norm: bool = False,
        normalize: bool = True,
        **parts: nn.Module,
    ) -> None:
        super().__init__()
        if set(parts) != set(self.PARTS):
            raise TypeError(f"{type(self).__name__} has the parts {self.PARTS}, not {tuple(parts)}")
        for name in self.PARTS:
            setattr(self, name, parts[name])
        self.freeze_batch_norm = freeze_batch_norm
        self.normalize = normalize
        # what the parts themselves keep constant (word vectors, say) never learns
        self._learns = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        self.frozen: frozenset[str] = frozenset()
        self.set_frozen(freeze)

    def set_frozen(self, parts: Iterable[str]) -> None:
        """Freeze `parts` and thaw all others; raises `ConfigError` for an unknown one."""
        parts = frozenset(parts)
        for part in parts.difference(self.PARTS):
            raise ConfigError(f"model.freeze has no part '{part}'; {did_you_mean(part, self.PARTS)}")
        self.frozen = parts
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name in self._learns and name.partition(".")[0] not in parts)
        self.train(self.training)

    def train(self, mode: bool = True) -> "DualEncoder":
        """Switch to training (or evaluation) mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in self.frozen:
            getattr(self, part).eval()
        if self.freeze_batch_norm:
            for modality in self.modalities():
                for module in self.encoder_module(modality).modules():
                    if isinstance(module, _BatchNorm):
                        module.eval()
        return self

    @classmethod
    def modalities(cls) -> tuple[Modality, ...]:
        """The modalities that have an encoder."""
        return tuple(m for m in (Modality.IMAGE, Modality.TEXT) if f"{m}_encoder" in cls.PARTS)

    def encoder(self, modality: Modality) -> Encoder:
        """The encoder of `modality`."""
        return getattr(self, f"{modality}_encoder")

    def encoder_module(self, modality: Modality) -> nn.Module:
        """The encoder of `modality`, as a torch module."""
        return getattr(self, f"{modality}_encoder")

    def has_frozen_encoder(self, modality: Modality) -> bool:
        """Whether the features of `modality` do not change now."""
        return f"{modality}_encoder" in self.frozen

    def project(self, modality: Modality, inputs: Inputs) -> Tensor:
        """Prepared inputs of B items -> projections (B, dim), before they are brought to unit norm."""
        return self.project_features(modality, self.encoder(modality)(inputs))

    def project_features(self, modality: Modality, features: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Encoder features (B, in_dim) -> projections (B, dim)."""
        return getattr(self, f"{modality}_head")(features)

    def embed(self, modality: Modality, inputs: Inputs) -> Tensor:
        """Prepared inputs of B items -> embeddings (B, dim)."""
        return self.as_embeddings(self.project(modality, inputs))

    def embed_features(self, modality: Modality, features: Tensor | Mapping[str, Tensor]) -> Tensor:
        """Encoder features (B, in_dim) -> embeddings (B, dim)."""
        return self.as_embeddings(self.project_features(modality, features))

    def as_embeddings(self, projections: Tensor) -> Tensor:
        """Projections (B, dim) -> embeddings (B, dim), float32 in mixed precision too."""
        return normalize(projections.float(), dim=1) if self.normalize else projections.float()
