"""Short names of the models on a board: the settings in which they differ."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TARGET = "_target_"
ABSENT = object()
LABEL_SETTINGS = 4
"""A label with more settings is cut down to those that tell the rows apart."""
VALUE_LENGTH = 32

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Varied:
    """Settings that vary together over the rows: what they are called, and each row's value ("" for none)."""

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]


def varied_settings(rows: Sequence[Settings]) -> list[Varied]:
    """The settings in which `rows` (flat, by dotted key) differ, components first.

    A setting that a component (`loss`) has only because it is that one says nothing besides the component's
    name, and is left away: settings below a component count where rows with the same component differ in
    them. Settings with equal last parts and equal values (`head.image.dropout` and `head.text.dropout`) are
    one. Names are the last part of the key, with as many parts before it as tell it from others.
    """
    keys = list(dict.fromkeys(key for row in rows for key in row))
    differing = [key for key in keys if len({_text(row.get(key, ABSENT)) for row in rows}) > 1]
    components = [key.removesuffix(TARGET) for key in differing if key.endswith(f".{TARGET}")]
    kept = [key for key in differing if _says_something(key, rows, components)]
    groups: dict[tuple[Any, ...], list[str]] = {}
    for key in sorted(kept, key=lambda key: not key.endswith(f".{TARGET}")):
        values = tuple(_shown(row.get(key, ABSENT)) for row in rows)
        groups.setdefault((key.rpartition(".")[2], values), []).append(key)
    names = _short_names(list(groups.values()))
    return [
        Varied(name, tuple(keys), values)
        for name, ((_, values), keys) in zip(names, groups.items(), strict=True)
    ]


def labels(names: Sequence[str], varied: Sequence[Varied]) -> list[str]:
    """One label a row: its name where names differ, and `loss=InfoNCE head=MLP`.

    Of many settings a label has those that tell the rows apart, in their order.
    """
    named = len(set(names)) > 1 or not varied
    heads = [[name] if named else [] for name in names]
    if len(varied) > LABEL_SETTINGS:
        varied = _telling_apart(heads, varied)
    parts = [
        [*head, *(f"{each.name}={each.values[row]}" for each in varied if each.values[row])]
        for row, head in enumerate(heads)
    ]
    return [" ".join(of_row) or names[row] for row, of_row in enumerate(parts)]


def _says_something(key: str, rows: Sequence[Settings], components: Sequence[str]) -> bool:
    """Whether rows that agree in the differing components around `key` differ in it."""
    around = [prefix for prefix in components if key.startswith(prefix) and key != f"{prefix}{TARGET}"]
    if not around:
        return True
    values: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        of = tuple(_text(row.get(f"{prefix}{TARGET}", ABSENT)) for prefix in around)
        values.setdefault(of, set()).add(_text(row.get(key, ABSENT)))
    return any(len(of) > 1 for of in values.values())


def _telling_apart(heads: Sequence[Sequence[str]], varied: Sequence[Varied]) -> list[Varied]:
    """The first settings that split the rows further, until no other does."""
    chosen: list[Varied] = []
    told = [tuple(head) for head in heads]
    for each in varied:
        further = [(*of_row, value) for of_row, value in zip(told, each.values, strict=True)]
        if len(set(further)) > len(set(told)):
            chosen.append(each)
            told = further
    return chosen


def _short_names(groups: Sequence[Sequence[str]]) -> list[str]:
    """A name for each group of keys: what they share at the end, or of components at the beginning."""
    candidates = [_candidates(keys) for keys in groups]
    depth = [0] * len(groups)
    while True:
        names = [of[min(at, len(of) - 1)] for of, at in zip(candidates, depth, strict=True)]
        clashing = {name for name in names if names.count(name) > 1}
        longer = [
            at + 1 if name in clashing and at + 1 < len(of) else at
            for name, of, at in zip(names, candidates, depth, strict=True)
        ]
        if longer == depth:
            return names
        depth = longer


def _candidates(keys: Sequence[str]) -> list[str]:
    """Names for keys that vary together, the shortest first."""
    parts = [key.split(".") for key in keys]
    if parts[0][-1] == TARGET:
        return [".".join(_shared([of[:-1] for of in parts]) or parts[0][:-1])]
    shared = _shared([of[::-1] for of in parts])[::-1]
    suffixes = [".".join(shared[at:]) for at in range(len(shared) - 1, -1, -1)]
    # numbers alone (stages.0) name nothing
    named = [suffix for suffix in suffixes if not suffix.split(".")[0].isdigit()]
    return [*(named or suffixes), keys[0]]


def _shared(paths: Sequence[Sequence[str]]) -> list[str]:
    """The parts that all paths begin with."""
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared


def _text(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = float(value)
    return "" if value is ABSENT else json.dumps(value, sort_keys=True, default=str)


def _shown(value: Any) -> str:
    """A value in a few letters: the last word of a component's path, a number as short as it can be."""
    if value is ABSENT:
        return ""
    if isinstance(value, str):
        shown = value.rpartition(".")[2] if value.startswith("xmr.") else value
    elif isinstance(value, float):
        shown = f"{value:.12g}"
    elif value is None or isinstance(value, bool):
        shown = json.dumps(value)
    elif isinstance(value, list):
        shown = f"[{','.join(map(_shown, value))}]"
    else:
        shown = str(value)
    # the end of a long one tells more: names of files and packages differ there
    return shown if len(shown) <= VALUE_LENGTH else f"…{shown[-VALUE_LENGTH:]}"
