import tracemalloc

import numpy as np
import pytest
import torch

from tests.index.galleries import assert_same, clusters, embeddings, embeddings_of
from xmr.core.errors import ConfigError, DataError
from xmr.index.binary import BinaryIndex
from xmr.index.exact import Exact
from xmr.index.itq import learn_itq
from xmr.index.overlap import overlap


def index_of(gallery, **settings):
    index = BinaryIndex(**settings)
    index.add(gallery)
    return index


def slowly(queries, gallery, k):
    """Positions and Hamming distances of the k nearest of boolean (Q, bits), (G, bits): first come."""
    distances = (queries[:, None] != gallery).sum(axis=2)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distances, order, axis=1)


@pytest.mark.parametrize("dim", [1, 7, 64, 100])
@pytest.mark.parametrize(("n", "n_queries", "k"), [(1, 1, 1), (130, 5, 130), (9000, 1, 10), (5000, 40, 60)])
def test_bits_are_ranked_by_hamming_distance_then_position(dim, n, n_queries, k):
    gallery, queries = embeddings(n, dim=dim), embeddings(n_queries, dim=dim, seed=1)
    found = index_of(gallery).search(queries, k=k)
    order, distances = slowly((queries.vectors > 0).numpy(), (gallery.vectors > 0).numpy(), k)
    assert found.gallery_ids.tolist() == gallery.ids[order].tolist()
    assert found.scores == pytest.approx(1 - 2 * distances / dim, abs=1e-6)


def test_the_median_is_that_of_each_dimension():
    gallery, queries = embeddings(301, dim=20), embeddings(4, dim=20, seed=1)
    gallery = embeddings_of(gallery.vectors + 3)
    queries = embeddings_of(queries.vectors + 3)
    median = np.median(gallery.vectors.numpy(), axis=0)
    found = index_of(gallery, threshold="median").search(queries, k=9)
    order, _ = slowly(queries.vectors.numpy() > median, gallery.vectors.numpy() > median, 9)
    assert found.gallery_ids.tolist() == gallery.ids[order].tolist()


@pytest.mark.parametrize("rescore", [0, 3])
def test_queries_are_searched_in_blocks_with_the_same_results(monkeypatch, rescore):
    index, queries = index_of(embeddings(500, dim=40), rescore=rescore), embeddings(21, dim=40, seed=1)
    whole = index.search(queries, k=6)
    monkeypatch.setattr("xmr.index.binary.KEYS_AT_ONCE", 4 * (2 * 6 * max(1, rescore) + 64))
    assert_same(index.search(queries, k=6), whole)
    assert len(index.search(queries.take(np.arange(0)), k=6).scores) == 0


def test_memory_does_not_grow_with_each_query_by_more_than_its_results(monkeypatch):
    monkeypatch.setattr("xmr.index.binary.KEYS_AT_ONCE", 2**15)
    index, queries = index_of(embeddings(70, dim=8)), embeddings(20_000, dim=8, seed=1)
    index.search(queries.take(np.arange(9)), k=1)
    tracemalloc.start()
    try:
        index.search(queries, k=1)
        assert tracemalloc.get_traced_memory()[1] / 20_000 < 250, "bytes a query"
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("rescore", [1, 3, 1000])
def test_rescoring_ranks_the_nearest_by_their_vectors(rescore):
    gallery, queries = clusters(600), clusters(8, seed=1)
    found = index_of(gallery, rescore=rescore).search(queries, k=5)
    nearest = index_of(gallery).search(queries, k=min(5 * rescore, 600)).gallery_ids
    for row, ids, scores in zip(queries.vectors, found.gallery_ids, found.scores, strict=True):
        position = int(np.flatnonzero(queries.vectors.eq(row).all(1))[0])
        candidates = np.array(sorted(int(i[1:]) for i in nearest[position]))
        exact = (gallery.vectors[candidates].double() @ row.double()).float().numpy()
        order = np.argsort(-exact, kind="stable")[:5]
        assert ids.tolist() == gallery.ids[candidates[order]].tolist()
        assert scores == pytest.approx(exact[order], abs=1e-7)


def test_rescoring_finds_what_is_near_and_more_of_it():
    gallery, queries = clusters(5000, dim=256, centres=100), clusters(50, dim=256, centres=100, seed=1)
    reference = Exact(device="cpu")
    reference.add(gallery)
    exact = reference.search(queries, k=10)
    share = [overlap(index_of(gallery, rescore=r).search(queries, k=10), exact).mean() for r in (0, 2, 10)]
    assert share[0] < share[1] < share[2]
    assert share[2] >= 0.96


