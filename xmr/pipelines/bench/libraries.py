"""Evaluations by other libraries, each called as its own documentation has it; imported when called."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xmr.pipelines.bench.formulas import hit_rates
from xmr.pipelines.bench.workload import KS, Figures, Workload


def faiss_topk(work: Workload) -> Figures:
    """A flat inner-product index for each direction, searched for the top k."""
    import faiss

    figures: Figures = {}
    for direction, query, gallery, query_item, gallery_item in work.directions():
        index = faiss.IndexFlatIP(gallery.shape[1])
        index.add(gallery.numpy())
        _, found = index.search(query.numpy(), work.k)
        figures |= hit_rates(direction, gallery_item[found] == query_item[:, None])
    return figures


def pytorch_metric_learning(work: Workload) -> Figures:
    """AccuracyCalculator with k="max_bin_count", as it recommends for MAP@R, and FAISS (flat L2)."""
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    names = {
        "precision_at_1": "precision_at_1",
        "r_precision": "r_precision",
        "mean_average_precision_at_r": "map_at_r",
    }
    calculator = AccuracyCalculator(include=tuple(names), k="max_bin_count", device=torch.device("cpu"))
    figures: Figures = {}
    for direction, query, gallery, query_item, gallery_item in work.directions():
        found = calculator.get_accuracy(query, query_item, gallery, gallery_item)
        figures |= {f"{direction}/{names[name]}": value for name, value in found.items()}
    return figures


def oml(work: Workload) -> Figures:
    """Open Metric Learning's batched nearest neighbours and its metrics of what they found."""
    from oml.functional.knn import batched_knn_qg
    from oml.functional.metrics import calc_retrieval_metrics

    names = {
        "cmc": "recall_at_{}",
        "precision": "precision_at_{}_over_min",
        "map": "average_precision_at_{}_over_hits",
    }
    figures: Figures = {}
    for direction, query, gallery, query_item, gallery_item in work.directions():
        items = {
            "labels_query": torch.from_numpy(query_item),
            "labels_gallery": torch.from_numpy(gallery_item),
        }
        _, found, relevant = batched_knn_qg(query, gallery, top_n=work.k, **items)
        metrics = calc_retrieval_metrics(
            found, relevant, cmc_top_k=KS, precision_top_k=KS, map_top_k=KS, verbose=False
        )
        for name, at_k in metrics.items():
            figures |= {f"{direction}/{names[name].format(k)}": float(value) for k, value in at_k.items()}
    return figures


def torchmetrics(work: Workload) -> Figures:
    """Retrieval metrics over all pairs, flattened, with scores in [0, 1] as they take 0 for a miss."""
    from torchmetrics import MetricCollection
    from torchmetrics.retrieval import RetrievalHitRate, RetrievalMAP, RetrievalMRR, RetrievalRecall

    figures: Figures = {}
    for direction, query, gallery, query_item, gallery_item in work.directions():
        scores = (query @ gallery.T + 1) / 2
        target = torch.from_numpy(query_item[:, None] == gallery_item)
        indexes = torch.arange(len(query))[:, None].expand(scores.shape)
        metrics = MetricCollection(
            {
                **{f"{direction}/recall_at_{k}": RetrievalHitRate(top_k=k) for k in KS},
                f"{direction}/fraction_recall_at_10": RetrievalRecall(top_k=10),
                f"{direction}/average_precision": RetrievalMAP(),
                f"{direction}/reciprocal_rank": RetrievalMRR(),
            }
        )
        metrics.update(scores.flatten(), target.flatten(), indexes=indexes.flatten())
        figures |= {name: float(value) for name, value in metrics.compute().items()}
    return figures


