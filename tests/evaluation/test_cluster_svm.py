import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.svm import SVC
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.cluster_svm import WARNING, cluster_svm_accuracy


def blobs(per_cluster=20, clusters=4, dim=6, spread=0.05, seed=0):
    rng = np.random.default_rng(seed)
    centres = 3 * rng.standard_normal((clusters, dim))
    vectors = np.repeat(centres, per_cluster, axis=0)
    return (vectors + spread * rng.standard_normal(vectors.shape)).astype(np.float32)


def test_accuracy_is_counted_as_the_document_says():
    """Vector by vector: the nearest centre is the truth, the SVM's answer is right or wrong."""
    rng = np.random.default_rng(0)
    train, test = rng.standard_normal((120, 4)), rng.standard_normal((30, 4))
    found = cluster_svm_accuracy(train, test, clusters=5, repeats=2, seed=3)
    for repeat, accuracy in enumerate(found.accuracies):
        kmeans = KMeans(5, n_init=10, random_state=3 + repeat).fit(train)
        svm = SVC().fit(train, kmeans.labels_)
        right, largest = 0, np.bincount(kmeans.labels_).argmax()
        guessed = 0
        for vector in test:
            truth = int(np.argmin([((vector - centre) ** 2).sum() for centre in kmeans.cluster_centers_]))
            right += int(svm.predict(vector[None])[0] == truth)
            guessed += int(truth == largest)
        assert accuracy == pytest.approx(right / len(test))
    assert found.mean == pytest.approx(sum(found.accuracies) / 2)
    assert found.deviation == pytest.approx(abs(found.accuracies[0] - found.accuracies[1]) / 2**0.5)
    assert 0 < found.chance < 0.6


def test_vectors_without_any_structure_reach_a_high_accuracy():
    """The point of the warning: nothing here could be retrieved, and chance is 7 %."""
    noise = normalize(torch.randn(700, 16, generator=torch.Generator().manual_seed(0)), dim=1)
    found = cluster_svm_accuracy(noise[:500], noise[500:], repeats=2)
    assert found.mean > 0.7 > 5 * found.chance
    assert "not retrieval" in WARNING


def test_separate_blobs_are_found_and_counted():
    found = cluster_svm_accuracy(blobs(seed=1), blobs(seed=1)[::2], clusters=4, repeats=3)
    assert found.accuracies.tolist() == [1, 1, 1]
    assert (found.mean, found.deviation) == (1, 0)
    assert np.sort(found.train_sizes, axis=1).tolist() == [[20] * 4] * 3
    assert np.sort(found.test_sizes, axis=1).tolist() == [[10] * 4] * 3
    assert found.chance == pytest.approx(0.25)
    assert found.warnings == ()


def test_tiny_and_empty_clusters_are_told():
    train = np.concatenate([blobs(clusters=1, per_cluster=40), blobs(clusters=1, per_cluster=2, seed=9) + 50])
    found = cluster_svm_accuracy(train, train[:10], clusters=2, repeats=1)
    assert found.warnings == (
        "repeat 0: 1 of 2 clusters have < 5 training vectors",
        "repeat 0: 1 of 2 clusters have no test vector",
    )
    assert found.deviation == 0


def test_the_seed_decides():
    train = normalize(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    first, same, other = (
        cluster_svm_accuracy(train[:150], train[150:], clusters=6, repeats=3, seed=seed) for seed in (0, 0, 9)
    )
    assert first.accuracies.tolist() == same.accuracies.tolist()
    assert first.train_sizes.tolist() == same.train_sizes.tolist() != other.train_sizes.tolist()


@pytest.mark.parametrize(
    "train",
    [
        torch.ones(40, 4),
        torch.ones(40, 4) + 1e-7 * torch.rand(40, 4, generator=torch.Generator().manual_seed(0)),
        torch.eye(4).repeat(10, 1),
        torch.zeros(40, 4),
    ],
    ids=["one point", "almost one point", "fewer points than clusters", "zeros"],
)
def test_collapsed_vectors_are_told(train):
    with pytest.raises(DataError, match=r"collapsed: .* distinct of 40"):
        cluster_svm_accuracy(train, train, clusters=5)


def test_bad_input_is_told():
    good = torch.from_numpy(blobs())
    broken = good.clone()
    broken[7, 2] = float("nan")
    with pytest.raises(DataError, match=r"1 of 80 training vectors are not finite .*row 7"):
        cluster_svm_accuracy(broken, good)
    with pytest.raises(DataError, match=r"test vectors have the shape \(0, 6\)"):
        cluster_svm_accuracy(good, good[:0])
    with pytest.raises(DataError, match="dimension 6, test vectors 5"):
        cluster_svm_accuracy(good, good[:, :5])
    with pytest.raises(ConfigError, match="clusters=90 > 80 training vectors"):
        cluster_svm_accuracy(good, good, clusters=90)
    with pytest.raises(ConfigError, match="clusters=1"):
        cluster_svm_accuracy(good, good, clusters=1)


def test_one_test_vector_will_do():
    found = cluster_svm_accuracy(blobs(), blobs()[:1], clusters=4, repeats=2)
    assert found.mean == 1
