"""Run folders as training leaves them, made up: for tests of boards, and by hand in any number.

python -m tests.reporting.synthetic_runs FOLDER COUNT
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import RESULTS_SCHEMA, QueryResults, write_queries

PROTOCOL = Protocol(data="toy", data_fingerprint="0123456789abcdef", split="val").to_json()
LOSSES = ("InfoNCE", "SigLIP", "Triplet")
HEADS = ("LinearHead", "MLPHead")
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
METRICS = ("recall@1", "recall@5", "recall@10", "mAP", "mrr", "median_rank", "mean_rank")


def config(*, loss: str = "InfoNCE", head: str = "LinearHead", seed: int = 0, **more: Any) -> dict[str, Any]:
    """Settings as of a run; `more` adds groups, or replaces them."""
    losses: dict[str, dict[str, Any]] = {
        "InfoNCE": {"temperature": 0.07, "learn_temperature": True},
        "SigLIP": {"temperature": 0.1, "bias": -10.0},
        "Triplet": {"margin": 0.2},
    }
    heads: dict[str, dict[str, Any]] = {
        "LinearHead": {"dropout": 0.3},
        "MLPHead": {"hidden": 512, "dropout": 0.3},
    }
    of_head = {"_target_": f"xmr.models.heads.{head}", **heads[head]}
    return {
        "name": "sweep",
        "seed": seed,
        "batch_size": 128,
        "workers": 0,
        "stages": None,
        "data": {"_target_": "xmr.data.table.load_table", "path": "captions.csv", "seed": 0},
        "encoder": {
            "image": {"_target_": "xmr.encoders.image.efficientnet_lite.EfficientNetLite"},
            "text": {"_target_": "xmr.encoders.text.huggingface.HuggingFaceText", "max_length": 256},
        },
        "head": {"image": of_head, "text": dict(of_head)},
        "model": {"_target_": "xmr.models.dual_encoder.DualEncoder", "dim": 512, "freeze": ["image_encoder"]},
        "loss": {"_target_": f"xmr.losses.{loss.lower()}.{loss}", **losses[loss]},
        "optimizer": {"_target_": "xmr.training.optimizers.adamw", "lr": 0.001, "betas": [0.9, 0.98]},
        "trainer": {"max_epochs": 30, "devices": 1},
        "evaluation": {"monitor": "mean_recall", "panels": {"queries": 8}},
        "logger": {"wandb": {"mode": "offline", "project": "xmr"}},
        "paths": {"runs": "runs", "cache": "cache"},
        **more,
    }


def metrics(recall: float) -> dict[str, float]:
    """All metrics of both directions, of a model with that mean recall."""
    found = {}
    for direction, share in (("image_to_text", 0.9), ("text_to_image", 1.1)):
        for name in METRICS:
            value = 10 / (recall + 0.01) if name.endswith("_rank") else share * recall
            found[f"{direction}/{name}"] = value
    return {**found, "mean_recall": recall}


def finished(
    folder: Path, recall: float = 0.5, *, settings: Mapping[str, Any] | None = None, **more: Any
) -> Path:
    """A run folder with results; `more` goes into results.json, `protocol` as its changed fields."""
    settings = config() if settings is None else settings
    started(folder, settings=settings)
    result(folder, recall, seed=settings["seed"], run={"id": folder.name, "name": settings["name"]}, **more)
    return folder


def started(
    folder: Path, *, settings: Mapping[str, Any] | None = None, epochs: int = 2, recall: float = 0.25
) -> Path:
    """A run folder as it is after some epochs, without results."""
    folder.mkdir(parents=True)
    settings = config() if settings is None else settings
    (folder / "config.yaml").write_text(yaml.dump(dict(settings), Dumper=DUMPER, sort_keys=False))
    (folder / "protocol.json").write_text(
        json.dumps({"schema_version": RESULTS_SCHEMA, "protocol": PROTOCOL})
    )
    columns = [f"val/toy/{name}" for name in metrics(recall)]
    rows = ["step,epoch," + ",".join(columns) + ",train/loss"]
    for epoch in range(epochs + 1):
        values = metrics(recall * epoch / max(1, epochs)).values()
        if epoch:
            rows.append(f"{epoch * 10 - 5},{epoch}.0" + "," * len(columns) + f",{1 / epoch}")
        rows.append(f"{epoch * 10},{epoch}.0," + ",".join(map(str, values)) + ",")
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    return folder


def result(folder: Path, recall: float, *, protocol: Mapping[str, Any] | None = None, **more: Any) -> Path:
    """A results.json alone, as an evaluation or another tool writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "schema_version": RESULTS_SCHEMA,
        "protocol": {**PROTOCOL, **(protocol or {})},
        "metrics": metrics(recall),
        "created": "2026-01-02T03:04:05+00:00",
        "model": {"parameters": 1000, "trained_parameters": 100},
        "cost": {"train_seconds": 12.5, "epochs": 30},
        **more,
    }
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def queries(folder: Path, right: np.ndarray, *, ids: np.ndarray | None = None) -> Path:
    """A queries.parquet: `right` (Q,) says for each query whether its first result is relevant."""
    count = len(right)
    ids = np.array([f"q{n}" for n in range(count)]) if ids is None else ids
    values = {name: right.astype(np.float64) for name in ("recall@1", "recall@5", "recall@10")}
    of = {
        direction: QueryResults(direction, ids, ids, (None,) * count, ("",) * count, values)
        for direction in ("image_to_text", "text_to_image")
    }
    write_queries(folder / "queries.parquet", of, Protocol.from_json(PROTOCOL))
    return folder


def sweep(root: Path, count: int) -> None:
    """`count` finished runs: losses x heads x learning rates, five seeds each."""
    draw = np.random.default_rng(0)
    for number in range(count):
        model, seed = divmod(number, 5)
        loss, head = LOSSES[model % 3], HEADS[model // 3 % 2]
        optimizer = {"_target_": "xmr.training.optimizers.adamw", "lr": 1e-4 * (1 + model // 6)}
        settings = config(loss=loss, head=head, seed=seed, optimizer=optimizer)
        recall = 0.3 + 0.05 * (model % 6) + 0.01 * draw.standard_normal()
        finished(root / f"sweep/20260101-{number:06d}-{number:06x}", recall, settings=settings)


if __name__ == "__main__":
    sweep(Path(sys.argv[1]), int(sys.argv[2]))