def test_a_collapsed_gallery_ranks_by_position():
    gallery = embeddings_of(embeddings(1).vectors.repeat(20_000, 1))
    for rescore in (0, 4):
        found = index_of(gallery, rescore=rescore).search(embeddings(2, seed=1), k=20)
        assert found.gallery_ids.tolist() == [gallery.ids[:20].tolist()] * 2


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_memory_mapped_gallery_is_rescored_where_it_lies(tmp_path, dtype):
    gallery = clusters(500)
    np.save(tmp_path / "vectors.npy", gallery.vectors.numpy().astype(dtype))
    mapped = embeddings_of(torch.from_numpy(np.load(tmp_path / "vectors.npy", mmap_mode="r+")))
    index = index_of(mapped, rescore=2)
    assert index.search(gallery, k=1).gallery_ids[:, 0].tolist() == gallery.ids.tolist()
    assert index.nbytes == 500 * 64 // 8


def test_it_takes_a_bit_a_dimension_or_as_many_as_asked_for():
    gallery = clusters(500, dim=128)
    assert index_of(gallery).nbytes == 500 * 128 // 8
    assert index_of(gallery, threshold="itq", bits=64)._codes.nbytes == 500 * 8


def test_files_of_another_gallery_are_refused(tmp_path):
    index_of(clusters(50)).save(tmp_path)
    with pytest.raises(DataError, match=r"50 codes, the gallery 49 entries"):
        BinaryIndex().load(tmp_path, clusters(49))
    with pytest.raises(DataError, match=r"call add\(gallery\) before save"):
        BinaryIndex().save(tmp_path)


def test_a_loaded_index_keeps_its_codes_on_disk(tmp_path):
    gallery = clusters(300)
    index = index_of(gallery, threshold="median")
    index.save(tmp_path)
    loaded = BinaryIndex(threshold="median")
    loaded.load(tmp_path, gallery)
    assert isinstance(loaded._codes, np.memmap)
    assert_same(loaded.search(gallery, k=4), index.search(gallery, k=4))


def test_settings_out_of_range_are_refused_at_once():
    with pytest.raises(ConfigError, match=r"index.threshold='mean' is none of zero, median, itq"):
        BinaryIndex(threshold="mean")
    with pytest.raises(ConfigError, match="rescore=-1"):
        BinaryIndex(rescore=-1)
    with pytest.raises(ConfigError, match=r"index\.bits=8 is for threshold=itq"):
        BinaryIndex(bits=8)
    with pytest.raises(ConfigError, match="bits=65 > dimension 64"):
        index_of(clusters(90), threshold="itq", bits=65)


def itq_slowly(vectors, rotation, iterations):
    """Gong and Lazebnik's two steps, as written: the rotation after so many."""
    for _ in range(iterations):
        codes = np.sign(vectors @ rotation)
        s, _, s_hat = np.linalg.svd(codes.T @ vectors)
        rotation = (s @ s_hat).T
    return rotation


def test_itq_is_the_papers_iteration_on_principal_components():
    vectors = clusters(400, dim=12).vectors.numpy()
    mean, projection = learn_itq(vectors, bits=5, iterations=7, seed=3)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    # the same components span the same space, and signs of columns are free: compare from its own start
    start = np.linalg.lstsq(
        components[:5].T, learn_itq(vectors, bits=5, iterations=1, seed=3)[1], rcond=None
    )[0]
    expected = components[:5].T @ itq_slowly(centred @ components[:5].T, start, 6)
    assert mean == pytest.approx(vectors.mean(axis=0), abs=1e-6)
    assert projection == pytest.approx(expected, abs=1e-4)
    assert projection.T @ projection == pytest.approx(np.eye(5), abs=1e-5)


def test_each_iteration_of_itq_brings_codes_and_vectors_closer():
    vectors = clusters(500, dim=24).vectors.numpy()

    def loss(iterations):
        mean, projection = learn_itq(vectors, bits=16, iterations=iterations)
        projected = (vectors - mean) @ projection
        return np.square(np.where(projected > 0, 1, -1) - projected).sum()

    losses = [loss(n) for n in (1, 2, 5, 20, 50)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
