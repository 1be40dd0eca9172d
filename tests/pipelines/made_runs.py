"""Run folders of made-up models, without any training."""

from pathlib import Path

import yaml

from tests.evaluation.made_results import made_queries
from xmr.core.files import write_json, write_text
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import RESULTS_SCHEMA, metric_values, write_queries

PROTOCOL = Protocol(data="shapes", data_fingerprint="abc", split="val")


def made_run(
    folder: Path, *, seed: int = 0, skill: float = 0.5, config: dict | None = None, **changes
) -> Path:
    """A run folder with results of a made-up model; `changes` are of its protocol."""
    protocol = Protocol(**{**{"data": "shapes", "data_fingerprint": "abc", "split": "val"}, **changes})
    queries = made_queries(seed=seed + 10, skill=skill, items=12, texts=2, labels=False)
    names = [
        f"{name}/{metric}" for name in queries for metric in ("recall@1", "recall@5", "recall@10", "mAP")
    ]
    metrics = {name: float(metric_values(queries, name).values.mean()) for name in names}
    settings = {"name": "made", "seed": seed, "loss": {"temperature": 0.07}, "paths": {"runs": str(folder)}}
    write_text(folder / "config.yaml", yaml.safe_dump({**settings, **(config or {})}))
    write_queries(folder / "queries.parquet", queries, protocol)
    write_json(
        folder / "results.json",
        {
            "schema_version": RESULTS_SCHEMA,
            "protocol": protocol.to_json(),
            "metrics": metrics,
            "seed": seed,
            "run": {"id": folder.name, "name": "made"},
            "checkpoint": "checkpoints/best.ckpt",
            "cost": {"train_seconds": 10.0 + seed, "embed_seconds_per_item": {"image": 0.5}},
            "model": {"parameters": 100},
        },
    )
    return folder


def made_models(folder: Path) -> None:
    """Two models of two seeds each in `folder`/runs; b finds nearly all, a what chance does."""
    for model, skill in (("a", 0.0), ("b", 1.5)):
        for seed in (0, 1):
            made_run(
                folder / f"runs/{model}/{model}{seed}",
                seed=seed,
                skill=skill,
                config={"loss": {"margin": skill}},
            )
        (folder / f"runs/{model}/latest").symlink_to(f"{model}1")
