"""Run records and boards with curves and panels on disk, made up in milliseconds, for tests of pages."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xmr.evaluation.protocol import Protocol
from xmr.reporting.records.runs import RunRecord

PROTOCOL = Protocol(data="emoji", data_fingerprint="4614c1eab517932d", split="val").to_json()
NAMES = tuple(
    f"{direction}/{name}"
    for direction in ("text_to_image", "image_to_text")
    for name in ("recall@1", "recall@5", "recall@10", "mAP", "median_rank")
)


def metrics(recall: float) -> dict[str, float]:
    """All metrics of a model with this mean recall."""
    shares = {"recall@1": 0.5, "recall@5": 1.0, "recall@10": 1.5, "mAP": 0.7}
    found = {}
    for name in NAMES:
        short = name.rpartition("/")[2]
        side = 1.04 if name.startswith("text") else 0.96
        found[name] = 4 / recall if short == "median_rank" else min(1.0, side * shares[short] * recall)
    return {**found, "mean_recall": recall}


def record(path: str, recall: float = 0.5, *, root: Path | None = None, **more: Any) -> RunRecord:
    """A finished run named by its path; `more` replaces fields. Without `root` it is on no disk."""
    values = metrics(recall)
    folder = None if root is None else root / path
    name, seed = "emoji", int(more.pop("seed", 0))
    settings: Mapping[str, Any] = more.pop("settings", {"loss._target_": "xmr.losses.info_nce.InfoNCE"})
    fields: dict[str, Any] = {
        "path": path,
        "folder": folder,
        "source": "folder",
        "run_id": path.rpartition("/")[2],
        "name": name,
        "seed": seed,
        "state": "finished",
        "progress": "",
        "protocol": PROTOCOL,
        "metrics": values,
        "intervals": {
            name: (value - 0.02, value + 0.02) for name, value in values.items() if "rank" not in name
        },
        "settings": dict(settings),
        "model": {"parameters": 4_650_000, "trained_parameters": 852_000},
        "cost": {
            "train_seconds": 95.0,
            "embed_seconds_per_item": {"image": 0.0031, "text": 0.00042},
            "index_bytes": 1_230_000,
        },
        "created": "2026-11-22T17:02:11+00:00",
        "test_touches": 0,
        "queries_file": None,
        "metrics_file": None,
        "panels": (),
    }
    return RunRecord(**{**fields, **more})


def write_metrics_csv(file: Path, *, epochs: int, recall: float, each: int = 8, seed: int = 0) -> Path:
    """A metrics.csv as training writes it, of a run that ends near `recall`; `each` steps an epoch."""
    random = np.random.default_rng(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    names = [f"val/emoji/{name}" for name in metrics(recall)]
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.DictWriter(opened, ["step", "epoch", *names, "train/loss", "train/lr"], restval="")
        rows.writeheader()
        for epoch in range(epochs + 1):
            learned = recall * (1 - 0.97 * math.exp(-4 * epoch / epochs)) * (1 + 0.02 * random.normal())
            values = {f"val/emoji/{name}": value for name, value in metrics(max(learned, 0.01)).items()}
            if epoch:
                loss = 5.1 * math.exp(-2 * epoch / epochs) + 0.05 * random.normal() + 0.4
                rate = 1e-3 * (1 - epoch / epochs)
                rows.writerow(
                    {"step": epoch * each - 3, "epoch": epoch, "train/loss": loss, "train/lr": rate}
                )
            rows.writerow({"step": epoch * each, "epoch": epoch, **values})
    return file


def write_panels(folder: Path, names: Sequence[str] = ("text_to_image-random", "curves")) -> tuple[Path, ...]:
    """Pictures in `folder`/panels."""
    (folder / "panels").mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / "panels" / f"{name}.png" for name in names)
    for path in paths:
        picture = Image.new("RGB", (320, 240), "white")
        picture.paste("teal", (20, 20, 150, 110))
        picture.paste("orange", (170, 20, 300, 110))
        picture.save(path)
    return paths
