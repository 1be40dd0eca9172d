"""Maps: points that are kept, subsampled by name, sent as numbers, and queries placed on them."""

import time

import numpy as np
import pytest

from tests.explorer.worlds import World, explorer_of
from xmr.core.errors import ConfigError, DataError
from xmr.explorer import maps, planes
from xmr.explorer.insight import Insight
from xmr.explorer.planes import Plane, clusters_of, place, plane_of, principal_axes, sample
from xmr.explorer.queries import EntryName, Query


def vectors(count=60, dim=9, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32) * np.arange(1, dim + 1)


def ready(insight, source="colours", method="pca"):
    while (found := insight.map(source, method))["state"] == "computing":
        time.sleep(0.02)
    return found


def test_pca_is_the_singular_value_decomposition():
    of = vectors()
    axes = principal_axes(of)
    centred = of.astype(np.float64) - of.mean(axis=0, dtype=np.float64)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    for number in (0, 1):
        sign = np.sign(right[number] @ axes.axes[number])
        assert axes.axes[number] == pytest.approx(sign * right[number], abs=1e-5)
        assert axes.axes[number][np.abs(axes.axes[number]).argmax()] > 0
        assert axes.shares[number] == pytest.approx(singular[number] ** 2 / (singular**2).sum())
    assert axes.project(of) == pytest.approx(centred @ axes.axes.T, abs=1e-3)


@pytest.mark.parametrize("of", [np.ones((5, 3), np.float32), np.eye(1, dtype=np.float32), vectors(4, 1)])
def test_few_or_equal_vectors_have_a_plane(of):
    plane = plane_of(of, "pca")
    assert plane.points.shape == (len(of), 2)
    assert np.isfinite(plane.points).all()
    assert len(clusters_of(of)) == len(of)


def test_a_query_is_projected_exactly_or_put_among_its_nearest():
    of = vectors()
    pca, other = plane_of(of, "pca"), plane_of(of, "tsne")
    similarities = of @ of[7]
    at, exact, nearest = place(pca, of[7], similarities)
    assert exact
    assert at == pytest.approx(pca.points[7], abs=1e-4)
    at, exact, nearest = place(other, of[7], similarities)
    order = sorted(range(60), key=lambda row: -similarities[row])
    assert not exact
    assert nearest.tolist() == order[:10]
    weights = [similarities[row] - similarities[order[10]] for row in order[:10]]
    for axis in (0, 1):
        wanted = sum(w * other.points[row, axis] for w, row in zip(weights, order, strict=False)) / sum(
            weights
        )
        assert at[axis] == pytest.approx(wanted, rel=1e-4)
    at, _, _ = place(other, of[7], np.ones(60))
    assert at == pytest.approx(other.points[:10].mean(axis=0), rel=1e-4)


def test_a_sample_depends_on_names_not_on_their_order():
    names = [f"image:{n}" for n in range(500)]
    rows = sample(names, limit=100)
    assert len(rows) == 100
    assert rows.tolist() == sorted(set(rows.tolist()))
    turned = names[::-1]
    assert {turned[row] for row in sample(turned, limit=100)} == {names[row] for row in rows}
    assert sample(names, limit=500).tolist() == list(range(500))


def test_a_map_is_made_once_kept_and_read_again(tmp_path, monkeypatch):
    insight = Insight(explorer_of(World(tmp_path)))
    found = ready(insight)
    assert (found["state"], found["count"], found["total"], found["said"]) == (
        "ready",
        72,
        72,
        "72 embeddings",
    )
    assert found["counts"] == {"image": 24, "text": 48}
    [file] = (tmp_path / "colours/maps").iterdir()
    monkeypatch.setattr(planes, "principal_axes", None)
    again = Insight(explorer_of(World(tmp_path)))
    assert ready(again)["id"] == found["id"]
    assert again.map_of("colours", "pca").data == insight.map_of("colours", "pca").data
    file.write_bytes(file.read_bytes()[:100])
    failed = ready(Insight(explorer_of(World(tmp_path))))
    assert failed["state"] == "failed"
    assert "remove it" in failed["message"]