def sentence_transformers(work: Workload) -> Figures:
    """InformationRetrievalEvaluator with its own depths (MAP@100, the rest up to 10) on ready embeddings."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import dot_score

    class ReadyEmbeddings:
        """Stands in for the model: returns the queries' embeddings instead of encoding them."""

        def __init__(self, query: Tensor) -> None:
            self.query = query

        def encode_query(self, _: Any, **__: Any) -> Tensor:
            """The embeddings of all queries."""
            return self.query

    names = {
        "accuracy@k": "recall_at_{}",
        "precision@k": "precision_at_{}",
        "recall@k": "fraction_recall_at_{}",
        "ndcg@k": "ndcg_at_{}",
        "mrr@k": "reciprocal_rank_at_{}",
        "map@k": "average_precision_at_{}",
    }
    figures: Figures = {}
    for direction, query, gallery, query_item, gallery_item in work.directions():
        evaluator = InformationRetrievalEvaluator(
            {f"q{n}": "" for n in range(len(query))},
            {f"g{n}": "" for n in range(len(gallery))},
            {
                f"q{q}": {f"g{g}" for g in found}
                for q, found in enumerate(_relevant(query_item, gallery_item))
            },
            score_functions={"dot": dot_score},
            accuracy_at_k=list(KS),
            precision_recall_at_k=list(KS),
        )
        model: Any = ReadyEmbeddings(query)
        all_scores: Any = evaluator.compute_all_metrics(model, corpus_embeddings=gallery)
        for name, at_k in all_scores["dot"].items():
            figures |= {f"{direction}/{names[name].format(k)}": float(value) for k, value in at_k.items()}
    return figures


def pytrec_eval(work: Workload) -> Figures:
    """trec_eval on a run of the top k: nested dictionaries of scores by query id and entry id."""
    from pytrec_eval import RelevanceEvaluator

    measures = {
        **{f"success_{k}": f"recall_at_{k}" for k in KS},
        **{f"recall_{k}": f"fraction_recall_at_{k}" for k in (5, 10)},
        **{f"P_{k}": f"precision_at_{k}" for k in (5, 10)},
        **{f"map_cut_{k}": f"average_precision_at_{k}_over_positives" for k in (5, 10)},
        **{f"ndcg_cut_{k}": f"ndcg_at_{k}" for k in (5, 10)},
        "recip_rank": f"reciprocal_rank_at_{work.k}",
    }
    figures: Figures = {}
    for direction, relevant, run in _dictionaries(work):
        of_query = RelevanceEvaluator(relevant, set(measures)).evaluate(run).values()
        for measure, name in measures.items():
            figures[f"{direction}/{name}"] = float(np.mean([values[measure] for values in of_query]))
    return figures


def ranx(work: Workload) -> Figures:
    """Evaluate with ranx the same dictionaries, made into its Qrels and Run."""
    from ranx import Qrels, Run, evaluate

    measures = {
        **{f"hit_rate@{k}": f"recall_at_{k}" for k in KS},
        "recall@10": "fraction_recall_at_10",
        "precision@10": "precision_at_10",
        "map@10": "average_precision_at_10_over_positives",
        "ndcg@10": "ndcg_at_10",
        "mrr": f"reciprocal_rank_at_{work.k}",
    }
    figures: Figures = {}
    for direction, relevant, run in _dictionaries(work):
        found = evaluate(Qrels(relevant), Run(run), list(measures))
        figures |= {f"{direction}/{measures[measure]}": float(value) for measure, value in found.items()}
    return figures


def _dictionaries(
    work: Workload,
) -> Iterator[tuple[str, dict[str, dict[str, int]], dict[str, dict[str, float]]]]:
    """For each direction: what is relevant to each query, and the scores of its top k, by ids.

    Ids are equally long, as ranx compiles anew for each length.
    """
    for direction, query, gallery, query_item, gallery_item in work.directions():
        scores, found = (query @ gallery.T).topk(work.k, dim=1)
        relevant = {
            f"q{q:06}": dict.fromkeys((f"g{g:06}" for g in entries), 1)
            for q, entries in enumerate(_relevant(query_item, gallery_item))
        }
        run = {
            f"q{q:06}": {f"g{g:06}": score for g, score in zip(*row, strict=True)}
            for q, row in enumerate(zip(found.tolist(), scores.tolist(), strict=True))
        }
        yield direction, relevant, run


def _relevant(query_item: np.ndarray, gallery_item: np.ndarray) -> list[list[int]]:
    """For each query the rows of its relevant gallery entries."""
    by_item: dict[int, list[int]] = {}
    for row, item in enumerate(gallery_item.tolist()):
        by_item.setdefault(item, []).append(row)
    return [by_item[item] for item in query_item.tolist()]
