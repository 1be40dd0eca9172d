"""What a search costs and finds: every kind of index by gallery size, against one pass over the vectors."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from xmr.core.errors import ConfigError, check_at_least, did_you_mean
from xmr.core.files import atomic_path, write_json
from xmr.core.protocols import Index
from xmr.core.types import Embeddings
from xmr.index.binary import BinaryIndex
from xmr.index.exact import Exact
from xmr.index.faiss_index import FaissIndex
from xmr.index.overlap import overlap
from xmr.pipelines.bench.clustered_vectors import clustered
from xmr.pipelines.run_folder import environment
from xmr.reporting.search_times import draw_search_times

DIM, K = 512, 10
QUERIES = (1, 100)
BATCHES = tuple(2**power for power in range(11))
RECALL_QUERIES = 100
TILE_ROWS = 8192
LEAST_SECONDS = 0.05
"""A row is repeated until it has taken this long, and timed by the mean."""
IDLE_SECONDS = 0.05
"""Threads of the row before may wait for work this long, at full load, before they sleep."""

KINDS: dict[str, Callable[[], Index]] = {
    "exact": Exact,
    "exact bf16": lambda: Exact(precision="bfloat16"),
    "faiss flat": lambda: FaissIndex(factory="Flat"),
    "ivf": lambda: FaissIndex(factory="IVF{nlist},Flat", search={"nprobe": 32}),
    "hnsw": lambda: FaissIndex(factory="HNSW32", search={"efSearch": 128}, deterministic=False),
    "sq8": lambda: FaissIndex(factory="SQ8"),
    "pq": lambda: FaissIndex(factory="PQ{pq}np"),
    "ivf pq": lambda: FaissIndex(factory="IVF{nlist},PQ{pq}np", search={"nprobe": 32}),
    "binary": BinaryIndex,
    "binary x10": lambda: BinaryIndex(rescore=10),
    "binary itq x10": lambda: BinaryIndex(threshold="itq", rescore=10),
}


@dataclass
class Times:
    """Seconds of each round: by the clock, and of all processor cores together."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def bench_search(
    *, sizes: Sequence[int], kinds: str, rounds: int, json_file: Path | None, plot_file: Path | None
) -> list[dict[str, Any]]:
    """Print (and write, and draw) time, bytes and recall@10 of each kind of index at each gallery size.

    Vectors lie in clusters. Each index takes turns with the bare computation: one pass over the vectors for
    one query, one matrix product for 100. A ratio is that of CPU times, the median over rounds. `kinds`
    are names separated by commas, or "all". Raises `ConfigError` for an unknown kind, `DataError` when a
    gallery is too small for one.
    """
    check_at_least(1, rounds=rounds)
    check_at_least(K, **{"the smallest of sizes": min(sizes, default=0)})
    chosen = _chosen(kinds)
    console = Console()
    rows: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("search", total=len(sizes) * len(chosen))
        for size in sorted(sizes):
            gallery, queries = clustered(size, RECALL_QUERIES, dim=DIM)
            exact = Exact()
            exact.add(gallery)
            truth = exact.search(queries, k=min(size, 2 * K))
            for name in chosen:
                progress.update(task, description=f"{size:,} vectors: {name}")
                index = KINDS[name]()
                started = time.perf_counter()
                index.add(gallery)
                about = {
                    "name": name,
                    "size": size,
                    "build_s": time.perf_counter() - started,
                    "bytes_per_vector": index.nbytes / size,
                    "recall_at_10": float(overlap(index.search(queries, k=K), truth).mean()),
                }
                rows += [about | _timed(index, gallery, queries, n, rounds=rounds) for n in QUERIES]
                del index
                progress.advance(task)
            # a large size may take long: what is measured is shown, and kept if the run is stopped
            console.print(_ledger([row for row in rows if row["size"] == size], size))
            _write(rows, rounds, json_file)
    _say_where(json_file)
    if plot_file is not None:
        picture = draw_search_times(rows, title=f"Search among {DIM}-dimensional vectors on the CPU")
        with atomic_path(plot_file) as path:
            picture.save(path, format="png")
        console.print(f"plot written to {plot_file}")
    return rows


