import sys

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, DataError, XmrError
from xmr.core.types import Embeddings, Modality
from xmr.index.faiss_flat import FaissFlat


def embeddings(n, *, dim=16, seed=0, n_items=5, prefix="g"):
    rng = np.random.default_rng(seed)
    vectors = normalize(torch.from_numpy(rng.normal(size=(n, dim))).float(), dim=1)
    ids = np.array([f"{prefix}{i}" for i in range(n)])
    return Embeddings(vectors, ids, rng.integers(0, n_items, n).astype(str), Modality.IMAGE)


def index_of(gallery):
    index = FaissFlat()
    index.add(gallery)
    return index


@pytest.mark.parametrize(("n", "k"), [(1, 1), (50, 1), (50, 10), (50, 50), (1001, 100)])
def test_search_equals_a_sort_of_all_similarities(n, k):
    gallery, queries = embeddings(n), embeddings(7, seed=1, prefix="q")
    found = index_of(gallery).search(queries, k=k)
    similarity = queries.vectors.double().numpy() @ gallery.vectors.double().numpy().T
    order = np.argsort(-similarity, axis=1)[:, :k]
    assert found.k == k
    assert found.query_ids.tolist() == queries.ids.tolist()
    assert found.gallery_ids.tolist() == gallery.ids[order].tolist()
    assert found.scores == pytest.approx(np.take_along_axis(similarity, order, axis=1), abs=1e-6)
    by_id = dict(zip(gallery.ids, gallery.item_ids, strict=True))
    loop = [
        [by_id[g] == item for g in row] for row, item in zip(found.gallery_ids, queries.item_ids, strict=True)
    ]
    assert found.relevant.tolist() == loop


def test_copies_are_all_found():
    gallery = embeddings(40).take(np.arange(40) % 4)
    gallery = Embeddings(
        gallery.vectors, np.array([f"c{n}" for n in range(40)]), gallery.item_ids, Modality.TEXT
    )
    found = index_of(gallery).search(gallery.take(np.array([2])), k=40)
    assert set(found.gallery_ids[0]) == set(gallery.ids)
    assert set(found.gallery_ids[0, :10]) == {f"c{n}" for n in range(2, 40, 4)}


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


def test_the_index_keeps_its_own_copy_of_the_vectors():
    gallery = embeddings(20)
    index = index_of(gallery)
    before = index.search(embeddings(3, seed=1), k=5)
    gallery.vectors.zero_()
    assert index.search(embeddings(3, seed=1), k=5).gallery_ids.tolist() == before.gallery_ids.tolist()


@pytest.mark.parametrize(
    "change",
    [
        torch.Tensor.double,
        torch.Tensor.bfloat16,
        lambda v: v.clone().requires_grad_(),
        lambda v: v.T.contiguous().T,
    ],
)
def test_vectors_of_any_type_and_layout_are_searched(change):
    gallery = embeddings(30)
    changed = Embeddings(change(gallery.vectors), gallery.ids, gallery.item_ids, gallery.modality)
    found = index_of(changed).search(changed, k=1)
    assert found.gallery_ids[:, 0].tolist() == gallery.ids.tolist()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_vectors_that_are_not_finite_are_all_named_before_faiss_sees_them(value):
    gallery, queries = embeddings(30), embeddings(8, seed=1, prefix="q")
    index = index_of(gallery)
    queries.vectors[1, 3], queries.vectors[6] = value, value
    with pytest.raises(DataError, match=r"query embeddings.*2 problems\n.*'q1' \(row 1\)\n.*'q6' \(row 6\)"):
        index.search(queries, k=3)
    gallery.vectors[29, 0] = value
    with pytest.raises(DataError, match=r"gallery embeddings.*1 problem\n.*'g29' \(row 29\)"):
        index.add(gallery)


def test_what_cannot_be_searched_is_refused_with_its_limit():
    index = FaissFlat()
    with pytest.raises(DataError, match=r"call add\(gallery\) first"):
        index.search(embeddings(2), k=1)
    with pytest.raises(DataError, match="gallery is empty"):
        index.add(embeddings(0))
    index.add(embeddings(20))
    with pytest.raises(DataError, match="k=21 > gallery size 20; use k <= 20"):
        index.search(embeddings(2), k=21)
    with pytest.raises(DataError, match="dimension 15, the index 16"):
        index.search(embeddings(2, dim=15), k=1)
    for k in (0, -1):
        with pytest.raises(ConfigError, match=f"k={k}"):
            index.search(embeddings(2), k=k)


def test_no_queries_find_nothing():
    found = index_of(embeddings(20)).search(embeddings(0), k=3)
    assert found.gallery_ids.shape == found.scores.shape == found.relevant.shape == (0, 3)


def test_an_unknown_device_is_refused_at_once():
    with pytest.raises(ConfigError, match=r"index.device='cuda' is none of auto, cpu, gpu"):
        FaissFlat(device="cuda")


def test_a_gpu_that_faiss_cannot_see_is_refused_at_once():
    import faiss

    if getattr(faiss, "get_num_gpus", lambda: 0)():
        pytest.skip("FAISS sees a GPU here")
    with pytest.raises(ConfigError, match="FAISS sees no GPU"):
        FaissFlat(device="gpu")


def test_without_faiss_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(XmrError, match=r"pip install 'xmr\[cpu\]'"):
        FaissFlat()
