"""Errors that a user can act on: each names the value, the limit and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_PROBLEMS = 20


class XmrError(Exception):
    """Something the user can mend; shown as one message, without a traceback."""


class ConfigError(XmrError):
    """A setting is unknown, or its value is out of range."""


class DataError(XmrError):
    """A file, row or vector is not what it must be."""


class MissingFilesError(DataError):
    """A data set or a model is not where it was looked for; the message says how to get it."""


def problems_message(where: str, problems: Iterable[str], remedy: str) -> str:
    """One message that lists every problem of `where`: the first 20 and the count of all."""
    problems = list(problems)
    shown = "\n".join(f"  - {problem}" for problem in problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    more = f"\n  ... and {rest} more" if rest > 0 else ""
    noun = "problem" if len(problems) == 1 else "problems"
    return f"{where}: {len(problems)} {noun}\n{shown}{more}\n{remedy}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean 'loss'?` for the known name nearest to `name`, or the list of known names."""
    known = sorted(set(known))
    nearest = get_close_matches(name, known, n=1)
    return f"did you mean '{nearest[0]}'?" if nearest else f"known: {', '.join(known)}"


def check_positive(**values: float) -> None:
    """Raise `ConfigError` for the first of `values` that is not a number above zero."""
    for name, value in values.items():
        if not _is_number(value) or not value > 0:
            raise ConfigError(f"{name}={value}, but it must be above 0; use a positive {name}")


def check_at_least(limit: float, **values: float) -> None:
    """Raise `ConfigError` for the first of `values` that is not a number of at least `limit`."""
    for name, value in values.items():
        if not _is_number(value) or not value >= limit:
            raise ConfigError(f"{name}={value} is below {limit}; use {name} >= {limit}")


def check_whole(limit: int, **values: int) -> None:
    """Raise `ConfigError` for the first of `values` that is not a whole number of at least `limit`."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < limit:
            raise ConfigError(f"{name}={value}, but it must be a whole number of at least {limit}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
