"""Finds and reads the two models of a comparison, and refuses what does not compare: no torch needed."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.evaluation.protocol import Protocol, check_comparable
from xmr.evaluation.results_file import QueryResults, read_queries, read_results
from xmr.pipelines.run_folder import RunFolder
from xmr.reporting.records.settings import flat_settings, model_key
from xmr.reporting.tracking.run import wandb_mode

RESULTS, QUERIES, EVALUATIONS = "results.json", "queries.parquet", "evaluations"
BEST = "checkpoints/best.ckpt"


@dataclass(frozen=True, eq=False)
class ComparedRun:
    """One result: the folder of its files, what they hold, and its run's config ({} for a submission)."""

    folder: Path
    results: dict[str, Any]
    queries: dict[str, QueryResults]
    config: DictConfig

    @property
    def name(self) -> str:
        """What the run is called, or its folder's name."""
        return str(self.results.get("run", {}).get("name") or self.config.get("name") or self.folder.name)

    @property
    def run_id(self) -> str:
        """The id of its run, or its folder's name where it comes without one."""
        return str(self.results.get("run", {}).get("id") or self.folder.name)

    @property
    def protocol(self) -> Protocol:
        """How it was evaluated."""
        return Protocol.from_json(self.results["protocol"])

    def settings(self) -> dict[str, Any]:
        """The settings that can change a result, by dotted key."""
        config: Any = OmegaConf.to_container(self.config, resolve=True)
        return flat_settings(config) | {"checkpoint": self.results.get("checkpoint", BEST)}


@dataclass(frozen=True, eq=False)
class ComparedModel:
    """The runs of A or B, which differ in their seed alone; `left_out` are those without results."""

    runs: tuple[ComparedRun, ...]
    left_out: tuple[Path, ...] = field(default=())


def read_models(
    one: str, other: str, *, evaluation: str | None = None
) -> tuple[ComparedModel, ComparedModel]:
    """The models that `one` and `other` name: run folders, folders of their evaluations, or groups of them.

    A group is several folders separated by commas, or a folder of runs that differ in their seed alone.
    `evaluation` names the folder below `evaluations/` of each run, or the split it begins with.

    Raises `XmrError` for what is missing or damaged, for different protocols, and for a run that is named
    twice.
    """
    found = [_folders(where, evaluation) for where in (one, other)]
    _check_distinct([folder for folders, _ in found for folder in folders])
    a, b = (
        ComparedModel(tuple(_read(folder) for folder in folders), tuple(left_out))
        for folders, left_out in found
    )
    runs = (*a.runs, *b.runs)
    _check_different_results(runs)
    for run in runs[1:]:
        check_comparable(runs[0].protocol, run.protocol)
    for where, model in ((one, a), (other, b)):
        _check_one_model(where, model)
    return a, b


def check_outputs(
    *, html: Path | None, json: Path | None, overrides: Sequence[str] = (), wandb: bool = False
) -> None:
    """Raise `ConfigError` for what can't be written, before anything is read."""
    for name, file in (("--html", html), ("--json", json)):
        if file is not None and file.is_dir():
            raise ConfigError(f"{name} {file} is a folder; name a file")
    if overrides and html is None and not wandb:
        raise ConfigError("--set tells where pictures are, which --html and --wandb show; add one of them")
    if wandb and wandb_mode() == "disabled":
        raise ConfigError("--wandb, but W&B is disabled; unset WANDB_MODE, or set WANDB_MODE=offline")


def _folders(where: str, evaluation: str | None) -> tuple[list[Path], list[Path]]:
    """The folders of the results that `where` names, and those of runs that have none yet."""
    parts = [part.strip() for part in where.split(",") if part.strip()]
    if not parts:
        raise ConfigError("a run is named ''; give a run folder, as runs/emoji/latest")
    # a comma may be part of a name
    paths = [Path(where)] if Path(where).exists() else [Path(part) for part in parts]
    found: list[Path] = []
    left_out: list[Path] = []
    for named in paths:
        path = named.parent if named.name == RESULTS else named
        if not path.is_dir():
            raise MissingFilesError(f"{path} does not exist; give a run folder, as runs/emoji/latest")
        if _is_run(path):
            found.append(_result_folder(path, evaluation))
            continue
        runs = sorted(inner for inner in path.iterdir() if not inner.is_symlink() and _is_run(inner))
        if not runs:
            raise MissingFilesError(
                f"{path} is no run folder and holds none: it has neither {RESULTS} nor config.yaml"
            )
        done = [run for run in runs if evaluation or (run / RESULTS).is_file()]
        left_out += [run for run in runs if run not in done]
        if not done:
            raise MissingFilesError(f"no run in {path} has a {RESULTS}; finish one with resume={runs[0]}")
        found += [_result_folder(run, evaluation) for run in done]
    return found, left_out


