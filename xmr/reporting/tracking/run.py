"""Weights & Biases: where a run goes and what it keeps of its result."""

from __future__ import annotations

import math
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xmr.core.errors import MissingFilesError, XmrError
from xmr.reporting.tracking.records import (
    ARTIFACT_TYPE,
    KEPT_RESULTS,
    PROTOCOL,
    RESULT_FILES,
    RESULTS,
    artifact_name,
)
from xmr.reporting.tracking.settings import Mode
from xmr.reporting.tracking.settings import wandb_mode as wandb_mode
from xmr.reporting.views import RankedQuery, Result, View

if TYPE_CHECKING:
    import wandb

STEP = "trainer/global_step"
"""The x axis of everything logged: the name that Lightning's WandbLogger logs the step under."""

LOGGED_APART = ("protocol", "metrics")


def start_run(
    folder: Path,
    *,
    mode: Mode,
    project: str,
    name: str,
    run_id: str | None = None,
    group: str | None = None,
    config: Mapping[str, Any],
) -> wandb.Run:
    """Start the run `name` below `folder`, or go on with it; its id is `run_id`, else the name as well.

    Waits 20 seconds for a server and then raises `XmrError`, which says how to go on without one.
    """
    import wandb

    try:
        run = wandb.init(
            # wandb's writing process may be inherited and work in another folder, where a relative path
            # would lose the run
            dir=folder.resolve(),
            mode=mode,
            project=project,
            id=run_id or name,
            name=name,
            group=group,
            config=dict(config),
            resume="allow",
            settings=wandb.Settings(init_timeout=20),
        )
    except (wandb.errors.CommError, wandb.errors.UsageError) as error:
        raise XmrError(
            f"W&B can't start the run ({error}); use logger.wandb.mode=offline and sync it later"
        ) from error
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def define_metrics(run: wandb.Run, names: Iterable[str]) -> None:
    """Have `run` keep the best value of each metric and its last: the highest recall, the lowest rank...

    Names are as logged (`val/<data set>/image_to_text/recall@1`): wandb has no pattern that would catch them.
    Others keep their last value.
    """
    run.define_metric(STEP)
    for name in names:
        metric = name.rsplit("/", 1)[-1]
        if "@" in metric or metric in ("mAP", "mean_recall"):
            run.define_metric(name, step_metric=STEP, summary="max,last")
        elif metric.startswith("loss") or metric.endswith("_rank"):
            run.define_metric(name, step_metric=STEP, summary="min,last")


def log_panels(run: wandb.Run, panels: Mapping[str, Path], step: int) -> None:
    """Log the PNG files `panels` under their names (`val/panels/text_to_image`) at `step`."""
    import wandb

    run.log({**{name: wandb.Image(str(path)) for name, path in panels.items()}, STEP: step})


def log_html(run: wandb.Run, name: str, path: Path, step: int) -> None:
    """Log the page at `path`, which needs no other file, under `name` (`val/projections`) at `step`."""
    import wandb

    run.log({name: wandb.Html(path.read_text(encoding="utf-8"), inject=False), STEP: step})


def log_rankings_table(run: wandb.Run, name: str, queries: Sequence[RankedQuery], step: int) -> None:
    """Log a table under `name`: for each query its look, its first correct rank and its results in order.

    The small pictures of `ranked_queries` go along as JPEG; a result's caption or text begins with its
    score, after a tick when it is correct.
    """
    import wandb

    k = max((len(query.results) for query in queries), default=0)
    about = ["query_id", "query_image", "query_text", "first_rank"]
    table = wandb.Table(columns=[*about, *(f"result_{rank}" for rank in range(1, k + 1))])
    for query in queries:
        results = [_cell(result) for result in query.results]
        results += [None] * (k - len(results))
        image = _image(query.view, query.view.label)
        known = query.first_rank is not None and not math.isnan(query.first_rank)
        first_rank = query.first_rank if known else None
        table.add_data(query.query_id, image, query.view.text, first_rank, *results)
    run.log({name: table, STEP: step})


def write_summary(run: wandb.Run, metrics: Mapping[str, float]) -> None:
    """Write final metrics as plain numbers, which a leaderboard can sort by, over the best values so far."""
    for name, value in metrics.items():
        run.summary[name] = float(value)


def log_protocol(run: wandb.Run, protocol: Mapping[str, Any]) -> None:
    """Put the protocol of `run` into its config, under `xmr_protocol`: boards need it from the start on."""
    run.config.update({PROTOCOL: dict(protocol)}, allow_val_change=True)


def log_evaluation(run: wandb.Run, folder: Path, results: Mapping[str, Any]) -> None:
    """Log what `results.json` in `folder` holds: everything that a board needs to show `run`.

    The protocol goes into the config, metrics as plain numbers into the summary (`val/emoji/mean_recall`),
    all else (intervals, model, cost...) there under `results`; results.json and queries.parquet become the
    artifact `results-<run id>` of type "evaluation". Equal files are one version of it, however often
    they are logged or synced; a run that is moved before its sync is synced without it. Raises
    `MissingFilesError` where one of the two files is missing.
    """
    import wandb

    missing = [name for name in RESULT_FILES if not (folder / name).is_file()]
    if missing:
        raise MissingFilesError(f"{folder} lacks {' and '.join(missing)}; evaluate the run first")
    protocol = results["protocol"]
    log_protocol(run, protocol)
    prefix = f"{protocol['split']}/{protocol['data']}"
    write_summary(run, {f"{prefix}/{name}": value for name, value in results["metrics"].items()})
    run.summary[RESULTS] = {key: value for key, value in results.items() if key not in LOGGED_APART}
    artifact = wandb.Artifact(artifact_name(run.id), type=ARTIFACT_TYPE)
    kept = Path(run.settings.sync_dir).resolve() / KEPT_RESULTS
    kept.mkdir(exist_ok=True)
    for name in RESULT_FILES:
        # wandb's own copy would lie in the home, away from the run that is synced from elsewhere later
        shutil.copyfile(folder / name, kept / name)
        artifact.add_file(str(kept / name), name=name, policy="immutable")
    run.log_artifact(artifact)


def sync_command(run: wandb.Run) -> str | None:
    """The shell command that uploads an offline `run`; None for one that is online or disabled."""
    if not run.offline:
        return None
    folder, here = Path(run.settings.sync_dir), Path.cwd()
    short = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return shlex.join(["wandb", "sync", str(short)])


def finish(exit_code: int = 0) -> None:
    """End the current run, if there is one: several in one process would otherwise run into each other."""
    if "wandb" in sys.modules:
        import wandb

        wandb.finish(exit_code=exit_code)


def _cell(result: Result) -> Any:
    said = f"{'✓ ' if result.relevant else ''}{result.score:.3f}"
    label = f"{said} {result.view.label}".rstrip()
    return _image(result.view, label) or f"{said} {result.view.text or ''}"


def _image(view: View, caption: str) -> Any:
    import wandb

    return wandb.Image(view.image, caption=caption, file_type="jpg") if view.image else None
