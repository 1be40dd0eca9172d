"""Deals items into train, val and test by fractions, the same way on every machine and in every order."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from xmr.core.errors import ConfigError, did_you_mean
from xmr.data.dataset import SPLITS


def assign_splits(groups: Sequence[str], *, fractions: Mapping[str, float], seed: int) -> list[str]:
    """Deal N items into splits, given the group of each; items of one group share a split.

    Groups are ordered by a hash of `seed` and their name, then cut by `fractions` (in [0, 1], summing to 1,
    by split name; one left out is 0). Depends on nothing else: neither on the order of the items nor of
    `fractions`. Counts are exact to rounding when each group is one item; otherwise each cut may be off by
    less than a group. Raises `ConfigError` for wrong fractions.
    """
    check_fractions(fractions)
    sizes = Counter(groups)
    limits = _limits(fractions, len(groups))
    split_of = {}
    dealt = 0
    for group in sorted(sizes, key=lambda group: _digest(seed, group)):
        split_of[group] = next(split for split, limit in limits if dealt < limit)
        dealt += sizes[group]
    return [split_of[group] for group in groups]


def held_out(*, val_fraction: float, test_fraction: float) -> dict[str, float]:
    """The fractions of a data set that trains on the rest; raises `ConfigError` when there is no rest."""
    if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
        raise ConfigError(
            f"val_fraction={val_fraction} and test_fraction={test_fraction}, but each must be at least 0 and "
            "their sum below 1; lower them so that something is left to train on"
        )
    return {"train": 1 - val_fraction - test_fraction, "val": val_fraction, "test": test_fraction}


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise `ConfigError` unless `fractions` are in [0, 1], sum to 1 and name splits only."""
    for split, fraction in fractions.items():
        if split not in SPLITS:
            raise ConfigError(f"fractions: unknown split '{split}'; {did_you_mean(split, SPLITS)}")
        if not 0 <= fraction <= 1:
            raise ConfigError(f"fractions.{split}={fraction} is outside [0, 1]; give a share of all items")
    total = math.fsum(fractions.values())
    if not math.isclose(total, 1, abs_tol=1e-6):
        shares = ", ".join(f"{split} {fraction}" for split, fraction in fractions.items())
        raise ConfigError(f"fractions ({shares}) sum to {total:g}; make them sum to 1")


def _limits(fractions: Mapping[str, float], n: int) -> list[tuple[str, int]]:
    """Where each split ends among n items; a split with a share of zero is left out."""
    used = [split for split in SPLITS if fractions.get(split, 0) > 0]
    ends = [math.floor(n * math.fsum(fractions[s] for s in used[: i + 1]) + 0.5) for i in range(len(used))]
    return list(zip(used, [*ends[:-1], n], strict=True))


def _digest(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}:{group}".encode()).digest()
