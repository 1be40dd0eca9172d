"""What the page of a comparison draws: figures as text, and as numbers where they have a length."""

import hashlib
import json
from typing import Any

import numpy as np

from xmr.evaluation.comparison import Comparison, DirectionComparison
from xmr.evaluation.metric_differences import MetricDifference
from xmr.evaluation.retrieved import galleries_of, texts_of
from xmr.evaluation.slices import Slice, Sliced, most_changed
from xmr.reporting.comparison.queries import Looks, QueryCards
from xmr.reporting.comparison.text import (
    VERDICTS,
    About,
    difference,
    figure,
    interval,
    p_value,
    reading,
    sentence,
)
from xmr.reporting.protocol_words import protocol_facts
from xmr.reporting.thumbnails import PICTURE_BYTES

POINTS = 3000
"""Queries that the plot of ranks shows, at most."""
WORDS = 16


def comparison_content(
    comparison: Comparison, about: About, looks: Looks | None = None, *, picture_bytes: int = PICTURE_BYTES
) -> dict[str, Any]:
    """What `comparison_page` shows, JSON-able, with the pictures of the queries shown as small JPEG files.

    `looks` gives pictures and tells which entries are correct; without it there are texts and ids, and what
    is correct as far as the results tell. A note says how many pictures `picture_bytes` has left out.
    """
    first = {name: of.a[0] for name, of in comparison.directions.items()}
    galleries = galleries_of(first) if looks is None else looks.galleries()
    cards = QueryCards(looks, galleries, texts_of(first), limit=picture_bytes)
    directions = [_direction(of, cards) for of in comparison.directions.values()]
    tested = sum(one.judgement.difference is not None for one in comparison.metrics)
    return {
        "verdict": sentence(comparison),
        "models": [
            {"name": model.name, "runs": list(model.runs), "seeds": [s for s in model.seeds if s is not None]}
            for model in about.models
        ],
        "protocol": protocol_facts(about.protocol),
        "tested": tested,
        "several_seeds": max(comparison.seeds) > 1,
        "metrics": [_metric(one) for one in comparison.metrics],
        "directions": directions,
        "settings": [[key, *map(_shown, pair)] for key, pair in about.settings.items()],
        "cost": [[key, *map(_amount, pair)] for key, pair in about.cost.items()],
        "notes": [*about.notes, *cards.thumbnails.notes()],
        "queries": cards.queries,
        "entries": cards.entries,
        "pictures": cards.thumbnails.pictures,
    }


def _metric(one: MetricDifference) -> dict[str, Any]:
    metric, judgement = one.metric, one.judgement
    of = judgement.difference
    direction, _, name = metric.rpartition("/")
    deviations = ["" if d is None else f"± {figure(metric, d)}" for d in one.deviations]
    return {
        "direction": direction,
        "name": name,
        "values": [figure(metric, value) for value in one.values],
        "intervals": [interval(metric, own.low, own.high) for own in one.intervals],
        "deviations": deviations,
        "difference": figure(metric, one.values[1] - one.values[0], signed=True),
        "interval": "" if of is None else interval(metric, of.low, of.high),
        "bar": None if of is None else [of.low, of.difference, of.high],
        "p": "" if judgement.adjusted_p is None else p_value(judgement.adjusted_p),
        "verdict": judgement.verdict,
        "said": VERDICTS[judgement.verdict],
    }


def _direction(of: DirectionComparison, cards: QueryCards) -> dict[str, Any]:
    slices = {kind: by_k for kind, by_k in of.slices.items() if any(found.slices for found in by_k.values())}
    return {
        "name": of.direction,
        "total": len(of.a[0].query_ids),
        "ks": list(of.outcomes),
        "outcomes": {str(k): found.counts() for k, found in of.outcomes.items()},
        "readings": {str(k): reading(of, k) for k in of.outcomes},
        "lists": cards.lists(of),
        "ranks": _ranks(of),
        "agreement": None
        if of.agreement is None
        else {
            "depth": of.agreement.depth,
            "rows": [
                [name, value, of.agreement.intervals[name].low, of.agreement.intervals[name].high]
                for name, value in of.agreement.means.items()
            ],
        },
        "words_of": of.words_of,
        "slices": {
            kind: {str(k): _sliced(kind, found) for k, found in by_k.items()} for kind, by_k in slices.items()
        },
    }


def _ranks(of: DirectionComparison) -> dict[str, Any] | None:
    """Points of the queries' ranks; which ones, when not all can be shown, depends on their ids alone."""
    if of.ranks is None:
        return None
    first = of.a[0]
    ids = first.query_ids.tolist()
    rows = sorted(range(len(ids)), key=lambda n: hashlib.sha256(ids[n].encode()).digest())
    shown = rows[:POINTS]
    return {
        "better": int((of.ranks.b < of.ranks.a).sum()),
        "worse": int((of.ranks.b > of.ranks.a).sum()),
        "equal": int((of.ranks.b == of.ranks.a).sum()),
        "largest": float(max(of.ranks.a.max(), of.ranks.b.max())),
        "a": np.round(of.ranks.a[shown], 2).tolist(),
        "b": np.round(of.ranks.b[shown], 2).tolist(),
        "queries": [first.texts[n] or ids[n] for n in shown],
    }


def _sliced(kind: str, found: Sliced) -> dict[str, Any]:
    slices = list(found.slices)
    if kind == "word":
        surest = most_changed(slices, WORDS)
        slices = sorted(surest, key=lambda one: -(one.values[1] - one.values[0]))
    return {
        "rows": [_slice(one) for one in slices],
        "tested": len(found.slices),
        "too_few": found.too_few,
        "beyond": found.beyond,
    }


def _slice(one: Slice) -> dict[str, Any]:
    p = one.judgement.adjusted_p
    return {
        "name": one.name,
        "queries": one.queries,
        "bars": [[value, own.low, own.high] for value, own in zip(one.values, one.intervals, strict=True)],
        "difference": difference("recall", one.judgement),
        "p": "" if p is None else p_value(p),
        "verdict": one.judgement.verdict,
        "said": VERDICTS[one.judgement.verdict],
    }


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _amount(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
