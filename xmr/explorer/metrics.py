"""Figures of the metrics page: precision of classes, the ledger of compression, words, and differences."""

import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from xmr.core.errors import ConfigError, DataError, XmrError, check_whole, did_you_mean
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.projection import chosen_rows
from xmr.evaluation.significance import paired_difference
from xmr.explorer.gallery import EXACT, INDEXES, Gallery, same_entries
from xmr.explorer.judged import Judged
from xmr.explorer.queries import entry_json
from xmr.explorer.sources import Source
from xmr.index.overlap import overlap

MOST_CLASSES, TEXTS_AT_ONCE = 500, 64
LEDGER_QUERIES, TIMED_QUERIES, LEDGER_K, LEDGER_EXTRA = 200, 50, 10, 40
MOST_SHOWN = 200
Side = Literal["both", "one", "other"]


def classes_json(source: Source, encode: Callable[[list[str]], np.ndarray], *, k: int) -> dict[str, Any]:
    """Precision of the first `k` images for the name of each class as a text query (document 001).

    A class is a label of the images; of `animals-nature/animal-bug` the name is "animal bug". In a gallery
    of fewer than `k` images all of them are looked at.
    """
    check_whole(1, k=k)
    gallery = source.gallery(Modality.IMAGE)
    labels = gallery.rows.labels.astype(str)
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    if not len(names):
        raise DataError(f"the images of {source.about.data} have no labels, so there are no classes")
    largest = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
    asked = [class_name(name) for name in names[largest].tolist()]
    depth = min(k, len(gallery))
    parts = [encode(asked[at : at + TEXTS_AT_ONCE]) for at in range(0, len(asked), TEXTS_AT_ONCE)]
    classes = []
    for label, query, count, vector in zip(
        names[largest].tolist(), asked, counts[largest].tolist(), np.concatenate(parts), strict=True
    ):
        prepared = gallery.prepared(vector)
        found = gallery.nearest(prepared, gallery.similarities(prepared), k=depth).positions
        precision = float((labels[found] == label).mean())
        possible = min(count, depth) / depth
        classes.append(
            {"label": label, "query": query, "count": count, "precision": precision, "possible": possible}
        )
    more = "" if len(largest) == len(names) else f" The {MOST_CLASSES} largest of {len(names):,} classes."
    return {
        "k": depth,
        "template": "{}",
        "mean": float(np.mean([each["precision"] for each in classes])),
        "classes": classes,
        "said": f"Share of a class among the first {depth} images for its name as a query.{more}",
    }


def class_name(label: str) -> str:
    """The words of a label: `animals-nature/animal-bug` -> `animal bug`."""
    return " ".join(label.rpartition("/")[2].replace("-", " ").replace("_", " ").split())


def compression_json(source: Source, modality: Modality) -> dict[str, Any]:
    """Bytes, overlap with the exact top 10, and time of each kind of index over one gallery."""
    gallery = source.gallery(modality)
    queries = _ledger_queries(source, gallery, modality)
    k = min(LEDGER_K, len(gallery))
    exact = gallery.index(EXACT).index.search(queries, k=min(k + LEDGER_EXTRA, len(gallery)))
    plain = gallery.vectors.nbytes
    rows: list[dict[str, Any]] = []
    for kind in INDEXES:
        try:
            built = gallery.index(kind)
            found = built.index.search(queries, k=k)
            nbytes = built.index.nbytes
            rows.append(
                {
                    "index": kind,
                    "error": None,
                    "bytes": nbytes,
                    "bytes_per_vector": round(nbytes / len(gallery), 2),
                    "ratio": round(plain / nbytes, 3),
                    "overlap": float(overlap(found, exact).mean()),
                    "median_ms": round(_median_ms(built.index.search, queries, k), 4),
                    "build_seconds": round(built.seconds, 4),
                }
            )
        except XmrError as error:
            rows.append({"index": kind, "error": str(error)})
    return {
        "rows": rows,
        "queries": len(queries),
        "k": k,
        "gallery": len(gallery),
        "said": f"{len(queries)} queries, timed one at a time; overlap is the share of the exact first {k}. "
        "Binary re-scores its candidates by the vectors, which it needs besides its bits.",
    }


