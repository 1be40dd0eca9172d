"""Evaluation of a checkpoint on one split, written into its run folder."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import DataError
from xmr.core.files import sha256_file, write_json
from xmr.evaluation.audit import audit
from xmr.pipelines.build import Components, build
from xmr.pipelines.document_figures import document_figures
from xmr.pipelines.early_checks import check_evaluate, checkpoint_path
from xmr.pipelines.evaluation_files import embedding_cost, write_evaluation
from xmr.pipelines.panels import PanelWriter
from xmr.pipelines.run_folder import RunFolder, environment, with_overrides
from xmr.pipelines.scoring import about_run, index_of, plan_of, score
from xmr.reporting.audit_table import audit_table
from xmr.reporting.summary import metrics_table
from xmr.training.checkpoints import load_checkpoint
from xmr.training.evaluation import Evaluation


def evaluate(config: DictConfig) -> None:
    """Score `config.checkpoint` on `config.split`, write results and panels; a use of test is noted."""
    check_evaluate(config)
    path = checkpoint_path(config.checkpoint)
    components, trained_on = restore(path, list(config.set))
    fingerprint = components.task.data_fingerprint
    if fingerprint != trained_on and not config.changed_data:
        raise DataError(
            f"the data is not what the checkpoint was trained on (fingerprint {trained_on}, now "
            f"{fingerprint}), so held-out items may be trained ones; "
            f"changed_data=true scores it all the same"
        )
    plan = plan_of(components, config.split, protocol=config.protocol)
    run = RunFolder(os.path.relpath(path.parent.parent))
    out = Console()
    print_line = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    note_use(plan.split, path, fingerprint, tell=print_line)
    started = time.monotonic()
    evaluation = score(components, plan)
    document = document_figures(components, evaluation)
    content = about_run(components, run) | {
        "document": document.to_json(),
        "checkpoint": f"checkpoints/{path.name}",
        "cost": {
            "evaluation_seconds": round(time.monotonic() - started, 3),
            **embedding_cost(components, evaluation),
        },
        "trained_on_data": trained_on,
        "environment": environment(),
    }
    by = "" if config.protocol is None else f"-{config.protocol}"
    folder = run.path / "evaluations" / f"{plan.split}-{path.stem}{by}"
    results = write_evaluation(folder, evaluation, components.task, content)
    panels = components.config.evaluation.panels
    writer = PanelWriter(
        components.task,
        plan.split,
        index_of(components.config, plan),
        folder / "panels",
        queries=panels.queries,
        k=panels.k,
    )
    for kind in ("random", "hardest"):
        writer.write(evaluation, kind=kind)
    title = f"{components.dataset.name}, {plan.split} split, {path.name}"
    out.print(metrics_table(results["metrics"], chance=results["chance"], title=title))
    for name, value in evaluation.index.items():
        print_line(f"{name}  {100 * value:.1f} %")
    for name, value in document.figures.items():
        print_line(f"{name}  {100 * value:.1f} %")
    for note in document.notes:
        print_line(note)
    if config.audit is not None:
        _print_audit(evaluation, folder / "audit.json", k=config.audit, out=out)
        print_line(f"audit     {folder / 'audit.json'}")
    print_line(f"results   {folder / 'results.json'}")
    print_line(f"pictures  {folder / 'panels'}")


def note_use(split: str, path: Path, fingerprint: str, *, tell: Callable[[str], None]) -> None:
    """Note in the run's folder that its checkpoint at `path` was looked at on `split`, where that is test."""
    if split != "test":
        return
    run = RunFolder(os.path.relpath(path.parent.parent))
    times = run.touch_test(
        {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": Path(sys.argv[0]).name,
            "checkpoint": path.name,
            "checkpoint_sha256": sha256_file(path),
            "data_fingerprint": fingerprint,
        }
    )
    if times > 1:
        tell(f"this run has now used the test split {times} times: {run.test_touches_file}")


def _print_audit(evaluation: Evaluation, file: Path, *, k: int, out: Console) -> None:
    """Print and write each direction's figures under the definitions of other libraries."""
    found = {}
    for direction, result in evaluation.results.items():
        found[direction] = audit(result.ranks, k=k)  # type: ignore[arg-type]  # of one fold, checked above
    out.print(audit_table(found, title="the same run as other libraries define it"))
    write_json(file, {direction: [asdict(row) for row in rows] for direction, rows in found.items()})


def restore(path: Path, overrides: Sequence[str]) -> tuple[Components, str]:
    """The data and the trained module of a checkpoint, and the fingerprint of the data it was trained on."""
    checkpoint = load_checkpoint(path)
    config = with_overrides(OmegaConf.create(checkpoint["xmr"]["config"]), overrides)
    components = build(config, training=False)
    components.module.restore(checkpoint)
    return components, checkpoint["xmr"]["data"]
