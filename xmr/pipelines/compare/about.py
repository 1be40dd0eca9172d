"""What stands around a comparison: names, the settings that differ, what each costs, what is not compared."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xmr.evaluation.results_file import metric_values
from xmr.pipelines.compare.inputs import ComparedModel, ComparedRun
from xmr.reporting.board.labels import labels, varied_settings
from xmr.reporting.comparison.text import About, Compared

COSTS = {
    "parameters": ("model", "parameters"),
    "trained parameters": ("model", "trained_parameters"),
    "epochs": ("cost", "epochs"),
    "training, seconds": ("cost", "train_seconds"),
    "evaluation, seconds": ("cost", "evaluation_seconds"),
    "index, bytes": ("cost", "index_bytes"),
}

FEW_ITEMS = 20
"""Items below which bootstrap intervals are known to be too narrow."""


def about_models(a: ComparedModel, b: ComparedModel) -> About:
    """Names, differing settings, costs (means over the runs of each side) and notes of a comparison."""
    settings = [model.runs[0].settings() for model in (a, b)]
    names = _names((a, b), settings)
    models = [
        Compared(
            name,
            ids=tuple(f"{run.run_id}/{Path(run.results.get('checkpoint', '')).stem}" for run in model.runs),
            runs=tuple(os.path.relpath(run.folder) for run in model.runs),
            seeds=tuple(map(_seed, model.runs)),
        )
        for name, model in zip(names, (a, b), strict=True)
    ]
    differing = {
        key: (settings[0].get(key), settings[1].get(key))
        for key in dict.fromkeys([*settings[0], *settings[1]])
        if settings[0].get(key) != settings[1].get(key)
    }
    return About(
        (models[0], models[1]), a.runs[0].results["protocol"], differing, _costs(a, b), tuple(_notes(a, b))
    )


def _names(models: Sequence[ComparedModel], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each side: what its runs are called, what differs, and if nothing does the seeds."""
    called = [model.runs[0].name for model in models]
    names = labels(called, varied_settings(settings))
    if called[0] != called[1]:
        return names
    if names[0] != names[1]:
        return [f"{name} {label}" for name, label in zip(called, names, strict=True)]
    seeds = [",".join(str(_seed(run)) for run in model.runs) for model in models]
    told_by = seeds if seeds[0] != seeds[1] else [model.runs[0].run_id for model in models]
    what = "seed=" if told_by is seeds else ""
    return [f"{name} {what}{own}" for name, own in zip(called, told_by, strict=True)]


def _seed(run: ComparedRun) -> int | None:
    seed = run.results.get("seed")
    return seed if isinstance(seed, int) else None


def _costs(a: ComparedModel, b: ComparedModel) -> dict[str, tuple[float | None, float | None]]:
    """The mean of each cost over the runs of either side; those that neither tells are left out."""
    paths: dict[str, tuple[str, ...]] = dict(COSTS)
    timed = [run.results.get("cost", {}).get("embed_seconds_per_item", {}) for run in (*a.runs, *b.runs)]
    for modality in dict.fromkeys(name for of in timed for name in of):
        paths[f"embedding, seconds an item ({modality})"] = ("cost", "embed_seconds_per_item", modality)
    costs = {name: (_mean(a.runs, path), _mean(b.runs, path)) for name, path in paths.items()}
    return {name: pair for name, pair in costs.items() if pair != (None, None)}


def _mean(runs: Sequence[ComparedRun], path: Sequence[str]) -> float | None:
    values: list[Any] = []
    for run in runs:
        value: Any = run.results
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        values += [] if value is None else [value]
    return float(np.mean(values)) if values else None


def _notes(a: ComparedModel, b: ComparedModel) -> Iterator[str]:
    for letter, model in (("A", a), ("B", b)):
        if model.left_out:
            listed = ", ".join(map(str, model.left_out[:3])) + (", ..." if len(model.left_out) > 3 else "")
            yield f"{letter}: {len(model.left_out)} runs have no results and are left out: {listed}"
        if len(model.runs) > 1:
            first = os.path.relpath(model.runs[0].folder)
            yield f"{letter}: what queries are shown to have found is of its first run, {first}"
    run = a.runs[0]
    for direction, of in run.queries.items():
        if (items := len(np.unique(of.item_ids))) < FEW_ITEMS:
            yield f"{direction}: its queries are of {items} items; intervals of so few are too narrow"
    values = {metric: metric_values(run.queries, metric) for metric in run.results["metrics"]}
    absent = [metric for metric, of in values.items() if of is None]
    if absent:
        yield f"not compared, as no query has a value of its own: {', '.join(absent)}"
    other = [
        metric
        for metric, of in values.items()
        if of is not None
        and of.statistic == "mean"
        and not np.isclose(of.values.mean(), run.results["metrics"][metric], rtol=1e-6, atol=1e-9)
    ]
    if other:
        yield (
            f"means here are over queries; results.json has means over the protocol's groups or folds, which "
            f"differ in {len(other)} metrics ({', '.join(other[:3])}{', ...' if len(other) > 3 else ''})"
        )
