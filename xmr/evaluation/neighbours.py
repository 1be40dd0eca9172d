"""The KNN accuracy of composed queries: whether a target is among the K nearest by Euclidean distance."""

from collections.abc import Sequence
from dataclasses import dataclass

from xmr.core.types import Embeddings
from xmr.evaluation.evaluator import evaluate
from xmr.evaluation.inputs import PerQuery
from xmr.evaluation.protocol import Protocol


@dataclass(frozen=True)
class KNNAccuracy:
    """By K, the share of `queries` with a target among the first K, in [0, 1], and what chance gives.

    `left_out` queries have no target in the gallery and count in neither.
    """

    accuracy: dict[int, float]
    chance: dict[int, float]
    queries: int
    left_out: int


def knn_accuracy(
    queries: Embeddings,
    gallery: Embeddings,
    *,
    ks: Sequence[int] = (1, 5, 10),
    references: Sequence[str] | None = None,
) -> KNNAccuracy:
    """Exact search by Euclidean distance of queries (Q, D) in a gallery (G, D); targets share the item id.

    This is hit@k (xmr's recall@k) by distance instead of cosine, tied distances in expectation; of unit-norm
    vectors both are equal. `references` (Q,) are the gallery ids that are taken out of each query's ranking.
    Source: Sarker and Milanova, Deep Learning-Based Multimodal Image Retrieval Combining Image and Text,
    section IV. Raises what `evaluate` raises.
    """
    protocol = Protocol(
        similarity="l2", exclude="nothing" if references is None else "reference", ks=tuple(ks)
    )
    result = evaluate(queries, gallery, protocol, about=PerQuery(references=references))
    return KNNAccuracy(
        accuracy={k: result.metrics[f"recall@{k}"] for k in protocol.ks},
        chance={k: result.chance[f"recall@{k}"] for k in protocol.ks},
        queries=len(result.query_ids),
        left_out=len(result.excluded_queries),
    )
