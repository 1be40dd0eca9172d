"""The graph of one query's results, as the page draws it."""

import time
from typing import Any

import numpy as np

from xmr.core.errors import ConfigError, check_whole
from xmr.core.types import Modality
from xmr.explorer.graph import Clusters, clustered, edges, layout
from xmr.explorer.pictures import Uploads
from xmr.explorer.queries import Asked, entry_json, query_json
from xmr.explorer.search import Column, Options, ranked
from xmr.explorer.sources import Source

MOST_NODES, MOST_CLUSTERS = 200, 12


def graph_json(
    question: Asked,
    source: Source,
    column: Column,
    options: Options,
    uploads: Uploads,
    *,
    clusters: int | None = None,
) -> dict[str, Any]:
    """The first `options.k` results as nodes with clusters and places, and edges between the nearest."""
    started = time.perf_counter()
    answer = ranked(question, source, column, options, uploads)
    gallery, positions = answer.gallery, answer.hits.positions
    vectors = gallery.vectors.numpy()[positions]
    relevant = None if answer.relevant is None else set(answer.relevant.tolist())
    groups = clustered(vectors, count=clusters)
    similarities = vectors @ vectors.T
    places = layout(similarities) if len(vectors) else np.zeros((0, 2))
    found = edges(_measured(similarities, gallery.metric == "l2")) if len(vectors) > 1 else []
    nodes = [
        {
            "rank": row + 1,
            "score": round(float(answer.hits.scores[row]), 6),
            "similarity": round(float(answer.similarities[position]), 6),
            "relevant": None if relevant is None else position in relevant,
            **entry_json(source, options.among, gallery.rows, position),
            "x": round(float(places[row, 0]), 5),
            "y": round(float(places[row, 1]), 5),
            "cluster": int(groups.of[row]),
            "silhouette": None if groups.silhouettes is None else round(float(groups.silhouettes[row]), 4),
        }
        for row, position in enumerate(positions.tolist())
    ]
    scale = [edge.similarity for edge in found] or [0.0]
    center = places[: min(5, len(places))].mean(axis=0) if len(places) else np.full(2, 0.5)
    return {
        "query": query_json(question),
        "clusters": _clusters_json(groups),
        "nodes": nodes,
        "edges": [
            {"a": e.a, "b": e.b, "similarity": round(e.similarity, 6), "weight": round(e.weight, 4)}
            for e in found
        ],
        "center": {"x": round(float(center[0]), 5), "y": round(float(center[1]), 5)},
        "scale": {"low": round(min(scale), 6), "high": round(max(scale), 6)},
        "timing": {"total_ms": round(1000 * (time.perf_counter() - started), 3)},
    }


def check_graph(count: int, clusters: int | None) -> None:
    """Raise `ConfigError` for a number of nodes or clusters that is out of range."""
    check_whole(1, n=count)
    if count > MOST_NODES:
        raise ConfigError(f"n={count} > {MOST_NODES}; use n <= {MOST_NODES}")
    if clusters is not None and not 1 <= clusters <= MOST_CLUSTERS:
        raise ConfigError(f"clusters={clusters}; use 1 to {MOST_CLUSTERS}, or leave it out")


def graph_options(among: Modality, count: int, labels: tuple[str, ...]) -> Options:
    """What the search below a graph looks for."""
    return Options(among=among, k=count, labels=labels, tags=0)


def _measured(products: np.ndarray, squared: bool) -> np.ndarray:
    """Similarities (N, N) as the gallery measures them."""
    if not squared:
        return products
    lengths = np.diag(products)
    return 2 * products - lengths[:, None] - lengths


def _clusters_json(groups: Clusters) -> dict[str, Any]:
    mean = None if groups.silhouettes is None else round(float(groups.silhouettes.mean()), 4)
    sizes = np.bincount(groups.of, minlength=groups.count).tolist() if len(groups.of) else []
    return {"count": groups.count, "chosen": groups.chosen, "silhouette": mean, "sizes": sizes}
