"""On rankings without ties, the audit says what each library itself returns under its own names."""

import numpy as np
import pytest
import torch

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.audit import LIBRARIES, audit, figure
from xmr.metrics.positive_ranks import PositiveRanks

K = 5
CLASSES = 6


@pytest.fixture(scope="module")
def run():
    """Queries and gallery without ties, and their classes: each query has 1 to 12 relevant entries."""
    rng = np.random.default_rng(0)
    gallery_class = np.repeat(np.arange(CLASSES), [1, 2, 4, 6, 9, 12])
    query_class = rng.permutation(np.repeat(np.arange(CLASSES), 5))
    query, gallery = rng.normal(size=(30, 8)), rng.normal(size=(34, 8))
    query, gallery = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery))
    return query, gallery, query_class, gallery_class


def relevance_by_rank(run):
    """(Q, G): is the entry at each rank relevant?"""
    query, gallery, query_class, gallery_class = run
    return gallery_class[np.argsort(-(query @ gallery.T), axis=1)] == query_class[:, None]


def ranks_of(relevant):
    query, above = np.nonzero(relevant)
    nth = (np.cumsum(relevant, axis=1) - 1)[query, above]
    ones = np.ones_like(query)
    return PositiveRanks(query, above, ones, nth, ones, n_queries=len(relevant))


def dictionaries(run):
    query, gallery, query_class, gallery_class = run
    scores = query @ gallery.T
    relevant = {
        f"q{q}": {f"g{g}": 1 for g in np.flatnonzero(gallery_class == c)} for q, c in enumerate(query_class)
    }
    return relevant, {f"q{q}": {f"g{g}": float(s) for g, s in enumerate(row)} for q, row in enumerate(scores)}


def by_torchmetrics(run):
    retrieval = pytest.importorskip("torchmetrics.retrieval", reason="pip install 'xmr[bench]'")
    query, gallery, query_class, gallery_class = run
    # torchmetrics takes scores of 0 and below for "not retrieved"
    scores = torch.from_numpy(query @ gallery.T + 1) / 2
    target = torch.from_numpy(query_class[:, None] == gallery_class)
    indexes = torch.arange(len(scores))[:, None].expand(scores.shape)
    found = {}
    for name in LIBRARIES["torchmetrics"]:
        kind, _, depth = name.partition("(")
        metric = getattr(retrieval, kind)(**({"top_k": K} if depth else {}))
        found[name.format(k=K)] = float(metric(scores.flatten(), target.flatten(), indexes.flatten()))
    return found


def by_pytorch_metric_learning(run):
    module = "pytorch_metric_learning.utils.accuracy_calculator"
    calculators = pytest.importorskip(module, reason="pip install 'xmr[bench]'")
    query, gallery, query_class, gallery_class = run
    arguments = (query.astype(np.float32), query_class, gallery.astype(np.float32), gallery_class)
    device = torch.device("cpu")
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_average_precision")
    whole = calculators.AccuracyCalculator(include=(*names, "mean_reciprocal_rank"), device=device)
    names = ("mean_average_precision", "mean_reciprocal_rank")
    cut = calculators.AccuracyCalculator(include=names, k=K, device=device)
    at_k = {f"{name} (k={K})": value for name, value in cut.get_accuracy(*arguments).items()}
    return {**whole.get_accuracy(*arguments), **at_k}


def by_open_metric_learning(run):
    metrics = pytest.importorskip("oml.functional.metrics", reason="needs open-metric-learning: see README")
    query, gallery, query_class, gallery_class = run
    order = torch.from_numpy(np.argsort(-(query @ gallery.T), axis=1))
    relevant = [torch.from_numpy(np.flatnonzero(gallery_class == c)) for c in query_class]
    depths = {"cmc_top_k": (K,), "precision_top_k": (K,), "map_top_k": (K,)}
    found = metrics.calc_retrieval_metrics(list(order), relevant, **depths, verbose=False)
    return {f"{name}@{K}": float(at_k[K]) for name, at_k in found.items()}


def by_pytrec_eval(run):
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pip install 'xmr[bench]'")
    relevant, scores = dictionaries(run)
    names = [name.format(k=K) for name in LIBRARIES["pytrec_eval"]]
    # the evaluator takes `success.5` for what it returns as `success_5`
    measures = {name.replace(f"_{K}", f".{K}") for name in names}
    of_query = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(scores).values()
    return {name: np.mean([values[name] for values in of_query]) for name in names}


def by_ranx(run):
    ranx = pytest.importorskip("ranx", reason="pip install 'xmr[bench]'")
    relevant, scores = dictionaries(run)
    names = [name.format(k=K) for name in LIBRARIES["ranx"]]
    return ranx.evaluate(ranx.Qrels(relevant), ranx.Run(scores), names)


