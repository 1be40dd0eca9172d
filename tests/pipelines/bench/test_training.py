"""The training benchmark measures every way and writes what it measured."""

import json
from pathlib import Path

from xmr.pipelines.bench.training import bench_training


def test_rows_are_measured_and_written(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    rows = bench_training(steps=5, rounds=1, json_file=target)
    written = json.loads(target.read_text())
    assert written["rows"] == rows
    assert written["environment"]["packages"]["torch"]
    names = [row["name"] for row in rows]
    assert names[:3] == ["bare PyTorch", "bare Lightning", "xmr"]
    assert all(row["items_per_second"] > 0 for row in rows if "items_per_second" in row)
    by_name = {row["name"]: row for row in rows}
    assert by_name["bare Lightning"]["ms_over_lightning"] == 0
