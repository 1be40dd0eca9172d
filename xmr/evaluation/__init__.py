"""Exact, tie-aware evaluation: `evaluate(queries, gallery, protocol)`."""

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
