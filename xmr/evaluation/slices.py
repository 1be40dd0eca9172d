"""Where two models fail: a metric of both by caption length, by class, and by word."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xmr.evaluation.judgement import LEVEL, Judgement, difference_of, judged
from xmr.evaluation.significance import Interval, bootstrap_intervals

LENGTH_BINS = 5
ENOUGH = 10
"""Items that the queries of a word or a class must have: fewer tell nothing."""
MOST = 100
"""Words and classes that are tested, at most; those of the most queries. Each one more asks more of all."""
RESAMPLES = 5_000
"""Of each slice: p of 100 slices can still be below .05 once it is corrected."""

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True)
class Slice:
    """A metric of A and B over some of the queries; p is corrected over the slices of one kind."""

    name: str
    queries: int
    items: int
    values: tuple[float, float]
    intervals: tuple[Interval, Interval]
    judgement: Judgement


@dataclass(frozen=True)
class Sliced:
    """The slices of one kind, and how many more there would be: `too_few` queries, or `beyond` the most."""

    slices: tuple[Slice, ...]
    too_few: int = 0
    beyond: int = 0


Groups = Mapping[str, np.ndarray]
"""The positions of the queries of each group, by its name; a query may be in several, or in none."""

Pair = tuple[np.ndarray, np.ndarray]
"""A column of the queries' values (S, Q), for the S seeds of A and of B."""


def length_groups(texts: Sequence[str | None], *, bins: int = LENGTH_BINS) -> dict[str, np.ndarray]:
    """Queries by how many words their text has: at most `bins` groups, about equally large, short ones first.

    {} where the texts are all of one length, or there are none.
    """
    known = np.array([n for n, text in enumerate(texts) if text is not None], dtype=np.int64)
    lengths = np.array([len(words(text)) for text in texts if text is not None])
    if len(np.unique(lengths)) < 2:
        return {}
    # the last length of each group
    ends = np.unique(np.quantile(lengths, np.arange(1, bins + 1) / bins, method="inverted_cdf"))
    groups, start = {}, int(lengths.min())
    for end in ends.astype(int).tolist():
        noun = "word" if start == end == 1 else "words"
        name = f"{start} {noun}" if start == end else f"{start}–{end} {noun}"
        groups[name] = known[(lengths >= start) & (lengths <= end)]
        start = end + 1
    return groups


def label_groups(labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Queries by class, in order of its name; where classes have levels (animals/birds), by each of them."""
    groups: dict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(labels):
        parts = label.split("/") if label else []
        for depth in range(1, len(parts) + 1):
            groups["/".join(parts[:depth])].append(position)
    return {name: np.array(groups[name]) for name in sorted(groups)}


def word_groups(texts: Sequence[str | None]) -> dict[str, np.ndarray]:
    """Queries by each word that their text has, in lower case."""
    groups: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(texts):
        for word in dict.fromkeys(words(text or "")):
            groups[word].append(position)
    return {word: np.array(positions) for word, positions in groups.items()}


def words(text: str) -> list[str]:
    """The words of `text` in lower case: letters and digits, hyphens and apostrophes within."""
    return WORD.findall(text.lower())


def sliced(
    groups: Groups, values: Pair, clusters: np.ndarray, *, enough: int = ENOUGH, seed: int = 0
) -> Sliced:
    """The means of both models over each group of queries, in the groups' order.

    `clusters` (Q,) name what queries belong together, of which a group needs `enough`. The `MOST` groups of
    the most queries are tested.
    """
    items = {name: len(np.unique(clusters[at])) for name, at in groups.items()}
    large = [name for name in groups if items[name] >= enough]
    most = set(sorted(large, key=lambda name: -len(groups[name]))[:MOST])
    kept = [name for name in large if name in most]
    pairs = [(values[0][:, groups[name]], values[1][:, groups[name]]) for name in kept]
    own = [clusters[groups[name]] for name in kept]
    judgements = judged(
        [
            difference_of(*pair, of, resamples=RESAMPLES, seed=seed)
            for pair, of in zip(pairs, own, strict=True)
        ]
    )
    found = zip(kept, pairs, own, judgements, strict=True)
    slices = tuple(_slice(name, pair, of, judgement, seed) for name, pair, of, judgement in found)
    return Sliced(slices, too_few=len(groups) - len(large), beyond=len(large) - len(kept))


def most_changed(slices: Sequence[Slice], count: int) -> list[Slice]:
    """The slices, at most `count`, that B gains or loses most, the surest first; equal ones are left out."""
    changed = [(one.judgement.difference, one) for one in slices]
    known = [
        (of.p, -abs(of.difference), n, one) for n, (of, one) in enumerate(changed) if of and of.difference
    ]
    return [one for *_, one in sorted(known, key=lambda entry: entry[:3])[:count]]


def _slice(name: str, pair: Pair, clusters: np.ndarray, judgement: Judgement, seed: int) -> Slice:
    means = {"a": pair[0].mean(axis=0), "b": pair[1].mean(axis=0)}
    intervals = bootstrap_intervals(means, clusters, level=LEVEL, seed=seed)
    return Slice(
        name,
        queries=len(clusters),
        items=len(np.unique(clusters)),
        values=(float(means["a"].mean()), float(means["b"].mean())),
        intervals=(intervals["a"], intervals["b"]),
        judgement=judgement,
    )
