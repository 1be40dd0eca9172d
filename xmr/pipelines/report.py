"""What a finished run leaves behind besides numbers: curves, projections, and a report on the terminal."""

import csv
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from xmr.pipelines.build import Components
from xmr.pipelines.project import class_labels, look_of
from xmr.pipelines.run_folder import RunFolder
from xmr.reporting.curves import draw_curves
from xmr.reporting.panels import save_png
from xmr.reporting.projections import write_projections
from xmr.reporting.summary import metrics_table
from xmr.training.evaluation import Evaluation


def draw_run_curves(folder: RunFolder, data: str) -> None:
    """Draw what metrics.csv holds to `panels/curves.png`."""
    with folder.metrics_file.open(newline="", encoding="utf-8") as file:
        curves = draw_curves(list(csv.DictReader(file)), title=f"{data} · {folder.run_id}")
    save_png(curves, folder.panels / "curves.png")


def draw_projections(
    components: Components, evaluation: Evaluation, folder: RunFolder, split: str, methods: Sequence[str]
) -> dict[str, Path]:
    """Plots and a page (under "page") of the first direction's embeddings; nothing without `methods`."""
    if not methods:
        return {}
    direction, sides = next(iter(evaluation.sides.items()))
    return write_projections(
        sides,
        class_labels(components.dataset),
        folder.path / "projections",
        methods=methods,
        title=f"{components.dataset.name} · {split} · {folder.run_id}",
        seed=components.config.seed,
        look=look_of(components.task, split, direction, sides),
    )


def print_report(folder: RunFolder, results: Mapping[str, Any], *, split: str, sync: str | None) -> None:
    """Print the metrics of `results` beside chance and the untrained model, and where everything lies."""
    path, metrics = folder.path, results["metrics"]
    out = Console()
    epochs = f"epoch {results['epoch']} of {results['cost']['epochs']}"
    title = f"{results['protocol']['data']}, {split} split, best checkpoint ({epochs})"
    out.print(metrics_table(metrics, chance=results["chance"], untrained=results["untrained"], title=title))
    document = results["document"]
    lines = [
        # what an approximate index finds of what there is to find
        *(f"{name}  {100 * value:.1f} %" for name, value in metrics.items() if "/index_" in name),
        *(f"{name}  {100 * value:.1f} %" for name, value in document["figures"].items()),
        *document["notes"],
        f"run folder  {path}",
        f"pictures    {path / 'panels'}",
    ]
    if (path / "projections").is_dir():
        lines.append(f"projections {path / 'projections'}")
    lines.append(f"score test  python scripts/evaluate.py checkpoint={path / 'checkpoints/best.ckpt'}")
    lines.append("compare     python scripts/leaderboard.py runs/")
    if sync:
        lines.append(f"upload      {sync}")
    print_line = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    for line in lines:
        print_line(line)
