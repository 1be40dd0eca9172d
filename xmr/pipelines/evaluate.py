"""Evaluation of a checkpoint on one split, written into its run folder."""

import time
from datetime import UTC, datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import ConfigError
from xmr.core.files import sha256_file, write_json
from xmr.pipelines.build import Components, build
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.panels import PanelWriter
from xmr.pipelines.run_folder import RunFolder, environment
from xmr.pipelines.scoring import results_json, score
from xmr.reporting.summary import metrics_table
from xmr.training.checkpoints import load_checkpoint


def evaluate(config: DictConfig) -> None:
    """Score `config.checkpoint` on `config.split`, write results and panels; a use of test is noted."""
    if OmegaConf.is_missing(config, "checkpoint"):
        raise ConfigError("name a checkpoint: scripts/evaluate.py checkpoint=runs/.../checkpoints/best.ckpt")
    path = checkpoint_path(config.checkpoint)
    components = restore(path, list(config.set))
    split = components.dataset.split(config.split)
    run = RunFolder(path.parents[1])
    out = Console()
    if split.name == "test":
        times = run.touch_test(
            {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "checkpoint": str(path.name),
                "checkpoint_sha256": sha256_file(path),
                "data_fingerprint": components.dataset.fingerprint,
            }
        )
        if times > 1:
            out.print(f"this run has now used the test split {times} times: {run.test_touches_file}")
    started = time.monotonic()
    evaluation = score(components, split)
    results = results_json(
        components,
        split,
        evaluation,
        checkpoint=f"checkpoints/{path.name}",
        cost={"evaluation_seconds": round(time.monotonic() - started, 3)},
        environment=environment(),
    )
    folder = run.path / "evaluations" / f"{split.name}-{path.stem}"
    write_json(folder / "results.json", results)
    panels = components.config.evaluation.panels
    writer = PanelWriter(
        components.dataset,
        split,
        instantiate(components.config.index),
        folder / "panels",
        queries=panels.queries,
        k=panels.k,
    )
    for kind in ("random", "hardest"):
        writer.write(evaluation, kind=kind)
    title = f"{components.dataset.name}, {split.name} split, {path.name}"
    out.print(metrics_table(results["metrics"], chance=results["chance"], title=title))
    out.print(f"results   {folder / 'results.json'}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"pictures  {folder / 'panels'}", markup=False, highlight=False, soft_wrap=True)


def checkpoint_path(where: str | Path) -> Path:
    """The checkpoint file that `where` names: itself, or best.ckpt of a run folder."""
    path = Path(where)
    return path / "checkpoints" / "best.ckpt" if path.is_dir() else path


def restore(path: Path, overrides: list[str]) -> Components:
    """The data and the trained module of a checkpoint, built from the config stored in it."""
    checkpoint = load_checkpoint(path)
    config = OmegaConf.create(checkpoint["xmr"]["config"])
    for override in overrides:
        key, _, value = override.partition("=")
        if OmegaConf.select(config, key) is None:
            raise ConfigError(f"set: the checkpoint's config has no '{key}'")
        OmegaConf.update(config, key, OmegaConf.create(f"value: {value}").value)
    components = build(config)
    components.module.restore(checkpoint)
    return components
