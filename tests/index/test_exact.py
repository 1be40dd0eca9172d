import numpy as np
import pytest
import torch

import xmr.index.exact
from tests.index.galleries import assert_same, clusters, embeddings, embeddings_of, search_slowly
from xmr.core.errors import ConfigError, DataError
from xmr.index.exact import Exact
from xmr.index.torch_search import TorchSearch

PRECISIONS = ["float32", "bfloat16"]


def index_of(gallery, **settings):
    index = Exact(device="cpu", **settings)
    index.add(gallery)
    return index


def on_torch(index):
    """The same index, searched the way a GPU is."""
    of = index._searched
    index._searched = TorchSearch(of._vectors, of._codes, of._half_squares, device=torch.device("cpu"))
    return index


def check(index, gallery, queries, *, k, metric="ip"):
    found = index.search(queries, k=k)
    positions, scores = search_slowly(queries, gallery, k, metric)
    assert found.k == k
    assert found.query_ids.tolist() == queries.ids.tolist()
    assert found.gallery_ids.tolist() == gallery.ids[positions].tolist()
    assert found.scores == pytest.approx(scores, abs=2e-7, rel=2e-7)
    items = gallery.item_ids[positions]
    assert found.relevant.tolist() == (items == queries.item_ids[:, None]).tolist()


@pytest.fixture(params=["cpu", "torch"])
def way(request):
    return (lambda index: index) if request.param == "cpu" else on_torch


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize(
    ("n", "n_queries", "k"),
    [(1, 1, 1), (50, 1, 10), (50, 9, 50), (5000, 1, 10), (5000, 3, 10), (3000, 150, 40), (2100, 1100, 3)],
)
def test_search_equals_a_sort_of_all_scores(precision, metric, n, n_queries, k, way):
    gallery, queries = embeddings(n), embeddings(n_queries, seed=1, prefix="q")
    check(way(index_of(gallery, precision=precision, metric=metric)), gallery, queries, k=k, metric=metric)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("n_queries", [1, 5, 130])
def test_duplicates_rank_by_gallery_position(precision, n_queries, way):
    gallery = embeddings(3000)
    gallery = embeddings_of(gallery.vectors[torch.arange(3000) % 40])
    check(way(index_of(gallery, precision=precision)), gallery, embeddings(n_queries, seed=1), k=100)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_collapsed_gallery_ranks_by_position(precision, way):
    gallery = embeddings_of(embeddings(1).vectors.repeat(4000, 1))
    found = way(index_of(gallery, precision=precision)).search(embeddings(3, seed=1), k=20)
    assert found.gallery_ids.tolist() == [gallery.ids[:20].tolist()] * 3


@pytest.mark.parametrize("precision", PRECISIONS)
def test_entries_that_bfloat16_cannot_tell_apart_are_told_apart(precision, way):
    middle = embeddings(1, dim=32).vectors
    random = torch.Generator().manual_seed(3)
    gallery = embeddings_of(middle + 1e-5 * torch.randn(6000, 32, generator=random))
    check(way(index_of(gallery, precision=precision)), gallery, embeddings_of(middle), k=10)
    check(way(index_of(gallery, precision=precision)), gallery, embeddings(7, dim=32, seed=5), k=10)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_vectors_of_any_length_are_searched(precision, way):
    lengths = torch.logspace(-3, 3, 2000)[:, None]
    gallery = embeddings_of(embeddings(2000).vectors * lengths)
    queries = embeddings_of(embeddings(5, seed=1).vectors * 40)
    for metric in ("ip", "l2"):
        check(
            way(index_of(gallery, precision=precision, metric=metric)), gallery, queries, k=9, metric=metric
        )


def test_a_query_finds_the_same_alone_and_among_others(monkeypatch):
    gallery, queries = clusters(5000), clusters(70, seed=1, prefix="q")
    index = index_of(gallery)
    together = index.search(queries, k=10)
    monkeypatch.setattr(xmr.index.exact, "QUERIES_AT_ONCE", 11)
    assert_same(index.search(queries, k=10), together)
    for row in (0, 69):
        alone = index.search(queries.take(np.array([row])), k=10)
        assert alone.scores.tolist() == together.scores[row : row + 1].tolist()
        assert alone.gallery_ids.tolist() == together.gallery_ids[row : row + 1].tolist()


