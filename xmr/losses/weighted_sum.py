"""A weighted sum of losses, whose weights may change from stage to stage."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, check_at_least, did_you_mean
from xmr.core.protocols import NeedsClasses
from xmr.losses.memory import EmbeddingMemory


class WeightedSum(nn.Module):
    """sum of weights[name] * terms[name]; a term of weight 0 is not computed.

    It takes projections; terms on embeddings get them at unit norm.
    """

    on: Literal["embeddings", "projections"] = "projections"

    def __init__(self, *, terms: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        if not terms:
            raise ConfigError("terms={} is empty; name at least one loss")
        self.terms = nn.ModuleDict(terms)
        self.weights = dict.fromkeys(terms, 1.0)
        self.set_weights(weights)
        self._last: dict[str, Tensor] = {}

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Set the given weights, at least 0 each: of a term ("ranking") or its side ("instance.image").

        Raises `ConfigError` for an unknown name.
        """
        for name, weight in weights.items():
            term, _, side = name.partition(".")
            if term not in self.weights:
                raise ConfigError(f"no term '{term}' to weigh; {did_you_mean(term, self.weights)}")
            if not side:
                check_at_least(0, **{f"weights.{name}": weight})
                if self.weights[term] == 0 < weight:
                    _forget(self.terms[term])
                self.weights[term] = weight
            elif hasattr(self.terms[term], "set_weights"):
                self.terms[term].set_weights({side: weight})  # type: ignore[operator]
            else:
                raise ConfigError(f"term '{term}' has no sides to weigh; use '{term}' instead of '{name}'")

    def set_classes(self, *, classes: int, dim: int) -> None:
        """Create the classifiers of the terms that have one."""
        for term in self.terms.values():
            if isinstance(term, NeedsClasses):
                term.set_classes(classes=classes, dim=dim)

    @property
    def local_parameters(self) -> dict[str, int]:
        """The parameters that differ by process, left out of DDP, with the rows of all processes."""
        return {
            f"terms.{name}.{parameter}": rows
            for name, term in self.terms.items()
            for parameter, rows in getattr(term, "local_parameters", {}).items()
        }

    def shard(self) -> None:
        """Share out the sharded classifiers of the terms, once the processes have met."""
        for term in self.terms.values():
            if hasattr(term, "shard"):
                term.shard()  # type: ignore[operator]

    def forward(self, image: Tensor, text: Tensor, item_id: Tensor) -> Tensor:
        """Projections (B, D), (B, D), ids (B,) -> scalar; raises `ConfigError` when all weights are 0."""
        unit = normalize(image, dim=1), normalize(text, dim=1)
        self._last = {
            name: term(*(unit if term.on == "embeddings" else (image, text)), item_id)
            for name, term in self.terms.items()
            if self.weights[name] > 0
        }
        if not self._last:
            raise ConfigError(f"all weights of {', '.join(self.weights)} are 0; give one a weight above 0")
        values = [self.weights[name] * value for name, value in self._last.items()]
        self._last = {name: value.detach() for name, value in self._last.items()}
        return sum(values[1:], values[0])

    def diagnostics(self) -> dict[str, float]:
        """The value of each term in the last batch, and what the terms say themselves."""
        own = {f"{name}_loss": value.item() for name, value in self._last.items()}
        of_terms = {
            f"{name}_{key}": value
            for name, term in self.terms.items()
            for key, value in term.diagnostics().items()  # type: ignore[operator]
        }
        return own | of_terms

    def collapsed_value(self, batch_size: int) -> float | None:
        """The weighted sum of the terms' values, None where one has none."""
        values = [
            (weight, self.terms[name].collapsed_value(batch_size))  # type: ignore[operator]
            for name, weight in self.weights.items()
            if weight > 0
        ]
        if not values or any(value is None for _, value in values):
            return None
        return sum(weight * value for weight, value in values)


def _forget(term: nn.Module) -> None:
    """Empty the memories of a term that was not computed: they are of a model that has learned since."""
    for module in term.modules():
        if isinstance(module, EmbeddingMemory):
            module.clear()