def test_other_vectors_have_another_map(tmp_path):
    one, other = (Insight(explorer_of(World(tmp_path, noise=noise))) for noise in (0.0, 5.0))
    assert ready(one)["id"] != ready(other)["id"]
    assert len(list((tmp_path / "colours/maps").iterdir())) == 2


def test_points_are_six_columns_of_float32(tmp_path):
    insight = Insight(explorer_of(World(tmp_path)))
    found, made = ready(insight), insight.map_of("colours", "pca")
    x, y, label, modality, correct, cluster = np.frombuffer(made.data, "<f4").reshape(6, found["count"])
    assert np.column_stack([x, y]) == pytest.approx(made.plane.points)
    assert found["bounds"] == pytest.approx([x.min(), y.min(), x.max(), y.max()])
    assert modality.tolist() == [0] * 24 + [1] * 48
    entries = insight.map_entries("colours", "pca", list(range(72)))["entries"]
    for row, entry in enumerate(entries):
        assert found["labels"][int(label[row])] == (entry["label"] or "(none)")
        assert found["modalities"][int(modality[row])] == entry["modality"]
        assert entry["cluster"] == cluster[row]
        assert entry["row"] == row
    assert set(correct.tolist()) <= {0.0, 1.0}
    keys = [entries[50]["key"], "no such", entries[3]["key"]]
    assert insight.map_rows("colours", "pca", keys) == {"rows": [50, None, 3]}


def test_a_query_has_a_position(tmp_path):
    insight = Insight(explorer_of(World(tmp_path)))
    ready(insight)
    made = insight.map_of("colours", "pca")
    own = insight.map_position("colours", "pca", Query(entry=EntryName("colours", "image", "p/5&x=1")))
    assert [own["x"], own["y"]] == pytest.approx(made.plane.points[5].tolist(), abs=1e-4)
    assert own["exact"]
    assert insight.map_position("colours", "pca", Query("red"))["nearest"]


def test_a_sample_is_stated(tmp_path, monkeypatch):
    monkeypatch.setitem(planes.LIMITS, "pca", 30)
    insight = Insight(explorer_of(World(tmp_path), World(tmp_path, name="noisy", noise=60.0)))
    assert ready(insight)["said"] == "30 of 72 embeddings, drawn at random"
    ready(insight, "noisy")
    keys = [
        [entry["key"] for entry in insight.map_entries(source, "pca", list(range(30)))["entries"]]
        for source in ("colours", "noisy")
    ]
    assert keys[0] == keys[1]


def test_what_is_no_map_is_refused(tmp_path):
    insight = Insight(explorer_of(World(tmp_path)))
    with pytest.raises(ConfigError, match="method=tsn"):
        insight.map("colours", "tsn")
    ready(insight)
    for rows in ([72], [-1], [0] * 501):
        with pytest.raises(ConfigError):
            insight.map_entries("colours", "pca", rows)


def test_too_few_vectors_fail_with_a_reason(tmp_path):
    insight = Insight(explorer_of(World(tmp_path, count=1)))
    found = ready(insight, method="umap")
    assert found["state"] == "failed"
    assert "3 vectors" in found["message"]


@pytest.mark.parametrize("error", [ValueError("no neighbours"), MemoryError(), np.linalg.LinAlgError("svd")])
def test_a_projection_that_fails_is_said_and_tried_again(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(maps, "plane_of", fail)
        insight = Insight(explorer_of(World(tmp_path)))
        found = ready(insight)
    assert found["state"] == "failed"
    assert f"can't be drawn ({type(error).__name__}" in found["message"]
    assert ready(insight)["state"] == "ready"


def test_clusters_are_looked_for_in_all_vectors():
    many = np.vstack([np.zeros((500, 3)), np.eye(3)[np.arange(90) % 3]]).astype(np.float32)
    found = clusters_of(many)
    assert len(np.unique(found)) == 4
    assert set(found[:500]) == {0}


def test_a_plane_of_other_length_is_not_taken(tmp_path):
    plane_of(vectors(), "pca").save(tmp_path / "a.npz")
    with pytest.raises(DataError, match="60 points, not 61"):
        Plane.load(tmp_path / "a.npz", 61)
    assert Plane.load(tmp_path / "b.npz", 60) is None
