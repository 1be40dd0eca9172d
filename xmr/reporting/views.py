"""What to show of a ranking: which queries, and what each query and each entry found looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from xmr.core.errors import ConfigError, DataError, check_at_least, did_you_mean

if TYPE_CHECKING:  # the types import torch, which drawing does not need
    from xmr.core.types import Rankings

PICTURE = 184
"""Pixels of the longer side of every picture shown."""

QueryKind = Literal["random", "hardest", "easiest"]
KINDS = ("random", "hardest", "easiest")


@dataclass(frozen=True)
class View:
    """What a query or a gallery entry looks like: a picture, a text or both, and a label ("" for none)."""

    image: Image.Image | None = None
    text: str | None = None
    label: str = ""


@dataclass(frozen=True)
class Result:
    """One entry found: its look, its score (higher is nearer), and whether it is correct."""

    gallery_id: str
    view: View
    score: float
    relevant: bool


@dataclass(frozen=True)
class RankedQuery:
    """One query with its results, best first, ready to draw.

    `first_rank` is the rank from 1 of its first correct entry in the whole gallery (a fraction when tied
    entries count in expectation), NaN when the gallery holds none, None when nobody knows what is correct.
    """

    query_id: str
    view: View
    first_rank: float | None
    results: tuple[Result, ...]


def choose_queries(
    query_ids: np.ndarray,
    first_ranks: np.ndarray,
    *,
    count: int = 8,
    seed: int = 0,
    kind: QueryKind = "random",
) -> np.ndarray:
    """Positions, at most `count`, of the queries to show out of `query_ids` (Q,) with `first_ranks` (Q,).

    "random" depends on the ids and `seed` alone: every model and epoch shows the same queries, in
    whatever order the rows come. "hardest" and "easiest" sort by first rank, ties in that same random
    order; queries without a correct entry (rank NaN) come last. Raises `ConfigError` for an unknown kind.
    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of queries '{kind}'; {did_you_mean(kind, KINDS)}")
    check_at_least(1, count=count)
    _check_aligned(query_ids, first_ranks)
    shuffled = np.array([hashlib.sha256(f"{seed}:{query_id}".encode()).hexdigest() for query_id in query_ids])
    keys = {"random": np.zeros(len(query_ids)), "hardest": -first_ranks, "easiest": first_ranks}
    return np.lexsort((shuffled, keys[kind]))[:count]


def ranked_queries(
    rankings: Rankings,
    first_ranks: np.ndarray,
    *,
    query_view: Callable[[str], View],
    gallery_view: Callable[[str], View],
    k: int = 10,
) -> list[RankedQuery]:
    """The queries of `rankings` with their first `k` results, pictures opened once each and kept small.

    `first_ranks` (Q,) goes with `rankings.query_ids`; raises `DataError` when their lengths differ.
    """
    check_at_least(1, k=k)
    _check_aligned(rankings.query_ids, first_ranks)
    entry = cache(lambda gallery_id: _small(gallery_view(gallery_id)))

    def results(row: int) -> tuple[Result, ...]:
        ids, scores, relevant = rankings.gallery_ids[row], rankings.scores[row], rankings.relevant[row]
        found = zip(ids[:k], scores[:k], relevant[:k], strict=True)
        return tuple(Result(str(i), entry(str(i)), float(s), bool(r)) for i, s, r in found)

    return [
        RankedQuery(str(query_id), _small(query_view(str(query_id))), float(first_ranks[row]), results(row))
        for row, query_id in enumerate(rankings.query_ids)
    ]


def first_rank_text(first_rank: float, gallery_size: int) -> str:
    """`first correct: 37 of 280`; one decimal when ties make the rank a fraction."""
    if np.isnan(first_rank):
        return "no correct entry"
    rank = f"{first_rank:,.0f}" if float(first_rank).is_integer() else f"{first_rank:,.1f}"
    return f"first correct: {rank} of {gallery_size:,}"


def fit(picture: Image.Image, size: int = PICTURE) -> Image.Image:
    """`picture`, its longer side `size` pixels, not distorted; transparency shows white."""
    scale = size / max(picture.size)
    shape = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if picture.size == shape and picture.mode == "RGB":
        return picture
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB").resize(shape, Image.Resampling.LANCZOS, reducing_gap=3)


def _small(view: View) -> View:
    return replace(view, image=fit(view.image)) if view.image else view


def _check_aligned(query_ids: np.ndarray, first_ranks: np.ndarray) -> None:
    if len(query_ids) != len(first_ranks):
        raise DataError(f"{len(query_ids)} query ids, {len(first_ranks)} first ranks; pass one rank a query")
