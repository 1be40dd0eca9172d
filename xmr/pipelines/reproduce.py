"""Reproductions: experiments run with several seeds, and their figures beside the published ones."""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from xmr.core.errors import ConfigError, XmrError, check_whole
from xmr.core.files import write_json, write_text
from xmr.data.dataset import RetrievalDataset
from xmr.evaluation.protocol import check_comparable
from xmr.pipelines.cli import CONF, register_resolvers, stopped_by_signals
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import check_overrides
from xmr.pipelines.reproduction_runs import Experiment, SeedRun
from xmr.pipelines.run_folder import RunFolder
from xmr.reporting.reproduction import Published, Reproduction, SeedResult
from xmr.reporting.reproduction_table import (
    notes_of,
    reproduction_markdown,
    reproduction_table,
)

# what is another one for each run
OWN_SETTINGS = ("experiment", "seed", "resume", "hydra.run.dir")


def reproduce(
    names: Sequence[str],
    settings: Sequence[str],
    *,
    seeds: int = 3,
    split: str = "val",
    json_file: Path | None = None,
    markdown_file: Path | None = None,
) -> None:
    """Run the experiments `names` with seeds 0 to `seeds` - 1; print (and write) one table of all.

    `settings` are overrides (key=value) of train.py for each of them. Finished runs are kept and stopped
    ones resumed. Runs that fail do not stop the others: they are listed below the table, and the exit code
    is 1. Raises `ConfigError` for settings that do not fit an experiment, before anything is run.
    """
    check_whole(1, seeds=seeds)
    register_resolvers()
    experiments = [_experiment(name, settings) for name in dict.fromkeys(names)]
    reproductions = [_reproduction(experiment, seeds) for experiment in experiments]
    runs = [SeedRun(experiment, seed, split) for experiment in experiments for seed in range(seeds)]
    failures: list[dict[str, Any]] = []
    try:
        _run_all(runs, {of.experiment: of.runs for of in reproductions}, failures)
    finally:
        # an interrupted reproduction shows what is done, too
        _report(reproductions, failures, json_file=json_file, markdown_file=markdown_file)
    if failures:
        sys.exit(1)


def _experiment(name: str, settings: Sequence[str]) -> Experiment:
    for setting in settings:
        key = setting.partition("=")[0]
        if key in OWN_SETTINGS:
            raise ConfigError(
                f"'{setting}': each run has its own {key}; name experiments, and --seeds 3 for seeds 0, 1, 2"
            )
    config = check_overrides(CONF, "train", [f"experiment={name}", *settings])
    return Experiment(name, tuple(settings), config)


def _reproduction(experiment: Experiment, seeds: int) -> Reproduction:
    config = experiment.config
    figures: Any = OmegaConf.to_container(config.published, resolve=True) if config.published else None
    return Reproduction(
        experiment=experiment.name,
        command=experiment.command(seeds),
        asked=seeds,
        published=Published.from_config(experiment.name, figures),
        monitor=config.evaluation.monitor,
    )


def _run_all(
    runs: Sequence[SeedRun], finished: Mapping[str, list[SeedResult]], failures: list[dict[str, Any]]
) -> None:
    """Bring every run to its end; what they give goes to `finished`, by experiment, or to `failures`."""
    columns = (TextColumn("{task.description}"), TimeElapsedColumn(), TextColumn("{task.fields[state]}"))
    with stopped_by_signals(), Progress(*columns, console=Console(stderr=True)) as progress:
        lines = [
            progress.add_task(f"{run.experiment.name}, seed {run.seed}", start=False, state="waits")
            for run in runs
        ]
        for run, line in zip(runs, lines, strict=True):
            progress.start_task(line)
            name = run.experiment.name
            try:
                run.bring_to_end(lambda state, line=line: progress.update(line, state=state))  # type: ignore[misc]
                _collect(run, finished[name])
                progress.update(line, state="done")
            except XmrError as error:
                about = {"experiment": name, "seed": run.seed, "error": str(error), "log": str(run.log)}
                failures.append(about)
                progress.update(line, state="failed")
            progress.stop_task(line)


def _collect(run: SeedRun, finished: list[SeedResult]) -> None:
    """Add what the run gave; raises `DataError` for results that do not compare with the others'."""
    path = run.folder.path
    result = SeedResult(
        seed=run.seed,
        folder=str(path.parent / path.readlink()),
        results=json.loads(run.results_file.read_text(encoding="utf-8")),
        environment=json.loads((path / "environment.json").read_text(encoding="utf-8")),
        training_items=_training_items(run.folder),
        train_seconds=run.folder.load_results()["cost"]["train_seconds"],
        changed_settings=run.changed_settings(),
    )
    if finished:
        check_comparable(finished[0].protocol, result.protocol)
    finished.append(result)


def _training_items(folder: RunFolder) -> int:
    """How many items the run was trained on: counted in the data that its config names, then kept there."""
    kept = folder.path / "training_items.json"
    if not kept.is_file():
        dataset: RetrievalDataset = instantiate(folder.load_config().data)
        write_json(kept, sum(item.split == "train" for item in dataset.items))
    return json.loads(kept.read_text(encoding="utf-8"))


def _report(
    reproductions: Sequence[Reproduction],
    failures: Sequence[Mapping[str, Any]],
    *,
    json_file: Path | None,
    markdown_file: Path | None,
) -> None:
    """Print the table, what must be said of it, and the failures; write the files that were asked for."""
    rows = [row for of in reproductions for row in of.rows()]
    notes = notes_of(reproductions)
    lines = [
        *notes,
        *("failed: {experiment}, seed {seed}: {error}\n  log  {log}".format(**f) for f in failures),
    ]
    out = Console()
    out.print(reproduction_table(rows))
    print_line = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    for line in [*(f"{of.experiment}: {of.command}" for of in reproductions), *lines]:
        print_line(line)
    if json_file is not None:
        about = {"rows": [row.to_json() for row in rows], "notes": notes, "failures": list(failures)}
        write_json(json_file, about)
        print_line(f"rows   {json_file}")
    if markdown_file is not None:
        write_text(markdown_file, reproduction_markdown(rows, lines))
        print_line(f"table  {markdown_file}")