def bench_batches(*, size: int, rounds: int, json_file: Path | None) -> list[dict[str, Any]]:
    """Print (and write) the exact index's time over that of the bare product, for 1, 2, 4, ... 1,024 queries.

    The bare product is that of tiles of the gallery with the queries, in the faster of two layouts (for
    one query `torch.mv`). All take turns; a ratio is that of CPU times, the median over rounds.
    """
    check_at_least(1, rounds=rounds)
    gallery, queries = clustered(size, max(BATCHES), dim=DIM)
    indexes = {"exact": KINDS["exact"](), "exact bf16": KINDS["exact bf16"]()}
    for index in indexes.values():
        index.add(gallery)
    rows: list[dict[str, Any]] = []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"search among {size:,} vectors", total=len(BATCHES))
        for batch in BATCHES:
            some = queries.take(np.arange(batch))
            ways: dict[str, Callable[[], object]] = dict(_products(gallery.vectors, some.vectors))
            ways |= {name: _searching(index, some) for name, index in indexes.items()}
            times = _in_turn(ways, rounds)
            bare = min((times[name] for name in ways if name not in indexes), key=lambda t: median(t.cpu))
            rows += [
                {
                    "name": name,
                    "size": size,
                    "queries": batch,
                    "product_ms": 1000 * median(bare.wall),
                    **_measured(times[name], bare),
                }
                for name in indexes
            ]
            _write(rows, rounds, json_file)
            progress.advance(task)
    table = Table("queries", "product, ms", *[f"{name}, {unit}" for name in indexes for unit in ("ms", "x")])
    for batch in BATCHES:
        found = [row for row in rows if row["queries"] == batch]
        cells = [cell for row in found for cell in (f"{row['ms']:.1f}", f"{row['ratio']:.2f}")]
        table.add_row(f"{batch:,}", f"{found[0]['product_ms']:.1f}", *cells)
    Console().print(table)
    _say_where(json_file)
    return rows


def _chosen(kinds: str) -> list[str]:
    names = list(KINDS) if kinds == "all" else [name.strip() for name in kinds.split(",")]
    for name in names:
        if name not in KINDS:
            raise ConfigError(f"kinds={name}: {did_you_mean(name, KINDS)}")
    return names


def _searching(index: Index, queries: Embeddings) -> Callable[[], object]:
    return lambda: index.search(queries, k=K)


def _products(gallery: Tensor, queries: Tensor) -> dict[str, Callable[[], object]]:
    """The bare computation: the product of the vectors with the queries, and nothing else."""
    if len(queries) == 1:
        scores = torch.empty(len(gallery))
        return {"pass": lambda: torch.mv(gallery, queries[0], out=scores)}
    layouts = {"product": queries.T, "product, turned": queries.T.contiguous()}
    tile_scores = torch.empty(min(TILE_ROWS, len(gallery)), len(queries))

    def product(columns: Tensor) -> None:
        for tile in gallery.split(TILE_ROWS):
            torch.mm(tile, columns, out=tile_scores[: len(tile)])

    return {name: lambda columns=columns: product(columns) for name, columns in layouts.items()}  # type: ignore[misc]


def _timed(index: Index, gallery: Embeddings, queries: Embeddings, n: int, *, rounds: int) -> dict[str, Any]:
    some = queries.take(np.arange(n))
    products = _products(gallery.vectors, some.vectors)
    times = _in_turn({**products, "index": _searching(index, some)}, rounds)
    bare = min((times[name] for name in products), key=lambda t: median(t.cpu))
    return {"queries": n, "product_ms": 1000 * median(bare.wall), **_measured(times["index"], bare)}


def _measured(times: Times, bare: Times) -> dict[str, float]:
    ratios = [cpu / product for cpu, product in zip(times.cpu, bare.cpu, strict=True)]
    return {"ms": 1000 * median(times.wall), "ratio": median(ratios)}


def _in_turn(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Each way once a round, in turn, after a first time that is not counted."""
    times = {name: Times() for name in ways}
    repeats = {}
    for name, way in ways.items():
        seconds = min(_seconds(way) for _ in range(2)) if _seconds(way) < 1 else 1.0
        repeats[name] = max(1, int(LEAST_SECONDS / max(seconds, 1e-6)))
    for _ in range(rounds):
        for name, way in ways.items():
            time.sleep(IDLE_SECONDS)
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats[name]):
                way()
            times[name].wall.append((time.perf_counter() - wall) / repeats[name])
            times[name].cpu.append((time.process_time() - cpu) / repeats[name])
    return times


def _seconds(way: Callable[[], object]) -> float:
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


def _ledger(rows: list[dict[str, Any]], size: int) -> Table:
    """The compression ledger: what each kind keeps of a vector, finds, and takes."""
    table = Table(
        title=f"{size:,} x {DIM}: bytes a vector, recall@{K}, ms for 1 and 100 queries",
        title_justify="left",
    )
    for column in ("index", "bytes", "recall", "ms, 1", "x pass", "ms, 100", "x prod."):
        table.add_column(column, justify="left" if column == "index" else "right", no_wrap=True)
    table.add_column("build s", justify="right")
    for name in dict.fromkeys(row["name"] for row in rows):
        one, many = (row for row in rows if row["name"] == name)
        table.add_row(
            name,
            f"{one['bytes_per_vector']:,.0f}",
            f"{one['recall_at_10']:.3f}",
            f"{one['ms']:.2f}",
            f"{one['ratio']:.2f}",
            f"{many['ms']:.1f}",
            f"{many['ratio']:.2f}",
            f"{one['build_s']:.1f}",
        )
    return table


def _write(rows: list[dict[str, Any]], rounds: int, json_file: Path | None) -> None:
    if json_file is not None:
        about = {"dim": DIM, "k": K, "rounds": rounds, "environment": environment()}
        write_json(json_file, {"rows": rows, **about})


def _say_where(json_file: Path | None) -> None:
    Console().print(f"rows written to {json_file}" if json_file else "add --json FILE to keep the rows")
