"""The accuracy of an SVM on k-means clusters: how separable the clusters are, which is not retrieval."""

from dataclasses import dataclass

import numpy as np
import torch

from xmr.core.errors import ConfigError, DataError, check_whole

WARNING = (
    "SVM accuracy on k-means labels measures how separable the clusters are, not retrieval: "
    "vectors without any meaning reach high values too; read it beside hit@k only"
)
TINY = 5
"""Training vectors below which a cluster is told of."""
COLLAPSED = 1e-5
"""Spread around their mean, as a share of their length, below which vectors are one point."""

Vectors = torch.Tensor | np.ndarray


@dataclass(frozen=True)
class ClusterSVM:
    """The accuracies of all repeats (R,), in [0, 1], with their mean and deviation (n - 1; 0 for one repeat).

    `chance` is the accuracy of always answering the largest training cluster, averaged over the repeats.
    `train_sizes` and `test_sizes` (R, clusters) are the vectors of each cluster; `warnings` tell of tiny and
    of empty ones. Report it with `WARNING` and beside hit@k.
    """

    mean: float
    deviation: float
    accuracies: np.ndarray
    chance: float
    train_sizes: np.ndarray
    test_sizes: np.ndarray
    warnings: tuple[str, ...]


def cluster_svm_accuracy(
    train: Vectors, test: Vectors, *, clusters: int = 15, repeats: int = 10, seed: int = 0
) -> ClusterSVM:
    """Train (N, D), test (M, D) -> how often an SVM finds the k-means cluster of a test vector.

    Each repeat, with a seed of its own, clusters the training vectors, trains an SVM (RBF, scikit-learn's
    defaults) on the clusters as classes, and tests it on the test vectors, labelled by the same k-means.
    Source: Sarker and Milanova, Deep Learning-Based Multimodal Image Retrieval Combining Image and Text,
    section III C and equation 4. Raises `DataError` for vectors that are not finite, of other dimensions,
    too few, or collapsed; `ConfigError` for settings out of range.
    """
    check_whole(2, clusters=clusters)
    check_whole(1, repeats=repeats)
    check_whole(0, seed=seed)
    train, test = _checked(train, "training"), _checked(test, "test")
    if train.shape[1] != test.shape[1]:
        raise DataError(
            f"training vectors have dimension {train.shape[1]}, test vectors {test.shape[1]}; use one model"
        )
    _check_clusterable(train, clusters)
    rows = [_repeat(train, test, clusters, seed + repeat) for repeat in range(repeats)]
    accuracies, chances, train_sizes, test_sizes = (np.array(column) for column in zip(*rows, strict=True))
    return ClusterSVM(
        mean=float(accuracies.mean()),
        deviation=float(accuracies.std(ddof=1)) if repeats > 1 else 0.0,
        accuracies=accuracies,
        chance=float(chances.mean()),
        train_sizes=train_sizes,
        test_sizes=test_sizes,
        warnings=_warnings(train_sizes, test_sizes),
    )


def _repeat(
    train: np.ndarray, test: np.ndarray, clusters: int, seed: int
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Accuracy, chance, and the sizes of the clusters in training and in test."""
    # seconds to import, which most runs need not wait for
    from sklearn.cluster import KMeans
    from sklearn.svm import SVC

    kmeans = KMeans(clusters, n_init=10, random_state=seed).fit(train)
    truth = kmeans.predict(test)
    answers = SVC().fit(train, kmeans.labels_).predict(test)
    train_sizes, test_sizes = (np.bincount(labels, minlength=clusters) for labels in (kmeans.labels_, truth))
    chance = float(np.mean(truth == train_sizes.argmax()))
    return float(np.mean(answers == truth)), chance, train_sizes, test_sizes


def _checked(vectors: Vectors, role: str) -> np.ndarray:
    array = vectors.detach().cpu().numpy() if isinstance(vectors, torch.Tensor) else np.asarray(vectors)
    if array.ndim != 2 or not array.size:
        raise DataError(f"{role} vectors have the shape {array.shape}; give at least one, as (N, D)")
    bad = np.flatnonzero(~np.isfinite(array).all(1))
    if len(bad):
        raise DataError(
            f"{len(bad)} of {len(array)} {role} vectors are not finite (first: row {bad[0]}); "
            f"usual cause: a diverged run, lower the learning rate"
        )
    return array.astype(np.float64)


def _check_clusterable(train: np.ndarray, clusters: int) -> None:
    if clusters > len(train):
        raise ConfigError(f"clusters={clusters} > {len(train)} training vectors; use fewer clusters")
    distinct = len(np.unique(train, axis=0))
    spread = np.sqrt(((train - train.mean(0)) ** 2).sum(1).mean())
    length = np.sqrt((train**2).sum(1).mean())
    if distinct < clusters or spread <= COLLAPSED * length:
        raise DataError(
            f"the training vectors are collapsed: {distinct} distinct of {len(train)} (needed: clusters="
            f"{clusters}), spread {spread:.2g} at length {length:.2g}; the model embeds all at one point"
        )


def _warnings(train_sizes: np.ndarray, test_sizes: np.ndarray) -> tuple[str, ...]:
    found = []
    for repeat, (train, test) in enumerate(zip(train_sizes, test_sizes, strict=True)):
        tiny, empty = int((train < TINY).sum()), int((test == 0).sum())
        if tiny:
            found.append(f"repeat {repeat}: {tiny} of {len(train)} clusters have < {TINY} training vectors")
        if empty:
            found.append(f"repeat {repeat}: {empty} of {len(test)} clusters have no test vector")
    return tuple(found)