def test_the_number_of_threads_changes_nothing():
    gallery, queries = clusters(9000), clusters(40, seed=1, prefix="q")
    index, threads = index_of(gallery), torch.get_num_threads()
    try:
        found = []
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(index.search(queries, k=10))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert_same(*found)


@pytest.mark.parametrize(
    "change",
    [
        torch.Tensor.half,
        torch.Tensor.double,
        torch.Tensor.bfloat16,
        lambda v: v.clone().requires_grad_(),
        lambda v: v.T.contiguous().T,
    ],
)
@pytest.mark.parametrize("n_queries", [1, 4, 30])
def test_vectors_of_any_type_and_layout_are_searched(change, n_queries, way):
    vectors = change(embeddings(300).vectors)
    gallery = embeddings_of(vectors.detach())
    index = way(index_of(embeddings_of(vectors)))
    check(index, gallery, embeddings(n_queries, seed=1), k=5)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_memory_mapped_gallery_is_searched_where_it_lies(tmp_path, dtype):
    gallery = embeddings(5000)
    np.save(tmp_path / "vectors.npy", gallery.vectors.numpy().astype(dtype))
    mapped = torch.from_numpy(np.load(tmp_path / "vectors.npy", mmap_mode="r+"))
    index = index_of(embeddings_of(mapped))
    check(index, embeddings_of(mapped), embeddings(20, seed=1), k=10)
    assert index.nbytes == 5000 * 16 * np.dtype(dtype).itemsize


def test_adding_again_replaces_the_gallery_and_a_refused_one_does_not():
    index = index_of(embeddings(30))
    index.add(embeddings(3, dim=4, prefix="new"))
    queries = embeddings(2, dim=4, seed=1)
    assert {i[:3] for i in index.search(queries, k=3).gallery_ids.flat} == {"new"}
    broken = embeddings(9, dim=4, prefix="bad")
    broken.vectors[2, 0] = torch.nan
    with pytest.raises(DataError):
        index.add(broken)
    assert {i[:3] for i in index.search(queries, k=3).gallery_ids.flat} == {"new"}


def test_its_size_is_that_of_what_the_first_pass_reads():
    gallery = embeddings(100)
    assert Exact(device="cpu").nbytes == 0
    assert index_of(gallery).nbytes == 100 * 16 * 4
    assert index_of(gallery, precision="bfloat16").nbytes == 100 * 16 * 2
    assert index_of(gallery, metric="l2").nbytes == 100 * 17 * 4


def test_what_was_saved_finds_the_same(tmp_path):
    gallery, queries = embeddings(400), embeddings(5, seed=1)
    index = index_of(gallery, precision="bfloat16")
    index.save(tmp_path)
    loaded = Exact(device="cpu", precision="bfloat16")
    loaded.load(tmp_path, gallery)
    assert_same(loaded.search(queries, k=7), index.search(queries, k=7))


@pytest.mark.parametrize("settings", [{"device": "gpu"}, {"precision": "float16"}, {"metric": "cosine"}])
def test_an_unknown_setting_is_refused_at_once(settings):
    (name, value), *_ = settings.items()
    with pytest.raises(ConfigError, match=rf"index.{name}='{value}' is none of"):
        Exact(**settings)


def test_a_gpu_that_torch_cannot_see_is_refused_at_once(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="torch sees no GPU"):
        Exact(device="cuda")


def test_vectors_too_long_to_multiply_are_refused():
    gallery = embeddings(9)
    gallery.vectors[3] *= 1e16
    with pytest.raises(DataError, match="gallery vector of row 3"):
        index_of(gallery)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("n_queries", [1, 200])
def test_a_gpu_finds_the_same(precision, dtype, n_queries):
    gallery, queries = clusters(50_000), clusters(n_queries, seed=1, prefix="q")
    gallery = embeddings_of(gallery.vectors.to(dtype))
    index = Exact(device="cuda", precision=precision)
    index.add(gallery)
    check(index, gallery, queries, k=10)
