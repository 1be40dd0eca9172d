"""What a paired difference says: better, worse, or noise, once it is corrected for all that was tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from xmr.evaluation.significance import PairedDifference, holm, paired_difference

LEVEL = 0.95

Verdict = Literal["better", "worse", "noise", "unsure", "equal", "untested"]
"""Of B beside A. "noise": the interval holds 0; "unsure": it does not, but p is not below .05 once corrected
for all tests; "equal": all queries score the same; "untested": there is nothing to test by."""


@dataclass(frozen=True)
class Judgement:
    """The difference B - A, Holm's p over all that was tested with it, and what they say of B.

    Both are None where `verdict` is "untested".
    """

    difference: PairedDifference | None
    adjusted_p: float | None
    verdict: Verdict


def difference_of(
    a: np.ndarray, b: np.ndarray, clusters: np.ndarray, *, resamples: int = 10_000, seed: int = 0
) -> PairedDifference | None:
    """B - A of values (S, Q) for S seeds each; None where all queries are of one item, which tells nothing.

    `clusters` (Q,) name the queries that belong together.
    """
    if len(np.unique(clusters)) < 2:
        return None
    of_b, of_a = (values[0] if len(values) == 1 else values for values in (b, a))
    return paired_difference(of_b, of_a, clusters, level=LEVEL, resamples=resamples, seed=seed)


def judged(
    differences: Sequence[PairedDifference | None], *, lower_is_better: Sequence[bool] = ()
) -> list[Judgement]:
    """A judgement of each difference, p corrected over all; higher is better where nothing is said."""
    tested = [n for n, difference in enumerate(differences) if difference is not None]
    p = [difference.p for difference in differences if difference is not None]
    adjusted = dict(zip(tested, holm(p).tolist() if p else [], strict=True))
    judgements = []
    for n, difference in enumerate(differences):
        if difference is None:
            judgements.append(Judgement(None, None, "untested"))
            continue
        lower = bool(lower_is_better) and lower_is_better[n]
        judgements.append(Judgement(difference, adjusted[n], _verdict(difference, adjusted[n], lower=lower)))
    return judgements


def _verdict(difference: PairedDifference, adjusted_p: float, *, lower: bool) -> Verdict:
    if difference.low == difference.high == difference.difference == 0:
        return "equal"
    if difference.low <= 0 <= difference.high:
        return "noise"
    if adjusted_p >= 1 - LEVEL:
        return "unsure"
    return "better" if (difference.difference > 0) != lower else "worse"
