"""Boards: the records of one protocol, grouped by model, best first."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xmr.core.errors import ConfigError, did_you_mean
from xmr.evaluation.protocol import Protocol, differences
from xmr.reporting.board.labels import labels, varied_settings
from xmr.reporting.records.runs import RunRecord
from xmr.reporting.records.settings import model_key, protocol_key

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Row:
    """A model: the runs that differ in their seed alone.

    `label` is short: the name and the settings in which the rows of the board differ; `settings` holds
    those by their dotted key. `mean` and `deviation` (n - 1; for two or more seeds) are over the finished
    runs; a row without a finished run has what its runs reached last. `letters`: metric -> "a" or "ab";
    rows of a board that share a letter do not differ significantly; {} where that was not tested.
    """

    label: str
    settings: dict[str, str]
    runs: tuple[RunRecord, ...]
    mean: dict[str, float]
    deviation: dict[str, float]
    letters: dict[str, str]

    @property
    def finished(self) -> tuple[RunRecord, ...]:
        """The runs that `mean` is over, where there are any."""
        return tuple(run for run in self.runs if run.state == "finished")


@dataclass(frozen=True, eq=False)
class Board:
    """The rows of one protocol, best `sorted_by` first, those without it last; `notes` tell what to know.

    Rows without a finished run come after those with one.
    """

    protocol: dict[str, Any]
    title: str
    metrics: tuple[str, ...]
    sorted_by: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def boards(records: Sequence[RunRecord], *, metric: str = "mean_recall") -> list[Board]:
    """One board for each protocol among `records`, by data set and split; [] for no records.

    Raises `ConfigError` for a metric that no record has.
    """
    known = {name for record in records for name in record.metrics}
    if known and metric not in known:
        raise ConfigError(f"no result has the metric '{metric}'; {did_you_mean(metric, known)}")
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(protocol_key(record.protocol), []).append(record)
    together = sorted(groups.values(), key=_order)
    titles = _titles([group[0].protocol for group in together])
    return [_board(group, title, metric) for group, title in zip(together, titles, strict=True)]


def lower_is_better(metric: str) -> bool:
    """Whether `metric` is a rank: of all others more is better."""
    return metric.endswith("_rank")


def _board(records: Sequence[RunRecord], title: str, metric: str) -> Board:
    models: dict[str, list[RunRecord]] = {}
    for record in records:
        models.setdefault(_model(record), []).append(record)
    notes: list[str] = []
    grouped = [_without_repeats(runs, notes) for runs in models.values()]
    rows = _labelled([_row(runs) for runs in grouped])
    notes += [note for row in rows for note in _other_places(row)]
    return Board(
        protocol=records[0].protocol,
        title=title,
        metrics=tuple(dict.fromkeys(name for record in records for name in record.metrics)),
        sorted_by=metric,
        rows=tuple(sorted(rows, key=lambda row: _place(row, metric))),
        notes=tuple(notes),
    )


def _model(record: RunRecord) -> str:
    """Equal for the runs of one model: settings tell, or the name that was submitted."""
    if record.settings:
        return model_key(record.settings)
    return f"submitted {record.name}" if record.source == "submission" else record.path


def _without_repeats(runs: Sequence[RunRecord], notes: list[str]) -> list[RunRecord]:
    """The runs of a model with the newest finished one alone of each seed; the others are noted."""
    newest: dict[int | None, RunRecord] = {}
    for run in sorted(runs, key=lambda run: (run.created, run.path)):
        if run.state == "finished":
            older = newest.get(run.seed)
            if older is not None:
                seed = "" if run.seed is None else f" with seed {run.seed}"
                notes.append(f"not counted: {older.path}, as {run.path} is the same model{seed}, and newer")
            newest[run.seed] = run
    kept = [run for run in runs if run.state != "finished" or newest[run.seed] is run]
    return sorted(kept, key=lambda run: (run.seed is None, run.seed or 0, run.path))


def _other_places(row: Row) -> Iterator[str]:
    """A note for each place of data in which the runs of a model differ: pictures there may be others."""
    for key in dict.fromkeys(key for run in row.runs for key in run.places):
        places = dict.fromkeys(str(run.places.get(key)) for run in row.runs)
        if len(places) > 1:
            yield (
                f"{row.label}: its runs have {key} {' and '.join(places)}, which count as one while texts "
                f"and ids are the same; the pictures may differ"
            )


def _row(runs: Sequence[RunRecord]) -> Row:
    finished = [run for run in runs if run.state == "finished"]
    counted = finished or runs
    names = dict.fromkeys(name for run in counted for name in run.metrics)
    values = {name: [run.metrics[name] for run in counted if name in run.metrics] for name in names}
    return Row(
        label="",
        settings={},
        runs=tuple(runs),
        mean={name: float(np.mean(of)) for name, of in values.items()},
        deviation={name: float(np.std(of, ddof=1)) for name, of in values.items() if len(of) > 1},
        letters={},
    )


def _labelled(rows: Sequence[Row]) -> list[Row]:
    """The rows with their labels, which are told apart by run where settings do not do it."""
    with_settings = [row for row in rows if row.runs[0].settings]
    varied = varied_settings([row.runs[0].settings for row in with_settings])
    names = [", ".join(dict.fromkeys(run.name for run in row.runs)) for row in with_settings]
    label_of = dict(zip(map(id, with_settings), labels(names, varied), strict=True))
    place_of = {id(row): place for place, row in enumerate(with_settings)}
    labelled = []
    for row in rows:
        place = place_of.get(id(row))
        own = {} if place is None else {key: v.values[place] for v in varied for key in v.keys}
        label = label_of.get(id(row), row.runs[0].name)
        settings = {key: value for key, value in own.items() if value}
        labelled.append(Row(label, settings, row.runs, row.mean, row.deviation, row.letters))
    return [_told_apart(row, labelled) for row in labelled]


def _told_apart(row: Row, rows: Iterable[Row]) -> Row:
    if sum(other.label == row.label for other in rows) == 1:
        return row
    label = f"{row.label} [{row.runs[0].run_id}]"
    return Row(label, row.settings, row.runs, row.mean, row.deviation, row.letters)


def _place(row: Row, metric: str) -> tuple[Any, ...]:
    """What rows are sorted by: finished ones first, best first, those without the metric last."""
    value = row.mean.get(metric, math.nan)
    better = value if lower_is_better(metric) else -value
    return (math.isnan(value), not row.finished, 0.0 if math.isnan(value) else better, row.label)


def _order(records: Sequence[RunRecord]) -> tuple[Any, ...]:
    """What boards are sorted by: data set, split, protocol; of those alike the one of most results first."""
    protocol = records[0].protocol
    split, name = protocol["split"], protocol["name"]
    place = SPLITS.index(split) if split in SPLITS else len(SPLITS)
    return (protocol["data"], place, name != "standard", name, -len(records), protocol_key(protocol))


def _titles(protocols: Sequence[dict[str, Any]]) -> list[str]:
    """`emoji, val split`; what else it takes to tell boards apart follows."""
    titles = [f"{of['data']}, {of['split']} split" for of in protocols]
    titles = [
        title if of["name"] == "standard" else f"{title}, protocol {of['name']}"
        for title, of in zip(titles, protocols, strict=True)
    ]
    alike: dict[str, list[dict[str, Any]]] = {}
    for title, of in zip(titles, protocols, strict=True):
        alike.setdefault(title, []).append(of)
    return [
        ", ".join([title, *_what_differs(of, alike[title])])
        for title, of in zip(titles, protocols, strict=True)
    ]


def _what_differs(protocol: dict[str, Any], alike: Sequence[dict[str, Any]]) -> list[str]:
    """`ks=[1, 5]`: the fields in which a protocol differs from others with its title."""
    own = Protocol.from_json(protocol)
    differing = {name for other in alike for name in differences(own, Protocol.from_json(other))}
    fields = [name for name in protocol if name in differing]
    named = {"data_fingerprint": "data"}
    return [f"{named.get(name, name)}={_short(protocol[name])}" for name in fields]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
