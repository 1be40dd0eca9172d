"""One query in one column: a source and a kind of index, with everything that a page shows of it."""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xmr.core.types import Modality
from xmr.explorer.diagnostics import curve, first_rank, histogram
from xmr.explorer.gallery import EXACT, NOTHING, RESCORE, Gallery, Hits
from xmr.explorer.pictures import Uploads
from xmr.explorer.queries import Asked, encoded, entry_json, is_known
from xmr.explorer.sources import Source

SHOWN_TAGS = 50


@dataclass(frozen=True)
class Column:
    """Where to search: a source, by one kind of index."""

    source: str
    index: str = EXACT


@dataclass(frozen=True)
class Options:
    """What to look for among, how many, of which labels; how many tags and bins to show."""

    among: Modality = Modality.IMAGE
    k: int = 30
    labels: tuple[str, ...] = ()
    tags: int = 10
    bins: int = 40


@dataclass(frozen=True, eq=False)
class Ranked:
    """A column's answer before it becomes JSON.

    `allowed` are the positions that may be found (None: all), `relevant` those that are correct (None:
    nobody knows).
    """

    source: Source
    gallery: Gallery
    similarities: np.ndarray
    hits: Hits
    allowed: np.ndarray | None
    relevant: np.ndarray | None
    left_out: tuple[str, ...] = ()
    note: str | None = None
    recall: float | None = None
    timing: dict[str, Any] = field(default_factory=dict)


def prepare(question: Asked, column: Column, source: Source, options: Options) -> float:
    """Load and build what a column needs, which may take long: the milliseconds of building an index.

    Raises `XmrError` for what can't be loaded.
    """
    gallery = source.gallery(options.among)
    if options.tags and Modality.TEXT in source.content.searched:
        source.gallery(Modality.TEXT)
    if not is_known(question, source):
        source.encoder  # noqa: B018  # loads it
    if column.index == EXACT or gallery.has_index(column.index):
        return 0.0
    return 1000 * gallery.index(column.index).seconds


def ranked(question: Asked, source: Source, column: Column, options: Options, uploads: Uploads) -> Ranked:
    """Encode a query and search; raises `XmrError` for what can't be encoded or searched."""
    gallery = source.gallery(options.among)
    query = encoded(question, source, uploads)
    vector = gallery.prepared(query.vector)
    own = _own(question, source, gallery)
    labelled = gallery.labelled(options.labels)
    allowed = _allowed(gallery, labelled, own)
    started = time.perf_counter()
    similarities = gallery.similarities(vector)
    exact = gallery.nearest(vector, similarities, k=options.k, among=allowed)
    seconds, recall, hits = time.perf_counter() - started, None, exact
    if column.index != EXACT:
        gallery.index(column.index)
        started = time.perf_counter()
        hits = gallery.searched(column.index, vector, k=options.k, own=own, among=labelled)
        seconds = time.perf_counter() - started
        # of entries that tie with the last one any will do
        found = similarities[hits.positions] >= similarities[exact.positions].min(initial=np.inf) - 1e-6
        recall = float(found.sum() / len(exact.positions)) if len(exact.positions) else None
    return Ranked(
        source=source,
        gallery=gallery,
        similarities=similarities,
        hits=hits,
        allowed=allowed,
        relevant=_relevant(question, source, gallery, allowed),
        left_out=tuple(gallery.embeddings.ids[own].astype(str).tolist()),
        note=query.note if labelled is None else _note(query.note, column, hits, gallery),
        recall=recall,
        timing={
            "encode_ms": round(query.milliseconds, 3),
            "encode_cached": query.cached,
            "search_ms": round(1000 * seconds, 3),
        },
    )


def _own(question: Asked, source: Source, gallery: Gallery) -> np.ndarray:
    """Positions of what the query consists of, where the source is of the same data."""
    if question.source is None or question.source.content.data != source.content.data:
        return NOTHING
    positions, own = gallery.rows.positions, question.own_ids(gallery.embeddings.modality)
    return np.array(sorted(positions[id_] for id_ in own if id_ in positions), np.int64)


def _allowed(gallery: Gallery, labelled: np.ndarray | None, own: np.ndarray) -> np.ndarray | None:
    if not len(own):
        return labelled
    return np.setdiff1d(np.arange(len(gallery)) if labelled is None else labelled, own)


