"""The table of reproductions compares only what was measured on the published data, and says so."""

import io
import json
import statistics
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.results_file import RESULTS_SCHEMA
from xmr.reporting.reproduction import Published, Reproduction, SeedResult
from xmr.reporting.reproduction_table import (
    notes_of,
    reproduction_markdown,
    reproduction_table,
)

RECALL = "image_to_text/recall@1"
FIGURES = {"source": "seed 004, table 2", "data": "flickr30k", "split": "test", "metrics": {RECALL: 0.412}}
ENVIRONMENT = {
    "git_commit": "0123456789abcdef",
    "git_changed_files": [],
    "cpu_count": 2,
    "gpus": [],
    "packages": {"torch": "2.15.0", "xmr": "0.1.0"},
}


def result(
    seed: int, recall: float, *, data: str = "flickr30k", split: str = "test", **more: Any
) -> SeedResult:
    results = {
        "schema_version": RESULTS_SCHEMA,
        "protocol": {"name": "standard", "data": data, "split": split, "definitions": 1},
        "metrics": {RECALL: recall, "image_to_text/median_rank": 9.0, "mean_recall": recall / 2},
        "document": {"figures": {"map@1 (as in the code)": recall / 4}, "notes": []},
        **more,
    }
    return SeedResult(
        seed=seed,
        folder=f"runs/{seed}",
        results=results,
        environment=ENVIRONMENT,
        training_items=29_000,
        train_seconds=60.0,
    )


def reproduction(*runs: SeedResult, metrics: dict[str, float] | None = None, asked: int = 3) -> Reproduction:
    figures = {**FIGURES, "metrics": metrics or FIGURES["metrics"]}
    return Reproduction(
        experiment="dual_path",
        command="python train.py experiment=dual_path seed=0,1,2 -m",
        asked=asked,
        published=Published.from_config("dual_path", figures),
        monitor=RECALL,
        runs=list(runs),
    )


def printed(of: Reproduction) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(reproduction_table(of.rows()))
    return console.export_text()


def test_seeds_are_averaged_with_the_deviation_of_a_sample() -> None:
    values = [0.40, 0.43, 0.46]
    (row,) = reproduction(*(result(seed, value) for seed, value in enumerate(values))).rows()
    assert row.mean == pytest.approx(sum(values) / 3)
    assert row.deviation == pytest.approx((sum((v - 0.43) ** 2 for v in values) / 2) ** 0.5)
    assert row.deviation == pytest.approx(statistics.stdev(values))
    assert row.difference == pytest.approx(0.43 - 0.412)
    assert row.cells()["measured"] == "43.0 ± 3.0"
    assert row.cells()["difference"] == "+1.8"


def test_one_seed_has_no_deviation_and_none_no_value() -> None:
    assert reproduction(result(0, 0.4), asked=1).rows()[0].cells()["measured"] == "40.0"
    (row,) = reproduction().rows()
    assert row.cells()["measured"] == "– (0 of 3)"
    assert row.cells()["published"] == "41.2"
    assert row.to_json()["measured"] == {"mean": None, "deviation": None, "by_seed": {}}


def test_runs_that_are_missing_are_counted() -> None:
    (row,) = reproduction(result(0, 0.4), result(2, 0.5)).rows()
    assert row.cells()["measured"] == "45.0 ± 7.1 (2 of 3)"
    assert row.to_json()["measured"]["by_seed"] == {0: 0.4, 2: 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"data": "flickr8k-1k"},
            "not the data of the published figures: flickr8k-1k, 29,000 training items",
        ),
        ({"split": "val"}, "not the split of the published figures: val, not test"),
    ],
)
def test_figures_of_other_data_are_never_compared(change: dict[str, str], said: str) -> None:
    of = reproduction(result(0, 0.412, **change), asked=1)
    (row,) = of.rows()
    notes = notes_of([of])
    assert row.difference is None
    assert row.to_json()["difference"] is None
    assert row.to_json()["not_as_published"] == said
    assert "not as published" in row.cells()["data"]
    assert f"dual_path: {said}; published: seed 004, table 2 (flickr30k, test split)" in notes
    for text in (printed(of), reproduction_markdown(of.rows(), notes)):
        assert "difference" not in text
        assert "not as published" in text


def test_the_same_data_is_compared_without_a_warning() -> None:
    of = reproduction(result(0, 0.412), asked=1)
    text = printed(of)
    assert "difference" in text
    assert "+0.0" in text
    assert "not as published" not in text
    assert not any("not the" in note for note in notes_of([of]))


