"""The explorer without web code: sources, and what is asked of them, as values that JSON can hold."""

import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from xmr.core.errors import ConfigError, XmrError, check_whole
from xmr.core.types import Modality
from xmr.evaluation.projection import chosen_rows
from xmr.explorer.diagnostics import rank_correlation
from xmr.explorer.gallery import INDEXES, SAVED, same_entries
from xmr.explorer.pictures import SIZES, UPLOAD_BYTES, Small, Uploads, check_size, kept_small, small
from xmr.explorer.queries import Asked, Query, asked, entry_json, picture_url, problem_json, query_json
from xmr.explorer.search import Column, Options, Ranked, column_json, prepare, ranked, tags_of
from xmr.explorer.sources import Source, source_named
from xmr.explorer.worker import Worker

COLUMNS, MOST, MOST_BINS, MOST_PICTURES = 4, 200, 200, 12
COMPARED = 20_000
"""Entries of a gallery by which two models are compared."""


class Explorer:
    """Answers the questions of a page about `sources`, from any thread.

    Each load runs on a thread of its own, numeric work on one thread for all.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = {source.about.id: source for source in sources}
        self.uploads = Uploads()
        self.work = Worker("explorer-search")
        self._small = kept_small()

    def source(self, id_: str) -> Source:
        """The source of that id; raises `NotFoundError`."""
        return source_named(self.sources, id_)

    def overview(self) -> dict[str, Any]:
        """All sources, kinds of index and limits; loads nothing."""
        return {
            "sources": [source_json(source) for source in self.sources.values()],
            "indexes": [{"kind": kind, "name": kind, "about": about} for kind, (about, _) in INDEXES.items()],
            "limits": {
                "columns": COLUMNS,
                "k": MOST,
                "upload_bytes": UPLOAD_BYTES,
                "picture_sizes": list(SIZES),
            },
        }

    def load(self, id_: str) -> dict[str, Any]:
        """Load vectors, data and model of a source."""
        source = self.source(id_)
        for modality in source.content.searched:
            source.gallery(modality)
        source.encoder  # noqa: B018  # loads it
        return source_json(source)

    def search(self, query: Query, columns: Sequence[Column], options: Options) -> dict[str, Any]:
        """The columns' answers to one query, side by side; an error of one leaves the others."""
        started = time.perf_counter()
        if not 1 <= len(columns) <= COLUMNS:
            raise ConfigError(f"{len(columns)} columns; use 1 to {COLUMNS}")
        check_options(options)
        question = asked(query, self.sources)
        answers: list[Ranked | None] = []
        found: list[dict[str, Any]] = []
        # all that loads comes first: who has to wait for it has not searched in vain
        prepared = [self._prepared(question, column, options) for column in columns]
        for column, ready in zip(columns, prepared, strict=True):
            try:
                if isinstance(ready, XmrError):
                    raise ready
                source, build = ready

                def answer(column: Column = column, source: Source = source) -> tuple[Ranked, dict[str, Any]]:
                    of = ranked(question, source, column, options, self.uploads)
                    tags = tags_of(question, source, options, self.uploads)
                    return of, column_json(of, column, options, tags)

                of_column, json = self.work(answer)
                json["timing"]["build_ms"] = round(build, 3)
                answers.append(of_column)
                found.append(json)
            except XmrError as error:
                answers.append(None)
                found.append({"source": column.source, "index": column.index, "error": problem_json(error)})
        agreement = self.work(lambda: [_agreement(answers, pair) for pair in _pairs(answers)])
        return {
            "query": query_json(question),
            "among": str(options.among),
            "k": options.k,
            "columns": found,
            "agreement": agreement,
            "timing": {"total_ms": round(1000 * (time.perf_counter() - started), 3)},
        }

    def _prepared(self, question: Asked, column: Column, options: Options) -> tuple[Source, float] | XmrError:
        """A column's source with all that it needs and what `prepare` says, or why that can't be had."""
        try:
            source = self.source(column.source)
            return source, prepare(question, column, source, options)
        except XmrError as error:
            return error

    def picture(self, id_: str, image_id: str, size: int) -> Small:
        """A small copy of a picture of a source."""
        check_size(size)
        source = self.source(id_)
        key = (id_, image_id, size)
        if (kept := self._small.get(key)) is None:
            kept = small(source.picture(image_id), size)
            self._small.put(key, kept)
        return kept

    def uploaded(self, upload: str, size: int) -> Small:
        """A small copy of an uploaded picture."""
        check_size(size)
        key = ("upload", upload, size)
        if (kept := self._small.get(key)) is None:
            kept = small(self.uploads.picture(upload), size)
            self._small.put(key, kept)
        return kept

    def entry(self, id_: str, modality: str, entry_id: str) -> dict[str, Any]:
        """All that is known of an entry: the texts and pictures of its item, too."""
        source = self.source(id_)
        rows, row = source.row(Modality(modality), entry_id)
        item = rows.embeddings.item_ids[row]
        texts: list[str] = []
        pictures: list[dict[str, str]] = []
        if (of := source.content.rows.get(Modality.TEXT)) is not None:
            texts = [str(of.texts[at]) for at in np.flatnonzero(of.embeddings.item_ids == item)]
        if (of := source.content.rows.get(Modality.IMAGE)) is not None:
            ids = of.embeddings.ids[of.embeddings.item_ids == item].astype(str).tolist()
            pictures = [{"id": each, "picture": picture_url(id_, each)} for each in ids[:MOST_PICTURES]]
        return {
            **entry_json(source, Modality(modality), rows, row),
            "texts": list(dict.fromkeys(texts)),
            "pictures": pictures,
            "split": source.about.split,
            "data": source.content.name,
            "where": source.about.where,
        }

    def labels(self, id_: str) -> dict[str, Any]:
        """The labels of the images that are searched (else of the texts) with their counts, parents too."""
        content = self.source(id_).content
        modality = Modality.IMAGE if Modality.IMAGE in content.searched else Modality.TEXT
        of = content.rows[modality].labels[content.searched[modality]].astype(str)
        names, counts = np.unique(of, return_counts=True)
        total: dict[str, int] = {}
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            parts = name.split("/") if name else []
            for depth in range(1, len(parts) + 1):
                label = "/".join(parts[:depth])
                total[label] = total.get(label, 0) + count
        return {"labels": [{"label": label, "count": total[label]} for label in sorted(total)]}