def _note(of_query: str | None, column: Column, hits: Hits, gallery: Gallery) -> str | None:
    """What to know of a column with a filter, which has an index look deeper than for `k` entries."""
    if column.index == EXACT:
        return of_query
    looked = f"the labels filter the {hits.asked:,} entries that the index was asked for"
    if column.index == "binary":
        looked += f", the best of the {min(RESCORE * hits.asked, len(gallery)):,} nearest by bits"
    return f"{of_query}; {looked}" if of_query else looked


def _relevant(
    question: Asked, source: Source, gallery: Gallery, allowed: np.ndarray | None
) -> np.ndarray | None:
    """Positions of the entries that answer the query; None where it is no entry, or nothing answers it."""
    if not question.whole or question.source is None or question.rows is None:
        return None
    if question.source.content.data != source.content.data:
        return None
    item = question.rows.embeddings.item_ids[question.row]
    found = np.flatnonzero(gallery.embeddings.item_ids == item)
    found = found if allowed is None else np.intersect1d(found, allowed)
    return found if len(found) else None


def column_json(
    answer: Ranked, column: Column, options: Options, tags: list[dict[str, Any]]
) -> dict[str, Any]:
    """A column of the API, with its diagnostics."""
    started = time.perf_counter()
    gallery, hits, allowed = answer.gallery, answer.hits, answer.allowed
    relevant = set() if answer.relevant is None else set(answer.relevant.tolist())
    known = answer.relevant is not None
    results = [
        {
            "rank": rank,
            "score": round(float(score), 6),
            "similarity": round(float(answer.similarities[position]), 6),
            "relevant": int(position) in relevant if known else None,
            **entry_json(answer.source, options.among, gallery.rows, int(position)),
        }
        for rank, (position, score) in enumerate(zip(hits.positions, hits.scores, strict=True), start=1)
    ]
    values, shown, correct = answer.similarities, hits.positions, answer.relevant
    if allowed is not None:
        values, shown = values[allowed], np.searchsorted(allowed, shown)
        correct = None if correct is None else np.searchsorted(allowed, correct)
    drawn = {
        "histogram": histogram(values, shown, correct, bins=options.bins),
        "curve": curve(values, k=options.k),
    }
    return {
        "source": column.source,
        "index": column.index,
        "error": None,
        "note": answer.note,
        "measures": gallery.measures if column.index == EXACT else gallery.index(column.index).measures,
        "gallery": len(values),
        "total": len(gallery) - len(answer.left_out),
        "left_out": list(answer.left_out),
        "results": results,
        "correct": {
            "total": len(correct),
            "shown": sum(result["relevant"] for result in results),
            "first_rank": first_rank(values, correct),
        }
        if correct is not None
        else None,
        **drawn,
        "tags": tags,
        "recall": answer.recall,
        "timing": {**answer.timing, "diagnostics_ms": round(1000 * (time.perf_counter() - started), 3)},
    }


def tags_of(question: Asked, source: Source, options: Options, uploads: Uploads) -> list[dict[str, Any]]:
    """The texts nearest to a query, each wording once; none where texts are what is searched anyway."""
    count = min(options.tags, SHOWN_TAGS)
    texts_there = Modality.TEXT in source.content.searched
    if not count or options.among is Modality.TEXT or not texts_there:
        return []
    gallery = source.gallery(Modality.TEXT)
    vector = gallery.prepared(encoded(question, source, uploads).vector)
    own = _own(question, source, gallery)
    similarities = gallery.similarities(vector)
    # a wording may come many times: of a picture of an emoji, "smile"
    hits = gallery.nearest(vector, similarities, k=8 * count + len(own))
    found: dict[str, dict[str, Any]] = {}
    for position, score in zip(hits.positions.tolist(), hits.scores.tolist(), strict=True):
        text = str(gallery.rows.texts[position])
        if position not in own and text not in found and len(found) < count:
            id_, label = str(gallery.embeddings.ids[position]), str(gallery.rows.labels[position])
            found[text] = {"id": id_, "text": text, "score": round(score, 6), "label": label}
    return list(found.values())
