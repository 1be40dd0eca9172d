"""Every peer of the evaluation benchmark returns what xmr does under the names that it gives its figures."""

from importlib.metadata import version

import numpy as np
import pytest

from xmr.core.errors import ConfigError, XmrError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.audit import figure
from xmr.evaluation.ranks import positive_ranks
from xmr.evaluation.relevance import relevance_by_item_id
from xmr.pipelines.bench import peers as bench_peers
from xmr.pipelines.bench.peers import PEERS, Peer, chosen_peers, peer_versions
from xmr.pipelines.bench.workload import Shape, chosen_shape, make_workload


@pytest.fixture(scope="module")
def work():
    return make_workload(Shape(images=40, texts=200, items=40, dim=16, closeness=2.0))


def ranks_by_direction(work):
    ranks = {}
    for direction, query, gallery, query_item, gallery_item in work.directions():
        sides = [
            Embeddings(vectors, np.arange(len(items)), items, Modality.IMAGE)
            for vectors, items in ((query, query_item), (gallery, gallery_item))
        ]
        ranks[direction] = positive_ranks(query, gallery, relevance_by_item_id(*sides))
    return ranks


# these two take ten seconds to import or to compile
SLOW = ("ranx", "sentence_transformers")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in PEERS]
)
def test_a_peer_agrees_with_xmr_under_the_names_it_gives(work, name):
    for module in PEERS[name].modules:
        pytest.importorskip(module, reason=f"not installed: {PEERS[name].install}")
    ranks = ranks_by_direction(work)
    figures = chosen_peers(name)[name].evaluate(work)
    assert {full.split("/")[0] for full in figures} == {"image_to_text", "text_to_image"}
    for full, value in figures.items():
        direction, measure = full.split("/")
        assert value == pytest.approx(figure(ranks[direction], measure), abs=1e-6), full


def test_the_version_of_a_peer_is_that_of_its_library():
    pytest.importorskip("torchmetrics", reason="pip install 'xmr[bench]'")
    assert peer_versions(["torchmetrics", "argsort"]) == {
        "torchmetrics": f"torchmetrics {version('torchmetrics')}"
    }


def test_an_unknown_peer_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"unknown peer 'rank'; did you mean 'ranx'\?"):
        chosen_peers("torch_topk, rank")


def test_all_and_none_and_peers_that_keep_all_pairs_of_a_large_shape():
    assert chosen_peers("none") == {}
    assert list(chosen_peers("vsepp,argsort")) == ["vsepp", "argsort"]
    with pytest.raises(ConfigError, match=r"vsepp keeps all pairs.*use faiss_topk, pytorch_metric_learning"):
        chosen_peers("faiss_topk,vsepp", all_pairs=False)


def test_a_peer_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(bench_peers.PEERS, "absent", Peer(PEERS["ranx"].evaluate, ("no_such_module",)))
    with pytest.raises(XmrError, match=r"needs no_such_module.*pip install 'xmr\[bench\]'"):
        chosen_peers("absent")


@pytest.mark.parametrize("items", [20, 1000])
def test_a_workload_is_the_same_for_the_same_seed_and_has_unit_vectors_and_its_relevance(items):
    shape = Shape(images=1000, texts=2000, items=items, dim=64, closeness=3.0)
    work, again, other = (make_workload(shape, seed=seed) for seed in (0, 0, 1))
    assert work.image.equal(again.image)
    assert work.text.equal(again.text)
    assert not work.image.equal(other.image)
    assert work.text.norm(dim=1).numpy() == pytest.approx(np.ones(2000), abs=1e-6)
    assert set(np.bincount(work.image_item)) == {1000 // items}
    assert set(np.bincount(work.text_item)) == {2000 // items}
    relevant = work.image_item[:, None] == work.text_item
    cosines = (work.image @ work.text.T).numpy()
    above = cosines[relevant].mean() - cosines[~relevant].mean()
    assert above / cosines[~relevant].std() == pytest.approx(shape.closeness, rel=0.15)


def test_shapes_go_by_name_and_take_another_dimension():
    assert chosen_shape("coco_5k").dim == 512
    assert chosen_shape("coco_5k", dim=64).dim == 64
    assert chosen_shape("classes_100k").small().images == 200
    with pytest.raises(ConfigError, match="unknown shape 'coco'"):
        chosen_shape("coco")
    with pytest.raises(ConfigError, match="dim=0"):
        chosen_shape("coco_5k", dim=0)
