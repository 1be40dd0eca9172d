"""The encoder doctor: shows what an encoder is, and checks that it does what it should."""

import pickle
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import Tensor

from xmr.core.types import Modality
from xmr.encoders.fingerprint import class_name, encoder_fingerprint
from xmr.encoders.probes import (
    GOLDEN_DIR,
    TOLERANCE,
    embed,
    find_golden,
    golden_error,
    probe_inputs,
    write_golden,
)

# relative differences between features: the same up to rounding, and as good as the same
SAME, COLLAPSED = 1e-4, 1e-3
PICKLE_LIMIT_MB = 32


def check_encoder(encoder: Any, *, console: Console, golden_dir: Path = GOLDEN_DIR) -> list[str]:
    """Print an `Encoder`'s facts and check its features on fixed inputs; returns the problems found.

    Checked: shape, finite, deterministic, independent of the batch, different for different inputs, aware
    of colour, cheap to send to a worker, and equal to the golden features for its weights, if there are any.
    """
    probes = probe_inputs(encoder.modality)
    embed(encoder, probes)  # the first call pays for allocations
    start = time.perf_counter()
    features = embed(encoder, probes)
    milliseconds = (time.perf_counter() - start) * 1000 / len(probes)
    _print_facts(encoder, milliseconds, console)

    if features.shape != (len(probes), encoder.dim):
        return _report([f"features are {tuple(features.shape)}, not {(len(probes), encoder.dim)}"], console)
    bad = int((~torch.isfinite(features)).sum())
    if bad:
        return _report([f"{bad} of {features.numel()} feature values are NaN or infinite"], console)

    problems = [
        *_determinism_problems(encoder, probes, features),
        *_variety_problems(encoder, probes, features),
        *_worker_problems(encoder, probes),
        *_golden_problems(encoder, features, golden_dir, console),
    ]
    return _report(problems, console)


def record_golden(encoder: Any, *, name: str, golden_dir: Path) -> Path:
    """Write what `encoder` computes now as `golden_dir/name.json`, for later doctors to compare with."""
    target = golden_dir / f"{name}.json"
    write_golden(target, encoder, embed(encoder, probe_inputs(encoder.modality)))
    return target


def _determinism_problems(encoder: Any, probes: list[Any], features: Tensor) -> list[str]:
    problems = []
    again = _difference(embed(encoder, probes), features)
    if again > SAME:
        problems.append(f"not deterministic: a second pass differs by {again:.1e} (limit {SAME})")
    alone = _difference(torch.cat([embed(encoder, [probe]) for probe in probes]), features)
    if alone > SAME:
        problems.append(
            f"features depend on the batch: alone they differ by {alone:.1e} (limit {SAME}); "
            f"check the mask of padding and the batch norm"
        )
    return problems


def _variety_problems(encoder: Any, probes: list[Any], features: Tensor) -> list[str]:
    problems = []
    distances = torch.pdist(features) / features.norm(dim=1).mean()
    if not distances.min() > COLLAPSED:
        problems.append(
            f"collapsed: two different inputs are only {distances.min():.1e} apart (limit {COLLAPSED}); "
            f"check the range of the inputs and the weights"
        )
    if encoder.modality == Modality.IMAGE:
        swapped = [Image.merge("RGB", picture.split()[::-1]) for picture in probes]
        change = _difference(embed(encoder, swapped), features)
        if change < COLLAPSED:
            problems.append(f"blind to colour: swapping red and blue changes features by {change:.1e}")
    return problems


def _worker_problems(encoder: Any, probes: list[Any]) -> list[str]:
    packed = pickle.dumps(encoder.prepare)
    megabytes = len(packed) / 2**20
    if megabytes > PICKLE_LIMIT_MB:
        return [
            f"prepare pickles to {megabytes:.0f} MB (limit {PICKLE_LIMIT_MB}): it drags the weights along"
        ]
    ours, copied = encoder.prepare(probes), pickle.loads(packed)(probes)
    same = (
        torch.equal(ours, copied)
        if isinstance(ours, Tensor)
        else all(torch.equal(ours[name], copied[name]) for name in ours)
    )
    return [] if same else ["prepare gives other inputs after pickling, as in a data loader's worker"]


def _golden_problems(encoder: Any, features: Tensor, golden_dir: Path, console: Console) -> list[str]:
    found = find_golden(encoder, golden_dir)
    if found is None:
        console.print(
            "no golden features for these weights: that colour order, size and mean are right is NOT checked"
        )
        return []
    name, golden = found
    error = golden_error(golden, features)
    console.print(f"golden features '{name}': off by {error:.1e} (limit {TOLERANCE})")
    if error <= TOLERANCE:
        return []
    theirs = golden["preprocessing"]
    changed = [
        f"{key}: {encoder.preprocessing.get(key)} (golden: {theirs.get(key)})"
        for key in sorted(theirs.keys() | encoder.preprocessing.keys())
        if _plain(encoder.preprocessing.get(key)) != _plain(theirs.get(key))
    ]
    return [
        f"features differ from golden '{name}' by {error:.1e} (limit {TOLERANCE}); "
        f"settings that differ: {'; '.join(changed) or 'none, so the code does'}"
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _difference(features: Tensor, others: Tensor) -> float:
    """The largest distance between rows, relative to the mean norm."""
    return float((features - others).norm(dim=1).max() / others.norm(dim=1).mean())


def _print_facts(encoder: Any, milliseconds: float, console: Console) -> None:
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    table = Table(show_header=False, box=None)
    for name, value in {
        "class": class_name(encoder),
        "modality": encoder.modality,
        "dim": encoder.dim,
        "parameters": f"{parameters:,}",
        "fingerprint": encoder_fingerprint(encoder),
        "ms per item": f"{milliseconds:.1f} (prepare and forward, batch of 4)",
        **{f"  {key}": value for key, value in encoder.preprocessing.items()},
    }.items():
        table.add_row(name, escape(str(value)))
    console.print(table)


def _report(problems: list[str], console: Console) -> list[str]:
    for problem in problems:
        console.print(f"[red]problem[/red]: {escape(problem)}", highlight=False)
    if not problems:
        console.print("[green]no problem found[/green]")
    return problems