def test_ranks_stand_as_they_are_and_figures_of_documents_are_found() -> None:
    of = reproduction(
        result(0, 0.4),
        metrics={"image_to_text/median_rank": 8.0, "map@1 (as in the code)": 0.1},
        asked=1,
    )
    rank, document = of.rows()
    assert [rank.cells()[name] for name in ("published", "measured", "difference")] == ["8.0", "9.0", "+1.0"]
    assert document.mean == pytest.approx(0.1)


def test_a_metric_that_no_run_has_is_named() -> None:
    of = reproduction(result(0, 0.4), metrics={"image_to_text/recall@7": 0.1, RECALL: 0.2}, asked=1)
    assert "dual_path: no run has image_to_text/recall@7; runs/0/results.json lists what it has" in notes_of(
        [of]
    )
    assert of.rows()[0].mean is None
    assert of.rows()[0].difference is None


@pytest.mark.parametrize(
    ("monitor", "metrics"), [(RECALL, [RECALL, "mean_recall"]), ("mean_recall", ["mean_recall"])]
)
def test_without_published_figures_the_monitor_is_shown(monitor: str, metrics: list[str]) -> None:
    of = Reproduction(
        experiment="emoji", command="c", asked=1, published=None, monitor=monitor, runs=[result(0, 0.5)]
    )
    assert [row.metric for row in of.rows()] == metrics
    assert of.rows()[0].cells()["published"] == "–"
    assert notes_of([of]) == ["measured with 2 CPUs, torch 2.15.0, xmr 0.1.0, commit 0123456"]


def test_runs_made_with_other_settings_are_named() -> None:
    of = reproduction(result(0, 0.4), replace(result(1, 0.4), changed_settings=["optimizer.lr", "workers"]))
    said = "dual_path, seed 1: made when other values were set for optimizer.lr, workers; remove runs/1"
    assert [note for note in notes_of([of]) if "seed " in note and note.startswith(said)]
    assert not [note for note in notes_of([of]) if note.startswith("dual_path, seed 0")]


def test_each_machine_is_named_once() -> None:
    machine = {**ENVIRONMENT, "gpus": ["H100"], "git_commit": None, "git_changed_files": ["M a", "M b"]}
    other = replace(result(1, 0.5), environment=machine)
    notes = notes_of([reproduction(result(0, 0.4), other, result(2, 0.4))])
    assert notes[-2:] == [
        "measured with 2 CPUs, torch 2.15.0, xmr 0.1.0, commit 0123456",
        "measured with 2 CPUs, H100, torch 2.15.0, xmr 0.1.0, no git commit with 2 changed files",
    ]


def test_the_markdown_rows_are_complete_and_escaped() -> None:
    of = reproduction(result(0, 0.4), metrics={RECALL: 0.1, "a|b": 0.2}, asked=1)
    lines = reproduction_markdown(of.rows(), ["note"]).splitlines()
    assert lines[0] == "| experiment | metric | published | measured | difference | data | command |"
    assert lines[2].startswith(
        f"| dual_path | {RECALL} | 10.0 | 40.0 | +30.0 | flickr30k, test split, 29,000"
    )
    assert lines[3].startswith("| dual_path | a\\|b | 20.0 | – (0 of 1) | – | ")
    assert lines[3].endswith("| `python train.py experiment=dual_path seed=0,1,2 -m` |")
    assert lines[-1] == "- note"


def test_rows_are_json() -> None:
    (row,) = reproduction(result(0, 0.4), result(1, 0.5)).rows()
    stored = json.loads(json.dumps(row.to_json(), allow_nan=False))
    assert stored["published"] == 0.412
    assert stored["source"] == "seed 004, table 2"
    assert stored["training_items"] == 29_000
    assert stored["run_folders"] == {"0": "runs/0", "1": "runs/1"}


def test_results_of_another_version_are_refused() -> None:
    with pytest.raises(DataError, match="schema version 0"):
        _ = result(0, 0.4, schema_version=0).protocol


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({**FIGURES, "splt": "x"}, "did you mean 'split'"),
        ({"source": "x", "data": "y", "metrics": {"a": 1}}, "published.split is missing"),
        ({**FIGURES, "metrics": {}}, "published.metrics is missing"),
        ({**FIGURES, "metrics": {RECALL: "41.2 %"}}, "is no number"),
    ],
)
def test_incomplete_published_figures_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Published.from_config("dual_path", settings)
