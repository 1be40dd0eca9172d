"""Exact, tie-aware evaluation: `evaluate(queries, gallery, protocol)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xmr.evaluation.evaluator import EvaluationResult, PerQuery, evaluate, evaluate_both_directions
    from xmr.evaluation.protocol import Protocol, check_comparable
    from xmr.evaluation.protocols import READY, ready_protocol

__all__ = [
    "READY",
    "EvaluationResult",
    "PerQuery",
    "Protocol",
    "check_comparable",
    "evaluate",
    "evaluate_both_directions",
    "ready_protocol",
]

_MODULES = {"Protocol": "protocol", "check_comparable": "protocol", "READY": "protocols"}
_MODULES |= {"ready_protocol": "protocols"}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used: torch takes seconds, and protocols do without."""
    if name not in __all__:
        raise AttributeError(f"module 'xmr.evaluation' has no attribute '{name}'")
    return getattr(import_module(f"xmr.evaluation.{_MODULES.get(name, 'evaluator')}"), name)
