"""The metric of a sweep: whether it exists, and what it was in each epoch of a run."""

import csv
import io
import math
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, ListConfig

from xmr.core.errors import ConfigError, did_you_mean
from xmr.evaluation.metric_set import AT_K, AT_R, OF_ALL, averaged
from xmr.evaluation.protocols import READY, ready_protocol

DIRECTIONS = ("image_to_text", "text_to_image", "image_to_image", "composed_to_image")
MEAN_RECALL = "mean_recall"
# as in xmr.evaluation.evaluator, which takes seconds to import
SUBSET_KS = (1, 2, 3)


def check_metric(metric: str, config: DictConfig, where: str) -> None:
    """Raise `ConfigError` when no evaluation gives `metric`; whether this data does, its first run says."""
    evaluation = config.evaluation
    if isinstance(evaluation.ks, ListConfig):
        ks = set(evaluation.ks)
    elif evaluation.protocol is not None:
        ks = set(ready_protocol(str(evaluation.protocol)).ks)
    else:
        ks = {k for protocol in READY.values() for k in protocol.ks}
    keys = [*(f"{name}@{k}" for name in AT_K for k in sorted(ks)), *AT_R, *OF_ALL]
    of_queries = [*averaged({key: np.ones(1) for key in keys}), *(f"recall_subset@{k}" for k in SUBSET_KS)]
    known = [MEAN_RECALL, *(f"{direction}/{name}" for direction in DIRECTIONS for name in of_queries)]
    if metric not in known:
        nearest = did_you_mean(metric, known)
        told = (
            nearest if nearest.startswith("did") else f"use {MEAN_RECALL}, text_to_image/recall@1 or the like"
        )
        raise ConfigError(f"{where}: metric={metric} is of no evaluation; {told}")


def epoch_values(metrics: Path, metric: str) -> dict[int, float]:
    """`metric` of the val split by epoch, counted from 1: column `val/<data>/<metric>` of metrics.csv."""
    if not metrics.is_file():
        return {}
    text = metrics.read_text(encoding="utf-8")
    # the last row may be half written
    rows = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    columns = [name for name in rows.fieldnames or () if name.split("/", 2)[::2] == ["val", metric]]
    found = {}
    for row in rows:
        for column in columns:
            epoch, value = _number(row.get("epoch")), _number(row[column])
            if value is not None and epoch is not None and 1 <= epoch < math.inf:
                found[int(epoch)] = value
    return found


def _number(cell: str | None) -> float | None:
    """The number in a cell; None for an empty or a damaged one."""
    try:
        return float(cell or "")
    except ValueError:
        return None
