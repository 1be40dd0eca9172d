"""The queries that a page of a comparison shows: what each is, what it looks for, what A and B found."""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from xmr.evaluation.comparison import DirectionComparison
from xmr.evaluation.results_file import QueryResults
from xmr.evaluation.retrieved import Gallery, marks, relevant
from xmr.reporting.thumbnails import Thumbnails
from xmr.reporting.views import View

SHOWN = 12
"""Queries of each list that a page shows."""
FOUND = 5
RELEVANT = 3


class Looks(Protocol):
    """What queries and gallery entries look like."""

    def query(self, direction: str, id_: str) -> View:
        """The look of a query; raises `XmrError` for a picture that can't be read."""

    def entry(self, direction: str, id_: str) -> View:
        """The look of a gallery entry; raises `XmrError` for a picture that can't be read."""

    def galleries(self) -> Mapping[str, Gallery]:
        """The item id of each gallery entry, by direction."""


class QueryCards:
    """The shown queries of all directions and what they found, each once: `queries` and `entries`.

    Without `looks` there are ids alone, and the `texts` of the galleries, by direction and id.
    """

    def __init__(
        self,
        looks: Looks | None,
        galleries: Mapping[str, Gallery],
        texts: Mapping[str, Mapping[str, str]],
        *,
        limit: int,
    ) -> None:
        self.thumbnails = Thumbnails(limit=limit)
        self.queries: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self._looks = looks
        self._galleries = galleries
        self._texts = texts
        self._numbers: dict[tuple[str, ...], int] = {}

    def lists(self, of: DirectionComparison) -> list[dict[str, Any]]:
        """The lists of a direction, with their queries: gained and lost at each k, ranks that moved most."""
        ids = of.a[0].query_ids
        lists: list[dict[str, Any]] = []
        for k, found in of.outcomes.items():
            for kind, at in {"gained": found.gained, "lost": found.lost}.items():
                lists.append({"kind": kind, "k": k, "total": len(at), "at": _by_chance(at, ids)})
        if of.ranks is not None:
            moved = {
                "improved": of.ranks.most_improved(len(ids)),
                "worsened": of.ranks.most_worsened(len(ids)),
            }
            for kind, at in moved.items():
                lists.append({"kind": kind, "k": None, "total": len(at), "at": at[:SHOWN].tolist()})
        return [{**each, "at": [self._query(of, row) for row in each["at"]]} for each in lists]

    def _query(self, of: DirectionComparison, row: int) -> int:
        """The number of a query among `queries`, where it is put the first time."""
        first = of.a[0]
        key = ("query", of.direction, str(first.query_ids[row]))
        if key in self._numbers:
            return self._numbers[key]
        gallery = self._galleries.get(of.direction)
        correct = relevant(first, row, gallery)
        card = self._look(key, first.texts[row], first.labels[row]) | {
            "item": str(first.item_ids[row]),
            "ranks": of.ranks and [round(float(r[row]), 1) for r in (of.ranks.a, of.ranks.b)],
            "relevant": [self._entry(of.direction, id_) for id_ in correct[:RELEVANT]],
            "more": max(len(correct) - RELEVANT, 0),
            "found": [self._found(of, runs[0], row, gallery) for runs in (of.a, of.b)],
        }
        self._numbers[key] = len(self.queries)
        self.queries.append(card)
        return self._numbers[key]

    def _found(
        self, of: DirectionComparison, run: QueryResults, row: int, gallery: Gallery | None
    ) -> list[dict[str, Any]] | None:
        """The first entries found, and the first correct one even if later; None where no list is kept."""
        if run.retrieved is None:
            return None
        correct = marks(run, row, gallery)
        shown = [*range(min(FOUND, len(correct)))]
        if True in correct[FOUND:] and True not in correct[:FOUND]:
            shown.append(correct.index(True))
        scores = None if run.scores is None else run.scores[row].tolist()
        return [
            {
                "entry": self._entry(of.direction, str(run.retrieved[row, place])),
                "correct": correct[place],
                "score": None if scores is None else round(scores[place], 3),
                "place": place + 1,
            }
            for place in shown
        ]

    def _entry(self, direction: str, id_: str) -> int:
        key = ("entry", direction, id_)
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            self.entries.append(self._look(key, self._texts.get(direction, {}).get(id_), ""))
        return self._numbers[key]

    def _look(self, key: tuple[str, str, str], text: str | None, label: str) -> dict[str, Any]:
        """The id, text, label and picture of a query or an entry, those that there are."""
        side, direction, id_ = key
        about: dict[str, Any] = {"id": id_}
        if self._looks is not None:
            look = self._looks.query if side == "query" else self._looks.entry
            # one picture is a query here and found there
            modality = direction.partition("_to_")[0 if side == "query" else 2]
            picture, view = self.thumbnails.add((modality, id_), lambda: look(direction, id_))
            text, label = view.text or text, view.label or label
            about |= {"picture": picture} if picture is not None else {}
        about |= {"text": text} if text else {}
        return about | ({"label": label} if label else {})


def _by_chance(at: np.ndarray, ids: np.ndarray) -> list[int]:
    """`SHOWN` of the positions, drawn by the queries' ids: the same in every comparison, none picked."""
    drawn = sorted(at.tolist(), key=lambda row: hashlib.sha256(str(ids[row]).encode()).digest())
    return drawn[:SHOWN]
