import sys

import numpy as np
import pytest
import torch

from tests.index.galleries import assert_same, clusters, embeddings, embeddings_of, search_slowly
from xmr.core.errors import ConfigError, DataError, XmrError
from xmr.index.faiss_index import FILE, FaissIndex


def index_of(gallery, factory, **settings):
    index = FaissIndex(factory=factory, device="cpu", **settings)
    index.add(gallery)
    return index


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize(("n", "n_queries", "k"), [(1, 1, 1), (50, 1, 50), (1001, 7, 100), (1001, 300, 3)])
def test_flat_equals_a_sort_of_all_scores(metric, n, n_queries, k):
    gallery, queries = embeddings(n), embeddings(n_queries, seed=1, prefix="q")
    found = index_of(gallery, "Flat", metric=metric).search(queries, k=k)
    positions, scores = search_slowly(queries, gallery, k, metric)
    assert found.gallery_ids.tolist() == gallery.ids[positions].tolist()
    assert found.scores == pytest.approx(scores, abs=1e-5)


def test_flat_multiplies_with_blas_from_two_queries_on():
    import faiss

    faiss.cvar.distance_compute_blas_threshold = 128_000
    index_of(embeddings(30), "Flat").search(embeddings(2), k=1)
    assert 16 < faiss.cvar.distance_compute_blas_threshold <= 2 * 16


def test_copies_are_all_found():
    gallery = embeddings_of(embeddings(4).vectors[torch.arange(40) % 4])
    found = index_of(gallery, "Flat").search(gallery.take(np.array([2])), k=40)
    assert set(found.gallery_ids[0, :10]) == {f"g{n}" for n in range(2, 40, 4)}


def test_the_index_keeps_its_own_copy_of_the_vectors():
    gallery = embeddings(20)
    index = index_of(gallery, "Flat")
    before = index.search(embeddings(3, seed=1), k=5)
    gallery.vectors.zero_()
    assert_same(index.search(embeddings(3, seed=1), k=5), before)


def test_a_memory_mapped_gallery_in_half_precision_is_indexed(tmp_path):
    gallery = clusters(500)
    np.save(tmp_path / "vectors.npy", gallery.vectors.numpy().astype("float16"))
    mapped = embeddings_of(torch.from_numpy(np.load(tmp_path / "vectors.npy", mmap_mode="r+")))
    found = index_of(mapped, "SQfp16").search(gallery, k=1)
    assert found.gallery_ids[:, 0].tolist() == gallery.ids.tolist()


def test_lists_and_code_lengths_follow_the_gallery():
    index = index_of(clusters(1600, dim=24), "IVF{nlist},Flat", search={"nprobe": 3})
    assert (index._index.nlist, index._index.nprobe) == (1600 // 39, 3)
    index = index_of(clusters(300, dim=30), "PQ{pq}np")
    assert index._index.pq.M == 3


def test_the_seed_decides_what_is_learned():
    gallery, queries = clusters(900, dim=16), clusters(30, dim=16, seed=1)
    found = [
        index_of(gallery, "IVF20,Flat", search={"nprobe": 2}, seed=seed, train_size=400).search(queries, k=5)
        for seed in (0, 0, 1)
    ]
    assert_same(found[0], found[1])
    assert found[0].gallery_ids.tolist() != found[2].gallery_ids.tolist()


def test_fewer_entries_than_asked_for_are_an_error_that_says_what_to_raise():
    index = index_of(clusters(900, dim=16), "IVF20,Flat", search={"nprobe": 1})
    with pytest.raises(
        DataError, match=r"fewer than k=800 .* for 5 queries, first 'q0'; raise nprobe .*nprobe=1"
    ):
        index.search(clusters(5, dim=16, seed=1, prefix="q"), k=800)


@pytest.mark.parametrize(
    ("factory", "message"),
    [("Nonsense", "index.factory='Nonsense' is refused"), ("PQ7", "index.factory='PQ7' .* dimension 16")],
)
def test_a_factory_string_that_faiss_refuses_is_named(factory, message):
    with pytest.raises(ConfigError, match=message):
        index_of(embeddings(300), factory)


def test_a_search_parameter_that_the_kind_has_not_is_named():
    with pytest.raises(ConfigError, match=r"index\.search\.nprobe=3 is no parameter of Flat"):
        index_of(embeddings(30), "Flat", search={"nprobe": 3})


@pytest.mark.parametrize(("factory", "needed"), [("IVF50,Flat", 50), ("PQ4", 256), ("IVF8,PQ4x4", 16)])
def test_too_few_vectors_to_train_on_are_refused_with_the_number(factory, needed):
    with pytest.raises(
        DataError, match=f"learns {needed} centroids, but the gallery has {needed - 1} vectors"
    ):
        index_of(embeddings(needed - 1), factory)


def test_a_file_of_another_gallery_or_none_is_refused(tmp_path):
    index = index_of(embeddings(30), "Flat")
    index.save(tmp_path)
    with pytest.raises(DataError, match="holds 30 vectors of dimension 16, the gallery 29 of 16"):
        FaissIndex(factory="Flat", device="cpu").load(tmp_path, embeddings(29))
    (tmp_path / FILE).write_bytes(b"no index")
    with pytest.raises(DataError, match="FAISS can't read"):
        FaissIndex(factory="Flat", device="cpu").load(tmp_path, embeddings(30))
    with pytest.raises(DataError, match=r"call add\(gallery\) before save"):
        FaissIndex(factory="Flat").save(tmp_path)


def test_an_unknown_setting_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"index.device='gpu' is none of auto, cpu, cuda"):
        FaissIndex(factory="Flat", device="gpu")
    with pytest.raises(ConfigError, match=r"index.metric='cosine' is none of ip, l2"):
        FaissIndex(factory="Flat", metric="cosine")
    with pytest.raises(ConfigError, match="train_size=0"):
        FaissIndex(factory="PQ4", train_size=0)


@pytest.mark.parametrize("settings", [{"device": "cuda"}, {"shard": True}])
def test_a_gpu_that_faiss_cannot_see_is_refused_at_once(settings):
    import faiss

    if getattr(faiss, "get_num_gpus", lambda: 0)():
        pytest.skip("FAISS sees a GPU here")
    with pytest.raises(ConfigError, match="FAISS sees no GPU"):
        FaissIndex(factory="Flat", **settings)


def test_without_faiss_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(XmrError, match=r"pip install 'xmr\[cpu\]'"):
        FaissIndex(factory="Flat")


def test_a_rotation_is_not_learned_from_fewer_vectors_than_dimensions():
    gallery = clusters(300, dim=512)
    with pytest.raises(DataError, match="a rotation of 512 dimensions from 300 vectors"):
        FaissIndex(factory="OPQ8,PQ8np").add(gallery)
