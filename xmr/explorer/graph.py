"""The graph of the top results: k-means clusters, edges between near neighbours, and a layout that stays."""

from dataclasses import dataclass

import numpy as np

NEIGHBOURS = 4
MOST_CLUSTERS, FEWEST_ENTRIES = 8, 4
STEPS = 300
SPACE = 0.9
"""How far apart nodes are kept, as a share of the room that each would have in a grid."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """The cluster of each of N vectors (N,), the largest is 0; silhouettes (N,) in [-1, 1], None of one."""

    of: np.ndarray
    count: int
    chosen: bool
    silhouettes: np.ndarray | None


@dataclass(frozen=True)
class Edge:
    """Two nodes, how similar they are, and that as a share from the weakest edge to the strongest."""

    a: int
    b: int
    similarity: float
    weight: float


def clustered(vectors: np.ndarray, *, count: int | None = None) -> Clusters:
    """k-means of vectors (N, D) into `count` clusters, or as many (2 to 8) as have the best mean silhouette.

    Silhouettes: Rousseeuw 1987. Fewer than four vectors, or vectors that are all equal, are one cluster.
    """
    # importing it takes a second, which the first page need not wait for
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_samples

    distinct = len(np.unique(vectors, axis=0))
    if distinct < 2 or (count is None and (len(vectors) < FEWEST_ENTRIES or distinct < 3)):
        return Clusters(np.zeros(len(vectors), np.int64), 1, count is None, None)
    most = min(distinct, len(vectors) - 1)
    tried = [min(count, most)] if count is not None else range(2, min(MOST_CLUSTERS, most) + 1)
    best: tuple[np.ndarray, np.ndarray] | None = None
    for number in tried:
        if number < 2:
            return Clusters(np.zeros(len(vectors), np.int64), 1, count is None, None)
        of = KMeans(number, n_init=4, random_state=0).fit_predict(vectors)
        silhouettes = silhouette_samples(vectors, of)
        if best is None or silhouettes.mean() > best[1].mean() + 1e-9:
            best = of, silhouettes
    if best is None:
        return Clusters(np.zeros(len(vectors), np.int64), 1, count is None, None)
    of, silhouettes = best
    largest_first = np.argsort(-np.bincount(of), kind="stable")
    renamed = np.argsort(largest_first)[of]
    return Clusters(renamed, len(largest_first), count is None, silhouettes)


def edges(similarities: np.ndarray, *, neighbours: int = NEIGHBOURS) -> list[Edge]:
    """Each node with its `neighbours` nearest, of similarities (N, N); a pair comes once."""
    count = len(similarities)
    others = similarities.astype(np.float64)
    np.fill_diagonal(others, -np.inf)
    nearest = np.argsort(-others, axis=1, kind="stable")[:, : min(neighbours, count - 1)]
    pairs = sorted({(min(a, b), max(a, b)) for a in range(count) for b in nearest[a].tolist()})
    values = np.array([others[pair] for pair in pairs])
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    weights = np.ones(len(values)) if high == low else (values - low) / (high - low)
    return [Edge(a, b, float(v), float(w)) for (a, b), v, w in zip(pairs, values, weights, strict=True)]


def layout(similarities: np.ndarray) -> np.ndarray:
    """Places (N, 2) in [0, 1] x [0, 1] of N nodes by their similarities (N, N), always the same.

    Metric scaling by majorisation (SMACOF; de Leeuw 1977) of the distances sqrt(2 - 2 cos), begun from
    classical scaling; then nodes that cover each other are moved apart.
    """
    count = len(similarities)
    if count == 1:
        return np.full((1, 2), 0.5)
    similarities = similarities.astype(np.float64)
    diagonal = np.diag(similarities)
    wanted = np.sqrt((diagonal[:, None] + diagonal - 2 * similarities).clip(min=0))
    places = _classical(wanted)
    for _ in range(STEPS):
        distances = _distances(places)
        ratio = np.divide(wanted, distances, out=np.zeros_like(wanted), where=distances > 1e-9)
        pull = -ratio
        np.fill_diagonal(pull, ratio.sum(axis=1) - np.diag(ratio))
        places = pull @ places / count
    return _apart(_in_square(places))


def _classical(distances: np.ndarray) -> np.ndarray:
    """Classical scaling to two dimensions; the largest coordinate of an axis is positive."""
    count = len(distances)
    centring = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    top = vectors[:, [-1, -2]]
    top = top * np.sign(top[np.abs(top).argmax(axis=0), [0, 1]])
    return top * np.sqrt(values[[-1, -2]].clip(min=0))


def _distances(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places[:, None] - places[None], axis=2)


def _in_square(places: np.ndarray) -> np.ndarray:
    low, high = places.min(axis=0), places.max(axis=0)
    return (places - low) / np.where(high > low, high - low, 1.0)


def _apart(places: np.ndarray) -> np.ndarray:
    """Places in the square, pushed apart until each has room."""
    room = SPACE / np.sqrt(len(places))
    # what coincides could not part: a small step each, in directions that all differ
    angles = np.arange(len(places)) * np.pi * (3 - np.sqrt(5))
    places = places + 0.01 * room * np.column_stack([np.cos(angles), np.sin(angles)])
    for _ in range(STEPS):
        gaps = places[:, None] - places[None]
        distances = np.linalg.norm(gaps, axis=2)
        np.fill_diagonal(distances, np.inf)
        short = (room - distances).clip(min=0)
        if short.max() < 1e-3 * room:
            break
        places = places + 0.25 * (gaps / distances[..., None].clip(min=1e-9) * short[..., None]).sum(axis=1)
    return _in_square(places)
