"""Vectors on a plane: PCA with its axes, t-SNE and UMAP, kept in a file; and where a query lies on it."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile
from zlib import crc32

import numpy as np

from xmr.core.errors import DataError
from xmr.core.files import atomic_path
from xmr.evaluation.projection import chosen_rows, project

LIMITS = {"pca": 200_000, "tsne": 5_000, "umap": 10_000}
"""Points of a map by method: t-SNE and UMAP take a minute for so many on two cores."""
REDUCED = 50
"""Dimensions that t-SNE starts from (van der Maaten and Hinton 2008, section 4.2: 30)."""
CLUSTERS = 10
NEAREST = 10
ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, eq=False)
class Axes:
    """The first principal axes (A, D) of vectors, their mean (D,), and each axis's share of the variance."""

    mean: np.ndarray
    axes: np.ndarray
    shares: np.ndarray

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (N, D) -> coordinates (N, A), float32."""
        return ((vectors - self.mean) @ self.axes.T).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Plane:
    """Points (N, 2) of N vectors, their clusters (N,), and for PCA the axes that project any vector."""

    points: np.ndarray
    clusters: np.ndarray
    axes: Axes | None

    def save(self, file: Path) -> None:
        """Write the plane atomically."""
        more = {} if self.axes is None else vars(self.axes)
        with atomic_path(file) as beside, beside.open("wb") as opened:
            np.savez(opened, points=self.points, clusters=self.clusters, **more)

    @classmethod
    def load(cls, file: Path, count: int) -> "Plane | None":
        """The plane of `count` points in `file`, None where there is no file; raises `DataError`."""
        if not file.is_file():
            return None
        try:
            with np.load(file) as kept:
                arrays = dict(kept)
            axes = Axes(arrays["mean"], arrays["axes"], arrays["shares"]) if "axes" in arrays else None
            plane = cls(arrays["points"], arrays["clusters"], axes)
        except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
            raise DataError(f"{file} is damaged ({error}); remove it, and it is made again") from error
        if plane.points.shape != (count, 2) or plane.clusters.shape != (count,):
            raise DataError(f"{file} has {len(plane.points)} points, not {count}; remove it")
        return plane


def sample(names: list[str], *, limit: int) -> np.ndarray:
    """Positions, ascending, of at most `limit` of `names` (N,): those whose names have the lowest hashes.

    Two lists with the same names keep the same ones, whatever their order.
    """
    if len(names) <= limit:
        return np.arange(len(names))
    hashes = np.array([crc32(name.encode()) for name in names])
    return np.sort(np.lexsort((np.array(names), hashes))[:limit])


def principal_axes(vectors: np.ndarray, *, count: int = 2) -> Axes:
    """The axes of most variance of vectors (N, D), by the eigenvectors of their covariance, in float64.

    Of an axis and its opposite the one is taken whose largest coordinate is positive.
    """
    dim = vectors.shape[1]
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((dim, dim))
    for begin in range(0, len(vectors), ROWS_AT_ONCE):
        centred = vectors[begin : begin + ROWS_AT_ONCE].astype(np.float64) - mean
        covariance += centred.T @ centred
    values, columns = np.linalg.eigh(covariance)
    kept = min(count, dim)
    axes = columns[:, ::-1][:, :kept].T
    axes = axes * np.sign(axes[np.arange(kept), np.abs(axes).argmax(axis=1)])[:, None]
    shares = values[::-1][:kept].clip(min=0) / max(values.sum(), 1e-30)
    missing = count - kept if count == 2 else 0
    return Axes(
        mean.astype(np.float32),
        np.vstack([axes, np.zeros((missing, dim))]).astype(np.float32),
        np.append(shares, np.zeros(missing)),
    )


def plane_of(vectors: np.ndarray, method: str) -> Plane:
    """The map of vectors (N, D) by "pca", "tsne" or "umap"; raises what `project` does."""
    axes = None
    if method == "pca":
        axes = principal_axes(vectors)
        points = axes.project(vectors)
    elif method == "tsne" and vectors.shape[1] > REDUCED:
        points = project(principal_axes(vectors, count=REDUCED).project(vectors), method=method)
    else:
        points = project(vectors, method=method)
    return Plane(points, clusters_of(vectors), axes)


def clusters_of(vectors: np.ndarray) -> np.ndarray:
    """The cluster (N,) of each vector (N, D) among at most ten, the largest is 0."""
    looked_at = chosen_rows(len(vectors), limit=100 * CLUSTERS)
    distinct = len(np.unique(vectors[looked_at], axis=0))
    if distinct < 2:
        return np.zeros(len(vectors), np.int64)
    # importing it takes a second, which the first page need not wait for
    from sklearn.cluster import MiniBatchKMeans

    of = MiniBatchKMeans(min(CLUSTERS, distinct), n_init=3, random_state=0).fit_predict(vectors)
    largest_first = np.argsort(-np.bincount(of, minlength=CLUSTERS), kind="stable")
    return np.argsort(largest_first)[of]


def place(plane: Plane, vector: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, bool, np.ndarray]:
    """Where a vector (D,) lies on the plane (2,), whether exactly, and its nearest points, best first.

    By PCA it is projected. Elsewhere it is the mean of the ten most similar points, weighted by how much
    more similar they are than the eleventh; `similarities` (N,) are those to the plane's vectors.
    """
    nearest = np.argsort(-similarities, kind="stable")[: NEAREST + 1]
    first, bar = nearest[:NEAREST], similarities[nearest[-1]]
    if plane.axes is not None:
        return plane.axes.project(vector[None])[0], True, first
    weights = (similarities[first] - bar).astype(np.float64).clip(min=0)
    weights = np.ones(len(first)) if weights.sum() < 1e-12 else weights
    return np.average(plane.points[first], axis=0, weights=weights), False, first
