"""The graph: clusters, edges between near neighbours, and a layout that is always the same."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from tests.explorer.worlds import World, explorer_of
from xmr.core.errors import ConfigError
from xmr.explorer.graph import clustered, edges, layout
from xmr.explorer.insight import Insight
from xmr.explorer.queries import Query
from xmr.explorer.search import Column


def groups(counts, seed=0):
    """Unit vectors around as many random directions as there are counts."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(len(counts), 12))
    vectors = np.repeat(centres, counts, axis=0) + 0.1 * random.normal(size=(sum(counts), 12))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_as_many_clusters_are_chosen_as_there_are_groups():
    vectors = groups([5, 12, 8])
    found = clustered(vectors)
    assert (found.count, found.chosen) == (3, True)
    assert np.bincount(found.of).tolist() == [12, 8, 5]  # the largest is 0
    assert found.silhouettes.mean() == pytest.approx(silhouette_score(vectors, found.of))
    assert clustered(vectors, count=5).count == 5
    assert not clustered(vectors, count=5).chosen


@pytest.mark.parametrize("count", [None, 4])
@pytest.mark.parametrize("vectors", [np.ones((9, 3)), np.eye(1), np.eye(2), np.eye(3)])
def test_vectors_that_can_not_be_parted_are_few_clusters(vectors, count):
    found = clustered(vectors, count=count)
    assert 1 <= found.count <= len(np.unique(vectors, axis=0))
    assert len(found.of) == len(vectors)


def test_edges_join_each_node_with_its_nearest():
    vectors = groups([6, 6])
    similarities = vectors @ vectors.T
    found = edges(similarities, neighbours=3)
    wanted = set()
    for node in range(12):
        others = sorted((o for o in range(12) if o != node), key=lambda o: -similarities[node, o])
        wanted |= {tuple(sorted((node, other))) for other in others[:3]}
    assert {(edge.a, edge.b) for edge in found} == wanted
    assert len(found) == len(wanted)
    strongest, weakest = (pick(found, key=lambda edge: edge.similarity) for pick in (max, min))
    assert (strongest.weight, weakest.weight) == (1, 0)
    assert all(edge.similarity == pytest.approx(float(similarities[edge.a, edge.b])) for edge in found)
    assert edges(np.ones((1, 1))) == []
    assert [edge.weight for edge in edges(np.ones((3, 3)))] == [1, 1, 1]


def test_the_layout_stays_keeps_groups_and_covers_nothing():
    vectors = groups([15, 15, 15])
    places = layout(vectors @ vectors.T)
    assert np.array_equal(places, layout(vectors @ vectors.T))
    assert places.min() >= 0
    assert places.max() <= 1
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(45)
    assert gaps.min() > 0.03
    of = np.repeat([0, 1, 2], 15)
    near = of[gaps.argmin(axis=1)] == of
    assert near.mean() > 0.9


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equal_vectors_have_places_of_their_own(count):
    places = layout(np.ones((count, count)))
    assert np.isfinite(places).all()
    assert len(np.unique(places.round(3), axis=0)) == count


def test_the_graph_of_a_query(tmp_path):
    insight = Insight(explorer_of(World(tmp_path)))
    found = insight.graph(Query("red"), Column("colours"), n=12)
    assert [node["rank"] for node in found["nodes"]] == list(range(1, 13))
    assert sum(found["clusters"]["sizes"]) == 12
    assert {node["cluster"] for node in found["nodes"]} == set(range(found["clusters"]["count"]))
    assert found["scale"]["low"] <= found["scale"]["high"]
    again = insight.graph(Query("red"), Column("colours"), n=12)
    assert [(node["x"], node["y"]) for node in again["nodes"]] == [
        (node["x"], node["y"]) for node in found["nodes"]
    ]
    empty = insight.graph(Query("red"), Column("colours"), labels=("no such",))
    assert (empty["nodes"], empty["edges"]) == ([], [])
    for wrong in ({"n": 0}, {"n": 201}, {"clusters": 13}, {"clusters": 0}):
        with pytest.raises(ConfigError):
            insight.graph(Query("red"), Column("colours"), **wrong)
