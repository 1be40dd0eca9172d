"""A comparison as JSON: everything that was found, for other programs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmr.evaluation.comparison import Comparison, DirectionComparison
from xmr.evaluation.judgement import LEVEL, Judgement
from xmr.evaluation.metric_differences import MetricDifference
from xmr.evaluation.query_changes import Agreement, RankChanges
from xmr.evaluation.significance import Interval
from xmr.evaluation.slices import Slice, Sliced
from xmr.reporting.comparison.text import About, sentence

COMPARISON_SCHEMA = 1
RANK_CHANGES = 100
"""How many queries of the largest change of rank are listed, either way."""


def comparison_json(comparison: Comparison, about: About) -> dict[str, Any]:
    """JSON-able: fractions in [0, 1] and ranks, differences B - A, verdicts of B, intervals [low, high].

    `models` name the runs; `metrics` are a list in the order shown. Each of `directions` has `outcomes` by k
    (`both`, `only_a`, `only_b`, `neither`, and the query ids `gained` and `lost` by B), `ranks` (the queries
    of the largest change), `agreement` of the lists found, and `slices` by `length`, `label` and `word`, then
    by k. `settings` and `cost` hold [A's, B's]. What the results do not hold is null.
    """
    return {
        "schema_version": COMPARISON_SCHEMA,
        "verdict": sentence(comparison),
        "models": {
            name: {"name": model.name, "runs": list(model.runs), "seeds": list(model.seeds)}
            for name, model in zip("ab", about.models, strict=True)
        },
        "protocol": about.protocol,
        "level": LEVEL,
        "metrics": [_metric(one) for one in comparison.metrics],
        "directions": {name: _direction(of) for name, of in comparison.directions.items()},
        "settings": {key: list(pair) for key, pair in about.settings.items()},
        "cost": {key: list(pair) for key, pair in about.cost.items()},
        "notes": list(about.notes),
    }


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """The difference with its interval, p before and after correction, and the verdict."""
    of = judgement.difference
    return {
        "difference": None if of is None else of.difference,
        "interval": None if of is None else [of.low, of.high],
        "p": None if of is None else of.p,
        "adjusted_p": judgement.adjusted_p,
        "verdict": judgement.verdict,
    }


def _metric(one: MetricDifference) -> dict[str, Any]:
    sides = zip("ab", one.values, one.intervals, one.deviations, strict=True)
    return {
        "metric": one.metric,
        **{
            name: {"value": value, "interval": _pair(interval), "deviation": deviation}
            for name, value, interval, deviation in sides
        },
        **judgement_json(one.judgement),
    }


def _direction(of: DirectionComparison) -> dict[str, Any]:
    ids = of.a[0].query_ids
    return {
        "queries": len(ids),
        "outcomes": {
            str(k): {**found.counts(), "gained": ids[found.gained].tolist(), "lost": ids[found.lost].tolist()}
            for k, found in of.outcomes.items()
        },
        "ranks": None if of.ranks is None else _ranks(of.ranks, ids),
        "agreement": None if of.agreement is None else _agreement(of.agreement),
        "words_of": of.words_of,
        "slices": {
            kind: {str(k): _sliced(found) for k, found in by_k.items()} for kind, by_k in of.slices.items()
        },
    }


def _ranks(ranks: RankChanges, ids: np.ndarray) -> dict[str, Any]:
    def listed(at: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        return [{"query_id": str(ids[n]), "a": float(ranks.a[n]), "b": float(ranks.b[n])} for n in at]

    return {
        "better": int((ranks.b < ranks.a).sum()),
        "worse": int((ranks.b > ranks.a).sum()),
        "equal": int((ranks.b == ranks.a).sum()),
        "most_improved": listed(ranks.most_improved(RANK_CHANGES)),
        "most_worsened": listed(ranks.most_worsened(RANK_CHANGES)),
    }


def _agreement(of: Agreement) -> dict[str, Any]:
    return {
        "depth": of.depth,
        **{name: {"value": value, "interval": _pair(of.intervals[name])} for name, value in of.means.items()},
    }


def _sliced(of: Sliced) -> dict[str, Any]:
    return {"slices": [_slice(one) for one in of.slices], "too_few": of.too_few, "beyond": of.beyond}


def _slice(one: Slice) -> dict[str, Any]:
    return {
        "name": one.name,
        "queries": one.queries,
        "items": one.items,
        "a": {"value": one.values[0], "interval": _pair(one.intervals[0])},
        "b": {"value": one.values[1], "interval": _pair(one.intervals[1])},
        **judgement_json(one.judgement),
    }


def _pair(interval: Interval) -> list[float]:
    return [interval.low, interval.high]