def check_options(options: Options) -> None:
    """Raise `ConfigError` for a number out of range."""
    check_whole(1, k=options.k)
    check_whole(0, tags=options.tags)
    check_whole(2, bins=options.bins)
    for name, value, limit in (("k", options.k, MOST), ("bins", options.bins, MOST_BINS)):
        if value > limit:
            raise ConfigError(f"{name}={value} > {limit}; use {name} <= {limit}")


def source_json(source: Source) -> dict[str, Any]:
    """A source for the page; what is not loaded is null."""
    about, content = source.about, source.loaded
    return {
        "id": about.id,
        "name": about.name,
        "title": about.title,
        "kind": about.kind,
        "where": about.where,
        "checkpoint": about.checkpoint,
        "split": about.split,
        "data": {
            "name": content.name if content else about.data,
            "key": content.data if content else None,
            "relevance": content.relevance if content else None,
        },
        "state": source.state,
        "error": source.error,
        "dim": about.dim,
        "counts": {str(m): len(rows) for m, rows in content.searched.items()} if content else None,
        "among": [str(modality) for modality in about.among],
        "takes": list(about.takes),
        "composes": about.composes,
        "directions": list(about.directions),
        "settings": dict(about.settings),
        "indexes": [
            {
                "kind": f"{SAVED}{index.name}",
                "name": index.name,
                "about": index.about,
                "modality": None if index.modality is None else str(index.modality),
                "error": source.index_error(index),
            }
            for index in about.indexes
        ],
    }


def _pairs(answers: Sequence[Ranked | None]) -> list[tuple[int, int]]:
    there = [number for number, answer in enumerate(answers) if answer is not None]
    return list(combinations(there, 2))


def _agreement(answers: Sequence[Ranked | None], pair: tuple[int, int]) -> dict[str, Any]:
    """How far two columns agree: in the entries shown, in their order, and in the order of all."""
    one, other = (answers[number] for number in pair)
    if one is None or other is None or not _comparable(one, other):
        return {
            "columns": list(pair),
            "comparable": False,
            "overlap": None,
            "shared": 0,
            "rank_correlation": None,
            "gallery_correlation": None,
        }
    ids = [answer.gallery.embeddings.ids[answer.hits.positions].astype(str) for answer in (one, other)]
    shared, first, second = np.intersect1d(*ids, return_indices=True)
    longest = max(map(len, ids))
    return {
        "columns": list(pair),
        "comparable": True,
        "overlap": len(shared) / longest if longest else None,
        "shared": len(shared),
        "rank_correlation": rank_correlation(-first, -second),
        "gallery_correlation": _gallery_correlation(one, other),
    }


def _comparable(one: Ranked, other: Ranked) -> bool:
    """Whether both search the same entries: an id means the same in both, and both have it."""
    same_data = one.source.content.data == other.source.content.data
    return same_data and same_entries(one.gallery, other.gallery)


def _gallery_correlation(one: Ranked, other: Ranked) -> float | None:
    """Spearman's rho of two models' similarities over the entries, which both search."""
    if one.gallery is other.gallery:
        return 1.0
    here = there = chosen_rows(len(one.gallery), limit=COMPARED)
    ids, positions = one.gallery.embeddings.ids, other.gallery.rows.positions
    if not np.array_equal(ids, other.gallery.embeddings.ids):
        there = np.array([positions[str(id_)] for id_ in ids[here]], np.int64)
    return rank_correlation(one.similarities[here], other.similarities[there])