def _ledger_queries(source: Source, gallery: Gallery, modality: Modality) -> Embeddings:
    """Queries of the evaluation that search this gallery, or its own entries where there is none."""
    content = source.content
    asking = [of for of in content.directions.values() if of.gallery is modality]
    if asking:
        rows, positions = content.rows[asking[0].queries], asking[0].rows
        vectors, ids = rows.embeddings.vectors, rows.embeddings.ids
    else:
        positions, vectors, ids = np.arange(len(gallery)), gallery.vectors, gallery.embeddings.ids
    chosen = positions[chosen_rows(len(positions), limit=LEDGER_QUERIES)]
    values = [gallery.prepared(vectors[int(row)].float().numpy()) for row in chosen]
    return Embeddings(torch.from_numpy(np.stack(values)), ids[chosen], ids[chosen], modality)


def _median_ms(search: Callable[..., Any], queries: Embeddings, k: int) -> float:
    took = []
    for row in range(min(TIMED_QUERIES, len(queries))):
        one = queries.take(np.array([row]))
        started = time.perf_counter()
        search(one, k=k)
        took.append(1000 * (time.perf_counter() - started))
    return float(np.median(took))


def differences_json(
    one: tuple[Source, Judged], other: tuple[Source, Judged], *, metric: str, count: int, side: Side
) -> dict[str, Any]:
    """The queries that two models answer most differently by `metric`, a value of each query.

    Ranks differ by their ratio: 1 and 10 are further apart than 500 and 600. Of equal differences the one
    with the more different first rank comes first. `side` keeps those where that model is better.
    Raises `ConfigError` unless both search the same entries, and `DataError` without a common query.
    """
    check_whole(1, count=count)
    (source, mine), (rival, theirs) = one, other
    if source.content.data != rival.content.data:
        raise ConfigError(
            f"{source.about.title} and {rival.about.title} are of different data; compare two of the same"
        )
    galleries = [
        of.gallery(of.content.directions[judged.results.direction].gallery) for of, judged in (one, other)
    ]
    if not same_entries(*galleries):
        raise ConfigError(
            f"{source.about.title} searches {len(galleries[0]):,} entries, {rival.about.title} "
            f"{len(galleries[1]):,}, and not the same ones: their ranks can't be compared; open both with "
            "the same --split"
        )
    metrics = [name for name in mine.results.values if name in theirs.results.values]
    if metric not in metrics:
        raise ConfigError(f"metric={metric}; {did_you_mean(metric, metrics)}")
    ids, here, there = np.intersect1d(
        mine.results.query_ids.astype(str), theirs.results.query_ids.astype(str), return_indices=True
    )
    if not len(ids):
        raise DataError("the two have no query in common; open both with the same --split")
    a, b = mine.results.values[metric][here], theirs.results.values[metric][there]
    ranks = mine.first_rank[here], theirs.first_rank[there]
    by_rank = np.log(ranks[1]) - np.log(ranks[0])
    better = by_rank if metric == "first_rank" else a - b
    kept = {"both": better != 0, "one": better > 0, "other": better < 0}[side]
    order = np.lexsort((ids, -np.abs(by_rank), -np.abs(better)))
    order = order[kept[order]][: min(count, MOST_SHOWN)]
    tested = paired_difference(a, b, mine.results.item_ids[here])
    modality = mine.rows.embeddings.modality
    return {
        "direction": mine.results.direction,
        "metric": metric,
        "metrics": metrics,
        "queries": len(ids),
        "differing": int(kept.sum()),
        "one": {"source": source.about.id, "mean": float(a.mean())},
        "other": {"source": rival.about.id, "mean": float(b.mean())},
        "difference": {"value": tested.difference, "low": tested.low, "high": tested.high, "p": tested.p},
        "rows": [
            {
                "entry": entry_json(source, modality, mine.rows, int(mine.positions[here[row]])),
                "one": float(a[row]),
                "other": float(b[row]),
                "one_rank": float(ranks[0][row]),
                "other_rank": float(ranks[1][row]),
            }
            for row in order
        ],
    }
