"""What an evaluation costs: xmr and its peers against the one matrix product that any exact method needs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from xmr.core.errors import XmrError, check_at_least, problems_message
from xmr.core.files import write_json
from xmr.evaluation.evaluator import evaluate, evaluate_both_directions
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.ranks import Backend
from xmr.pipelines.bench.agreement import (
    as_embeddings,
    disagreements,
    expected_figures,
    figures_of,
    ranks_by_direction,
)
from xmr.pipelines.bench.memory import in_own_process, peak_megabytes
from xmr.pipelines.bench.peers import PEERS, chosen_peers, peer_versions
from xmr.pipelines.bench.workload import Figures, Shape, Workload, chosen_shape, make_workload
from xmr.pipelines.run_folder import environment

PRODUCT_BYTES = 2 * 2**30
"""The largest product that is kept whole; a larger one is computed in tiles of this size."""
LEAST_SECONDS = 0.3
"""A row is repeated until it has taken this long, and timed by the mean."""
SLOW = 20
"""A row that takes this many products is timed in the first round only."""
IDLE_SECONDS = 0.25
"""Threads of the row before may wait for work this long, at full load, before they sleep."""

BACKENDS: dict[str, Backend] = {"xmr": "auto", "xmr_torch": "torch"}
Limit = Literal["none", "rank_r"]
Run = Callable[[], Figures]


@dataclass
class Row:
    """What was measured of one way to evaluate."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ratio: list[float] = field(default_factory=list)
    figures: Figures = field(default_factory=dict)
    peak_mb: float | None = None


def bench_evaluation(
    *, shape: str, peers: str, rounds: int, dim: int | None, limit: Limit, json_file: Path | None
) -> list[dict[str, Any]]:
    """Print (and write) what each way to evaluate costs in CPU time, over that of the product, and in memory.

    All ways run in turn in every round, in one process; a ratio is the median over rounds of that to the
    same round's product. Peak memory is measured once, each way in a process of its own. Figures of peers
    must equal xmr's; raises `XmrError` after writing the rows when some do not.
    """
    check_at_least(1, rounds=rounds)
    chosen = chosen_shape(shape, dim=dim)
    peer_names = list(chosen_peers(peers, all_pairs=chosen.both))
    names = ["product", "xmr", *(["xmr_torch"] if chosen.both else []), *peer_names]
    measured = _measure(chosen, names, rounds=rounds, limit=limit)
    differing = _disagreements(make_workload(chosen), measured)
    rows = _rows(measured, differing)
    title = f"{shape}: {chosen.images:,} images x {chosen.texts:,} texts, {chosen.dim} dimensions"
    Console().print(_table(rows, title=title))
    if json_file is not None:
        about = {"shape": shape, "dim": chosen.dim, "limit": limit, "rounds": rounds}
        versions = {"peers": peer_versions(peer_names), "environment": environment()}
        write_json(json_file, {"rows": rows, **about, **versions})
    Console().print(f"rows written to {json_file}" if json_file else "add --json FILE to keep the rows")
    problems = [f"{name}: {line}" for name, lines in differing.items() for line in lines]
    if problems:
        remedy = "A peer may have changed a definition: look it up, and name its figure as xmr names that."
        raise XmrError(problems_message("figures that should equal xmr's", problems, remedy))
    return rows


def run_of(name: str, work: Workload, limit: Limit) -> Run:
    """The evaluation called `name`, ready to run on `work`."""
    if name == "product":
        return _product(work)
    if name in BACKENDS:
        return _xmr(work, BACKENDS[name], limit)
    return lambda: PEERS[name].evaluate(work)


def peak_of(name: str, shape: Shape, limit: Limit) -> float | None:
    """Megabytes that a row takes over the embeddings; to be called in a process of its own."""
    run_of(name, make_workload(shape.small()), limit)()
    return peak_megabytes(run_of(name, make_workload(shape), limit))


