"""What holds for the index of every file in conf/index: found by looking."""

import numpy as np
import pytest
import torch

from tests.index.galleries import assert_same, clusters, embeddings, embeddings_of
from xmr.core.errors import ConfigError, DataError
from xmr.index.exact import Exact
from xmr.index.overlap import overlap
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import compose_config

NAMES = sorted(path.stem for path in (CONF / "index").glob("*.yaml"))
SIZE, DIM = 700, 64


@pytest.fixture(scope="module")
def gallery():
    return clusters(SIZE, dim=DIM)


@pytest.fixture(scope="module")
def queries():
    return clusters(20, dim=DIM, seed=1, prefix="q")


def new(name):
    register_resolvers()
    return instantiate(compose_config(CONF, "train", [f"index={name}"]).index)


@pytest.fixture(scope="module", params=NAMES)
def made(request, gallery):
    index = new(request.param)
    index.add(gallery)
    return request.param, index


def test_it_finds_k_different_entries_best_first(made, gallery, queries):
    _, index = made
    found = index.search(queries, k=5)
    assert found.gallery_ids.shape == found.scores.shape == found.relevant.shape == (20, 5)
    assert found.query_ids.tolist() == queries.ids.tolist()
    assert all(len(set(row)) == 5 for row in found.gallery_ids)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    item_of = dict(zip(gallery.ids, gallery.item_ids, strict=True))
    for row, item, relevant in zip(found.gallery_ids, queries.item_ids, found.relevant, strict=True):
        assert relevant.tolist() == [item_of[i] == item for i in row]


def test_it_finds_what_it_says_it_finds(made, gallery, queries):
    name, index = made
    reference = Exact(device="cpu")
    reference.add(gallery)
    share = overlap(index.search(queries, k=10), reference.search(queries, k=30)).mean()
    least = {"pq": 0.35, "ivf_pq": 0.35}.get(name, 0.95)
    assert share == 1.0 if index.exact else share >= least
    assert index.exact == (name in {"exact", "faiss_flat"})


def test_it_says_in_words_what_a_score_is(made, gallery):
    name, index = made
    assert index.measures == "cosine similarity to the query"
    assert new(name).measures == "inner product with the query", "nothing is known of the vectors yet"


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("exact", ["index.metric=l2"], "minus the squared distance"),
        ("faiss_flat", ["index.metric=l2"], "minus the squared distance"),
        ("binary", ["index.rescore=0"], "Hamming distance"),
        ("exact", [], "inner product"),
    ],
)
def test_scores_that_are_no_cosines_are_not_called_so(gallery, name, settings, said):
    register_resolvers()
    index = instantiate(compose_config(CONF, "train", [f"index={name}", *settings]).index)
    index.add(embeddings_of(gallery.vectors * 2))
    assert said in index.measures
    assert "cosine" not in index.measures


def test_what_was_saved_finds_the_same(made, gallery, queries, tmp_path):
    name, index = made
    index.save(tmp_path)
    loaded = new(name)
    loaded.load(tmp_path, gallery)
    assert_same(loaded.search(queries, k=7), index.search(queries, k=7))
    assert loaded.nbytes == index.nbytes
    assert all(path.is_file() and not path.name.startswith(".") for path in tmp_path.iterdir())


def test_built_twice_it_finds_the_same(made, gallery, queries):
    name, index = made
    again = new(name)
    again.add(embeddings_of(gallery.vectors.clone()))
    assert_same(again.search(queries, k=7), index.search(queries, k=7))


def test_half_precision_vectors_are_taken(made, gallery, queries):
    name, index = made
    half = new(name)
    half.add(embeddings_of(gallery.vectors.half()))
    assert overlap(half.search(queries, k=10), index.search(queries, k=10)).mean() > 0.8


def test_codes_are_smaller_than_vectors_and_counted(made):
    name, index = made
    # the rest: centroids, graph, rotation, file header
    code = {"exact": 256, "faiss_flat": 256, "ivf": 256, "hnsw": 256, "sq8": 64, "pq": 8, "ivf_pq": 8}.get(
        name, 8
    )
    assert index.nbytes >= SIZE * code
    assert new(name).nbytes == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite_are_all_named(made, value, gallery):
    name, index = made
    broken = embeddings(8, dim=DIM, seed=1, prefix="q")
    broken.vectors[1, 3], broken.vectors[6] = value, value
    with pytest.raises(DataError, match=r"query embeddings.*2 problems\n.*'q1' \(row 1\)\n.*'q6' \(row 6\)"):
        index.search(broken, k=3)
    vectors = gallery.vectors.clone()
    vectors[29, 0] = value
    with pytest.raises(DataError, match=r"gallery embeddings.*1 problem\n.*'g29' \(row 29\)"):
        new(name).add(embeddings_of(vectors))


def test_what_cannot_be_searched_is_refused_with_its_limit(made):
    name, index = made
    with pytest.raises(DataError, match=f"k={SIZE + 1} > gallery size {SIZE}; use k <= {SIZE}"):
        index.search(embeddings(2, dim=DIM), k=SIZE + 1)
    with pytest.raises(DataError, match="dimension 15, the index 64"):
        index.search(embeddings(2, dim=15), k=1)
    for k in (0, -1):
        with pytest.raises(ConfigError, match=f"k={k}"):
            index.search(embeddings(2, dim=DIM), k=k)
    fresh = new(name)
    with pytest.raises(DataError, match=r"call add\(gallery\) first"):
        fresh.search(embeddings(2, dim=DIM), k=1)
    with pytest.raises(DataError, match="gallery is empty"):
        fresh.add(embeddings(0, dim=DIM))


def test_no_queries_find_nothing(made):
    found = made[1].search(embeddings(0, dim=DIM), k=3)
    assert found.gallery_ids.shape == found.scores.shape == found.relevant.shape == (0, 3)


def test_a_collapsed_gallery_gives_k_different_entries_or_an_error(made):
    name, _ = made
    gallery = embeddings_of(torch.ones(SIZE, DIM) / DIM**0.5)
    index = new(name)
    index.add(gallery)
    found = index.search(gallery.take(np.arange(3)), k=5)
    assert all(len(set(row)) == 5 for row in found.gallery_ids)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in {"pq", "ivf_pq", "binary_itq"}])
def test_one_entry_is_a_gallery(name):
    index = new(name)
    index.add(embeddings(1, dim=DIM))
    assert index.search(embeddings(2, dim=DIM, seed=1), k=1).gallery_ids.tolist() == [["g0"], ["g0"]]


@pytest.mark.parametrize("name", ["pq", "ivf_pq", "binary_itq"])
def test_too_few_entries_to_learn_from_are_refused_with_the_number(name):
    needed = 64 if name == "binary_itq" else 256
    with pytest.raises(DataError, match=f"at least {needed}"):
        new(name).add(embeddings(needed - 1, dim=DIM))