def by_clip_benchmark(run):
    """Its recall of each query, over 0 or not: torch's topk as one-hot rows, times the relation."""
    query, gallery, query_class, gallery_class = (torch.from_numpy(part) for part in run)
    top = torch.nn.functional.one_hot((query @ gallery.T).topk(K).indices, len(gallery)).sum(dim=1)
    recall = (top * (query_class[:, None] == gallery_class)).sum(dim=1)
    return {f"retrieval_recall@{K}": float((recall > 0).float().mean())}


def by_vsepp(run):
    """Ranks from 0 of the best relevant entry of each query, from a reversed argsort."""
    query, gallery, query_class, gallery_class = run
    ranks = []
    for of_query, own in zip(query, query_class, strict=True):
        order = list(np.argsort(gallery @ of_query)[::-1])
        ranks.append(min(order.index(g) for g in range(len(gallery)) if gallery_class[g] == own))
    ranks = np.array(ranks)
    return {
        f"R@{K}": np.mean(ranks < K),
        "medr": np.floor(np.median(ranks)) + 1,
        "meanr": ranks.mean() + 1,
    }


def by_seed_code(run):
    """1 / the rank of the first relevant entry among the first k, else 0."""
    lists = relevance_by_rank(run)[:, :K].tolist()
    return {f"mAP@{K}": np.mean([1 / (hits.index(True) + 1) if any(hits) else 0 for hits in lists])}


def by_seed_document(run):
    lists = relevance_by_rank(run)[:, :K].tolist()
    precisions = [[sum(hits[:i]) / i for i in range(1, K + 1)] for hits in lists]
    by_class = [[any(h) for h, own in zip(lists, run[2], strict=True) if own == c] for c in range(CLASSES)]
    return {f"mAP@{K}": np.mean(precisions), f"prec@{K}": np.mean([np.mean(c) for c in by_class])}


@pytest.mark.parametrize(
    ("library", "values"),
    [
        ("torchmetrics", by_torchmetrics),
        ("pytorch-metric-learning", by_pytorch_metric_learning),
        ("Open Metric Learning", by_open_metric_learning),
        # compiles for ten seconds in every process
        pytest.param("ranx", by_ranx, marks=pytest.mark.slow),
        ("pytrec_eval", by_pytrec_eval),
        ("CLIP_benchmark", by_clip_benchmark),
        ("VSE++", by_vsepp),
        ("seed 003 (code)", by_seed_code),
        ("seed 003 (document)", by_seed_document),
    ],
)
def test_without_ties_each_figure_is_what_the_library_says(run, library, values):
    rows = audit(ranks_of(relevance_by_rank(run)), k=K, labels=run[2])
    found = {row.name: row.value for row in rows if row.library == library}
    assert found == pytest.approx(values(run), abs=1e-6)


def test_open_clip_with_its_own_row_as_the_relevant_one(run):
    scores = run[0] @ run[1][:30].T
    order = np.argsort(-scores, axis=1)
    ranks = np.where(order == np.arange(30)[:, None])[1]
    expected = {
        f"R@{K}": np.mean(ranks < K),
        "median_rank": np.floor(np.median(ranks)) + 1,
        "mean_rank": ranks.mean() + 1,
    }
    rows = audit(ranks_of(order == np.arange(30)[:, None]), k=K)
    assert {row.name: row.value for row in rows if row.library == "open_clip"} == pytest.approx(expected)


def test_one_name_stands_for_different_values():
    """Hits at ranks 1, 4, 8, 10; 4 relevant: the figures of "AP@5" are 0.375, 0.75, 0.547 and 1."""
    rows = audit(ranks_of(np.array([[rank in (1, 4, 8, 10) for rank in range(1, 11)]])), k=5)
    value = {(row.library, row.name): row.value for row in rows}
    assert value["sentence-transformers", "map@5"] == value["ranx", "map@5"] == 0.375
    assert value["torchmetrics", "RetrievalMAP(top_k=5)"] == value["Open Metric Learning", "map@5"] == 0.75
    assert value["seed 003 (document)", "mAP@5"] == pytest.approx(0.547, abs=5e-4)
    assert value["seed 003 (code)", "mAP@5"] == 1


def test_a_figure_is_named_with_its_own_k(run):
    relevant = relevance_by_rank(run)
    assert figure(ranks_of(relevant), "precision_at_12") == relevant[:, :12].mean()
    assert figure(ranks_of(relevant), "median_rank") == np.median(relevant.argmax(axis=1) + 1)


@pytest.mark.parametrize("name", ["recal_at_5", "recall_at_k", "average_precision_at_", "recall"])
def test_unknown_figures_are_refused(run, name):
    with pytest.raises(ConfigError, match=f"unknown figure '{name}'"):
        figure(ranks_of(relevance_by_rank(run)), name)


def test_a_k_below_1_and_labels_of_other_queries_are_refused(run):
    ranks = ranks_of(relevance_by_rank(run))
    with pytest.raises(ConfigError, match="k=0"):
        audit(ranks, k=0)
    with pytest.raises(DataError, match="3 labels for 30 queries"):
        audit(ranks, k=5, labels=["a", "b", "c"])