def _product(work: Workload) -> Run:
    """The bare float32 product into memory that, after a first run, is there already."""
    tile = min(len(work.image), max(1, PRODUCT_BYTES // (4 * len(work.text))))
    out = torch.empty(tile, len(work.text))
    columns = work.text.T

    def run() -> Figures:
        for begin in range(0, len(work.image), tile):
            part = work.image[begin : begin + tile]
            torch.mm(part, columns, out=out[: len(part)])
        return {}

    return run


def _xmr(work: Workload, backend: Backend, limit: Limit) -> Run:
    image, text = as_embeddings(work)
    protocol = Protocol(depth="relevant" if limit == "rank_r" else "all")

    def run() -> Figures:
        if work.both:
            return figures_of(evaluate_both_directions(image, text, protocol, backend=backend))
        return figures_of({"image_to_text": evaluate(image, text, protocol, backend=backend)})

    return run


def _measure(shape: Shape, names: list[str], *, rounds: int, limit: Limit) -> dict[str, Row]:
    work, small = make_workload(shape), make_workload(shape.small())
    rows = {name: Row() for name in names}
    runs = {name: run_of(name, work, limit) for name in names}
    # no thread of its own, whose CPU time would be counted
    with Progress(console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=len(names) * (rounds + 2))
        for name in names:
            progress.update(task, description=f"warming up {name}", refresh=True)
            run_of(name, small, limit)()
            progress.advance(task)
        runs["product"]()
        for number in range(1, rounds + 1):
            for name, row in rows.items():
                progress.update(task, description=f"round {number} of {rounds}: {name}", refresh=True)
                if not row.ratio or row.ratio[0] <= SLOW:
                    _time(runs[name], row, rows["product"])
                progress.advance(task)
        for name, row in rows.items():
            progress.update(task, description=f"memory of {name}", refresh=True)
            row.peak_mb = in_own_process(peak_of, name, shape, limit)
            progress.advance(task)
    return rows


def _time(run: Run, row: Row, product: Row) -> None:
    """Add a round to `row`: seconds a run, and how many times this round's product that is."""
    time.sleep(IDLE_SECONDS)
    times, wall, cpu = 0, time.perf_counter(), time.process_time()
    while times == 0 or time.perf_counter() - wall < LEAST_SECONDS:
        row.figures = run()
        times += 1
    row.wall.append((time.perf_counter() - wall) / times)
    row.cpu.append((time.process_time() - cpu) / times)
    row.ratio.append(row.cpu[-1] / product.cpu[-1])


def _disagreements(work: Workload, measured: dict[str, Row]) -> dict[str, list[str]]:
    """For each row with figures, those that differ from xmr's."""
    ranks = ranks_by_direction(work)
    return {
        name: disagreements(row.figures, expected_figures(ranks, row.figures), work, exact=name in BACKENDS)
        for name, row in measured.items()
        if row.figures
    }


def _rows(measured: dict[str, Row], differing: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "ratio_to_product": median(row.ratio),
            "wall_s": median(row.wall),
            "cpu_s": median(row.cpu),
            "peak_mb": row.peak_mb,
            "equal_to_xmr": not differing[name] if name in differing else None,
            "rounds": len(row.ratio),
        }
        for name, row in measured.items()
    ]


def _table(rows: list[dict[str, Any]], *, title: str) -> Table:
    caption = "CPU time over that of the bare float32 product; memory over the embeddings"
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    table.add_column("evaluation", no_wrap=True)
    for heading in ("x product", "CPU s", "wall s", "peak MB", "= xmr"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['ratio_to_product']:.2f}",
            f"{row['cpu_s']:.2f}",
            f"{row['wall_s']:.2f}",
            "–" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}",
            {None: "–", True: "yes", False: "NO"}[row["equal_to_xmr"]],
            style="bold" if row["name"] == "xmr" else None,
        )
    return table
