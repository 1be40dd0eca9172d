"""Embeddings on a plane: PCA, t-SNE, UMAP, or as they are."""

from collections.abc import Callable

import numpy as np

from xmr.core.errors import ConfigError, DataError, MissingFilesError, check_positive, did_you_mean

FEWEST = 3
NEIGHBOURS = 5
PERPLEXITY = 30.0
LIMIT = 2_000
"""Points of a plot: t-SNE takes a quarter of a minute for so many, and more hide each other."""


def project(
    vectors: np.ndarray, *, method: str, seed: int = 0, perplexity: float | None = None
) -> np.ndarray:
    """N vectors (N, D) to points of a plane (N, 2), float32, the same for the same `seed`.

    - "pca": the two directions of most variance; what has least to lose of distances, and most to hide;
    - "tsne": scikit-learn's t-SNE (van der Maaten and Hinton 2008), begun from PCA, perplexity 30, or
      (N - 1) / 3 where that is less;
    - "umap": UMAP (McInnes et al. 2018) with 5 neighbours, distance .3 and correlation as the metric;
    - "fc2": vectors that have two dimensions, as they are.

    Vectors that are all equal are one point, (0, 0), whatever the method. Raises `DataError` for fewer than
    three vectors (six for UMAP), for NaN, and for "fc2" of other dimensions; `ConfigError` for an unknown
    method and a perplexity of N or more; `MissingFilesError` where umap-learn is not installed.
    """
    if method not in METHODS:
        raise ConfigError(f"unknown method '{method}'; {did_you_mean(method, METHODS)}")
    vectors = _checked(vectors)
    if method == "tsne":
        perplexity = _perplexity(perplexity, len(vectors))
    elif perplexity is not None:
        raise ConfigError(f"perplexity={perplexity} has no meaning for {method}; leave it out, or use tsne")
    if method == "fc2" and vectors.shape[1] != 2:
        raise DataError(f"fc2 takes vectors of 2 dimensions, not {vectors.shape[1]}; use pca, tsne or umap")
    if method == "umap" and len(vectors) <= NEIGHBOURS:
        raise DataError(f"{len(vectors)} vectors; umap takes more than {NEIGHBOURS}: use pca")
    if np.allclose(vectors, vectors[0], rtol=1e-6, atol=0):
        return np.zeros((len(vectors), 2), np.float32)
    return METHODS[method](vectors, seed, perplexity).astype(np.float32)


def chosen_rows(count: int, *, limit: int = LIMIT, seed: int = 0) -> np.ndarray:
    """Positions of at most `limit` of `count` rows, ascending: all, or a uniform sample by `seed`."""
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, size=limit, replace=False))


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) < FEWEST:
        raise DataError(f"vectors {vectors.shape}; a projection takes at least {FEWEST}, as (N, D)")
    if bad := int((~np.isfinite(vectors).all(axis=1)).sum()):
        raise DataError(f"{bad} of {len(vectors)} vectors hold NaN or infinity; check the model")
    return vectors


def _perplexity(given: float | None, count: int) -> float:
    if given is None:
        return min(PERPLEXITY, (count - 1) / 3)
    check_positive(perplexity=given)
    if given >= count:
        raise ConfigError(f"perplexity={given} >= {count} vectors; use perplexity < {count}")
    return given


def _pca(vectors: np.ndarray, seed: int, perplexity: float | None) -> np.ndarray:  # noqa: ARG001
    centred = vectors - vectors.mean(axis=0)
    if vectors.shape[1] == 1:
        return np.column_stack([centred, np.zeros(len(centred))])
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    # a direction and its opposite are equally good: the larger coordinate is positive
    signs = np.sign(right[np.arange(2), np.abs(right[:2]).argmax(axis=1)])
    return left[:, :2] * singular[:2] * signs


def _tsne(vectors: np.ndarray, seed: int, perplexity: float | None) -> np.ndarray:
    from sklearn.manifold import TSNE

    start = _pca(vectors, seed, None)
    start *= 1e-4 / start[:, 0].std()
    return TSNE(perplexity=perplexity, init=start, random_state=seed).fit_transform(vectors)


def _umap(vectors: np.ndarray, seed: int, perplexity: float | None) -> np.ndarray:  # noqa: ARG001
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise MissingFilesError(
            "umap-learn is not installed; pip install 'xmr[projection]', or leave umap out of methods"
        ) from error
    # more threads would lose the order that the seed fixes
    reducer = UMAP(n_neighbors=NEIGHBOURS, min_dist=0.3, metric="correlation", random_state=seed, n_jobs=1)
    return reducer.fit_transform(vectors)


def _as_they_are(vectors: np.ndarray, seed: int, perplexity: float | None) -> np.ndarray:  # noqa: ARG001
    return vectors


METHODS: dict[str, Callable[[np.ndarray, int, float | None], np.ndarray]] = {
    "pca": _pca,
    "tsne": _tsne,
    "umap": _umap,
    "fc2": _as_they_are,
}
