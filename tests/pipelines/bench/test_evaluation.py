"""The evaluation benchmark measures every row, writes what it measured, and notices a peer that disagrees."""

import json
import sys

import numpy as np
import pytest

from xmr.core.errors import XmrError
from xmr.pipelines.bench import evaluation as bench_evaluation
from xmr.pipelines.bench.agreement import disagreements
from xmr.pipelines.bench.memory import in_own_process, peak_megabytes
from xmr.pipelines.bench.peers import PEERS, Peer
from xmr.pipelines.bench.workload import SHAPES, Shape, make_workload

TINY = Shape(images=40, texts=200, items=40, dim=16, closeness=2.0)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A small benchmark -> what it wrote; rows share this process, as one of their own takes seconds."""
    monkeypatch.setitem(SHAPES, "tiny", TINY)
    monkeypatch.setattr(bench_evaluation, "in_own_process", lambda function, *rest: function(*rest))
    monkeypatch.setattr(bench_evaluation, "LEAST_SECONDS", 0.0)
    target = tmp_path / "bench.json"

    def bench(peers, rounds=2, limit="none"):
        arguments = {"dim": None, "limit": limit, "json_file": target}
        bench_evaluation.bench_evaluation(shape="tiny", peers=peers, rounds=rounds, **arguments)
        return json.loads(target.read_text())

    return bench, target


def test_rows_are_measured_and_written(run):
    written = run[0]("torch_topk,argsort")
    assert written["environment"]["packages"]["torch"]
    rows = {row["name"]: row for row in written["rows"]}
    assert list(rows) == ["product", "xmr", "xmr_torch", "torch_topk", "argsort"]
    assert rows["product"]["ratio_to_product"] == 1
    assert rows["product"]["equal_to_xmr"] is None
    assert all(rows[name]["equal_to_xmr"] for name in rows if name != "product")
    for row in rows.values():
        assert row["wall_s"] > 0
        assert row["cpu_s"] > 0
        assert row["peak_mb"] is None or row["peak_mb"] >= 0
        assert row["rounds"] == (2 if row["ratio_to_product"] <= bench_evaluation.SLOW else 1)


def test_a_large_shape_has_one_direction_and_only_what_scales(run, monkeypatch):
    shape = Shape(images=300, texts=300, items=3, dim=16, closeness=1.0, both=False, k=100)
    monkeypatch.setitem(SHAPES, "tiny", shape)
    for module in ("faiss", "pytorch_metric_learning"):
        pytest.importorskip(module, reason="pip install 'xmr[bench]'")
    rows = {row["name"]: row for row in run[0]("all", rounds=1, limit="rank_r")["rows"]}
    assert list(rows) == ["product", "xmr", "faiss_topk", "pytorch_metric_learning"]
    assert all(row["equal_to_xmr"] for name, row in rows.items() if name != "product")


def test_a_peer_that_disagrees_is_named_after_the_rows_are_written(run, monkeypatch):
    def wrong(work):
        return {"image_to_text/recall_at_1": -1.0, "text_to_image/mean_rank": 1e9}

    monkeypatch.setitem(PEERS, "wrong", Peer(wrong))
    with pytest.raises(XmrError, match=r"2 problems\n.*wrong: image_to_text/recall_at_1 is -1.0"):
        run[0]("wrong", rounds=1)
    rows = {row["name"]: row for row in json.loads(run[1].read_text())["rows"]}
    assert rows["wrong"]["equal_to_xmr"] is False


def test_two_swapped_queries_are_rounding_and_three_are_not():
    work = make_workload(TINY)
    expected = {"image_to_text/recall_at_1": 0.5, "text_to_image/mean_rank": 10.0}
    for close in ({"image_to_text/recall_at_1": 0.5 + 2 / 40}, {"text_to_image/mean_rank": 10.009}):
        assert disagreements(close, expected, work) == []
        assert len(disagreements(close, expected, work, exact=True)) == 1
    for far in (
        {"image_to_text/recall_at_1": 0.5 + 3 / 40},
        {"text_to_image/mean_rank": 10.02},
        {"text_to_image/mean_rank": float("nan")},
    ):
        assert len(disagreements(far, expected, work)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from Linux's /proc")
def test_the_peak_is_that_of_the_work_and_not_of_what_was_before():
    before = np.ones(10_000_000)
    del before
    assert peak_megabytes(lambda: None) < 5
    assert peak_megabytes(lambda: np.ones(5_000_000).sum()) == pytest.approx(40, rel=0.1)


def test_a_process_of_its_own_returns_what_the_function_does():
    assert in_own_process(divmod, 17, 5) == (3, 2)