def _is_run(path: Path) -> bool:
    return (path / RESULTS).is_file() or (path / "config.yaml").is_file()


def _result_folder(run: Path, evaluation: str | None) -> Path:
    """`run` itself, or the folder of its evaluation of that name or split."""
    if evaluation is None:
        if not (run / RESULTS).is_file():
            raise MissingFilesError(f"{run} has no {RESULTS}: finish the run with train.py resume={run}")
        return run
    inside = run / EVALUATIONS
    names = sorted(path.name for path in inside.iterdir()) if inside.is_dir() else []
    fitting = [name for name in names if name == evaluation] or [
        name for name in names if name.startswith(f"{evaluation}-")
    ]
    if len(fitting) == 1:
        return inside / fitting[0]
    known = f"it has {', '.join(names)}" if names else "it has none"
    problem = (
        f"fits {', '.join(fitting)}; name one of them" if fitting else f"is no evaluation of {run}; {known}"
    )
    make = f", scripts/evaluate.py checkpoint={run} makes one" if not fitting else ""
    raise MissingFilesError(f"--evaluation {evaluation} {problem}{make}")


def _read(folder: Path) -> ComparedRun:
    if not (folder / RESULTS).is_file():
        raise MissingFilesError(f"{folder} has no {RESULTS}: its evaluation did not end; evaluate again")
    results = read_results(folder / RESULTS)
    run = _run_folder(folder)
    if not (folder / QUERIES).is_file():
        split = results["protocol"]["split"]
        raise MissingFilesError(
            f"{folder} has no {QUERIES}, by which runs are compared; make it with scripts/evaluate.py "
            f"checkpoint={run} split={split}, then compare with --evaluation {split}"
        )
    config = RunFolder(run).load_config() if (run / "config.yaml").is_file() else OmegaConf.create()
    return ComparedRun(folder, results, read_queries(folder / QUERIES), config)


def _run_folder(folder: Path) -> Path:
    """The run folder that a folder of results is or is in."""
    inside = folder.resolve()
    if inside.parent.name == EVALUATIONS:
        return Path(os.path.relpath(inside.parent.parent))
    return folder


def _check_distinct(folders: list[Path]) -> None:
    seen: dict[Path, Path] = {}
    for folder in folders:
        if folder.resolve() in seen:
            raise ConfigError(f"{folder} is named twice; name two different runs")
        seen[folder.resolve()] = folder


def _check_different_results(runs: tuple[ComparedRun, ...]) -> None:
    """Raise `ConfigError` for two results of one checkpoint: copies, or the same evaluation made twice."""
    seen: dict[tuple[str, str, str], ComparedRun] = {}
    for run in runs:
        id_ = run.results.get("run", {}).get("id")
        if id_ is None:
            continue
        # runs of different settings may lie in folders of one name
        twin = seen.setdefault((id_, model_key(run.settings()), str(run.results.get("seed"))), run)
        if twin is not run:
            raise ConfigError(
                f"{twin.folder} and {run.folder} are one checkpoint of run {id_}; name two different runs"
            )


def _check_one_model(where: str, model: ComparedModel) -> None:
    """Raise `DataError` where the runs of a group differ in more than their seed, or not even in it."""
    settings = [run.settings() for run in model.runs]
    if len({model_key(of) for of in settings}) > 1:
        differing = list(_differing(settings))
        raise DataError(
            f"the runs of {where} differ in more than their seed: {'; '.join(differing[:3])}"
            f"{f' and {len(differing) - 3} more' if len(differing) > 3 else ''}; "
            f"name the runs of one model, separated by commas"
        )
    by_seed: dict[int, ComparedRun] = {}
    for run in model.runs:
        seed = run.results.get("seed")
        if seed is not None and by_seed.setdefault(seed, run) is not run:
            raise DataError(
                f"{by_seed[seed].folder} and {run.folder} of {where} both have seed {seed}: they are one; "
                f"name one of them"
            )


def _differing(settings: list[dict[str, Any]]) -> Iterator[str]:
    for key in dict.fromkeys(key for of in settings for key in of):
        values = dict.fromkeys(str(of.get(key)) for of in settings)
        if len(values) > 1:
            yield f"{key} is {' and '.join(list(values)[:3])}"
