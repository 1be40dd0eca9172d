"""Projections on a plane: what each method keeps, by seed, and clear errors for what can't be drawn."""

import sys

import numpy as np
import pytest

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.evaluation.projection import chosen_rows, project


@pytest.fixture
def clusters():
    """Three groups of 12 points far apart in 8 dimensions, with their group."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 12)
    return 10 * np.eye(8)[group] + rng.normal(size=(36, 8)), group


def separation(points, group):
    """Least distance of group centres over the largest of a point from its own."""
    centres = np.stack([points[group == g].mean(axis=0) for g in range(3)])
    apart = min(np.linalg.norm(centres[a] - centres[b]) for a in range(3) for b in range(a))
    return apart / np.linalg.norm(points - centres[group], axis=1).max()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_groups_stay_apart_and_the_seed_fixes_all(method, clusters):
    vectors, group = clusters
    points = project(vectors, method=method, seed=3)
    assert points.shape == (36, 2)
    assert points.dtype == np.float32
    assert separation(points, group) > 1.5
    assert np.array_equal(points, project(vectors, method=method, seed=3))


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_is_fixed_by_its_seed(clusters):
    pytest.importorskip("umap", reason="needs the extra `projection`")
    vectors, group = clusters
    points = project(vectors, method="umap", seed=3)
    assert separation(points, group) > 1.0
    assert np.array_equal(points, project(vectors, method="umap", seed=3))


def test_pca_is_the_projection_on_the_leading_eigenvectors(clusters):
    vectors, _ = clusters
    values, axes = np.linalg.eigh(np.cov(vectors.T))
    expected = (vectors - vectors.mean(axis=0)) @ axes[:, values.argsort()[::-1][:2]]
    for column, own in zip(expected.T, project(vectors, method="pca").T, strict=True):
        assert min(abs(own - column).max(), abs(own + column).max()) < 1e-4


def test_pca_does_not_turn_over_with_the_order_of_rows(clusters):
    vectors, _ = clusters
    assert np.allclose(project(vectors[::-1], method="pca")[::-1], project(vectors, method="pca"), atol=1e-4)


def test_two_dimensions_are_drawn_as_they_are():
    vectors = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    assert np.array_equal(project(vectors, method="fc2"), vectors)
    with pytest.raises(DataError, match="2 dimensions, not 3"):
        project(np.eye(3), method="fc2")


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
def test_a_collapsed_model_is_drawn_as_one_point(method):
    """t-SNE would divide by the width of the points, and UMAP throw noise around."""
    vectors = np.full((40, 6), 0.4) * (1 + 1e-9 * np.random.default_rng(0).normal(size=(40, 1)))
    assert np.array_equal(project(vectors, method=method), np.zeros((40, 2)))


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("vectors", [np.eye(3), np.eye(8)[[0, 0, 0, 1, 1, 1]], np.arange(5.0)[:, None]])
def test_few_vectors_copies_and_one_dimension_are_drawn(method, vectors):
    points = project(vectors, method=method)
    assert points.shape == (len(vectors), 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("vectors", [np.ones((2, 4)), np.ones(4), np.ones((0, 4))])
def test_fewer_than_three_vectors_are_refused(vectors):
    with pytest.raises(DataError, match="at least 3"):
        project(vectors, method="pca")


def test_nan_is_counted():
    vectors = np.ones((5, 3))
    vectors[[1, 3], 0] = np.nan
    with pytest.raises(DataError, match="2 of 5 vectors"):
        project(vectors, method="pca")


def test_settings_without_meaning_are_refused():
    with pytest.raises(ConfigError, match="perplexity=10 >= 10 vectors; use perplexity < 10"):
        project(np.eye(10), method="tsne", perplexity=10)
    with pytest.raises(ConfigError, match="perplexity=5 has no meaning for pca"):
        project(np.eye(10), method="pca", perplexity=5)
    with pytest.raises(ConfigError, match="did you mean 'tsne'"):
        project(np.eye(10), method="t-sne")
    with pytest.raises(DataError, match="umap takes more than 5"):
        project(np.eye(5), method="umap")


def test_a_missing_umap_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingFilesError, match=r"xmr\[projection\]"):
        project(np.eye(10), method="umap")


def test_rows_are_chosen_without_repetition_by_seed():
    assert chosen_rows(7, limit=7).tolist() == list(range(7))
    rows = chosen_rows(1000, limit=50, seed=1)
    assert len(set(rows.tolist())) == 50
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == chosen_rows(1000, limit=50, seed=1).tolist()
    assert rows.tolist() != chosen_rows(1000, limit=50, seed=2).tolist()
