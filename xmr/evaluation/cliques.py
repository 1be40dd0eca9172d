"""Groups of entries that are all alike: a small set of cliques that shows every alike pair."""

import numpy as np


def clique_cover(alike: np.ndarray) -> list[list[int]]:
    """Cliques that cover all pairs of a reflexive, symmetric relation (M, M), each in order, sorted.

    The clique growing of Gramm et al. (2007, Algorithms for compact letter displays, Computational Statistics
    and Data Analysis 52:725): the first pair not yet covered grows to a maximal clique by the first entries
    that fit. Cliques whose pairs are all in others are then left out. There are at most as many as pairs, and
    for entries on a line that are alike when they are near, as few as possible.
    """
    groups: list[np.ndarray] = []
    covered = np.zeros(alike.shape, dtype=np.int64)
    for i, j in np.argwhere(np.triu(alike)):
        if not covered[i, j]:
            groups.append(_grown(alike, i, j))
            covered[np.ix_(groups[-1], groups[-1])] += 1
    needed = []
    for group in groups:
        pairs = np.ix_(group, group)
        if (covered[pairs] > 1).all():
            covered[pairs] -= 1
        else:
            needed.append(group.tolist())
    return sorted(needed)


def _grown(alike: np.ndarray, i: int, j: int) -> np.ndarray:
    """The entries i and j, alike, with each other entry, in turn, that is alike to all taken so far."""
    taken = np.zeros(len(alike), dtype=bool)
    taken[[i, j]] = True
    candidates = alike[i] & alike[j] & ~taken
    while candidates.any():
        first = candidates.argmax()
        taken[first] = True
        candidates &= alike[first]
        candidates[first] = False
    return np.flatnonzero(taken)
