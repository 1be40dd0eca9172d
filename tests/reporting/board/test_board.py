"""Boards put together what compares, group seeds into models, and name models by what they differ in."""

from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from tests.reporting.synthetic_runs import PROTOCOL, config, finished, result, started, sweep
from xmr.core.errors import ConfigError
from xmr.reporting.board.board import Board, boards
from xmr.reporting.records.runs import RunRecord, read_runs


def records_of(root: Path) -> list[RunRecord]:
    records, left_out = read_runs(root)
    assert not left_out
    return records


def board_of(root: Path, metric: str = "mean_recall") -> Board:
    (board,) = boards(records_of(root), metric=metric)
    return board


def labels_of(root: Path) -> list[str]:
    return sorted(row.label for row in board_of(root).rows)


def runs_with(root: Path, *settings: dict[str, Any]) -> None:
    for number, of_run in enumerate(settings):
        finished(root / f"run{number}", 0.5 - number / 100, settings=of_run)


def test_seeds_of_a_model_are_one_row_with_mean_and_deviation(tmp_path: Path) -> None:
    recalls = [0.5, 0.52, 0.57]
    for seed, recall in enumerate(recalls):
        finished(tmp_path / f"a{seed}", recall, settings=config(seed=seed))
    finished(tmp_path / "b", 0.9, settings=config(loss="SigLIP"))
    best, other = board_of(tmp_path).rows
    assert (best.label, other.label) == ("loss=SigLIP", "loss=InfoNCE")
    assert [run.seed for run in other.runs] == [0, 1, 2]
    assert other.mean["mean_recall"] == pytest.approx(mean(recalls))
    assert other.deviation["mean_recall"] == pytest.approx(stdev(recalls))
    assert best.deviation == {}


def test_names_and_places_make_no_other_model(tmp_path: Path) -> None:
    runs_with(
        tmp_path,
        config(seed=0, name="one"),
        config(seed=1, name="two", workers=4, paths={"runs": "elsewhere"}, logger={}),
    )
    (row,) = board_of(tmp_path).rows
    assert row.label == "one, two"
    assert len(row.runs) == 2


def test_of_runs_with_one_seed_the_newest_counts_and_the_other_is_told(tmp_path: Path) -> None:
    finished(tmp_path / "old", 0.4, created="2026-01-01T00:00:00+00:00")
    finished(tmp_path / "new", 0.5, created="2026-01-02T00:00:00+00:00")
    finished(tmp_path / "other_seed", 0.6, settings=config(seed=1))
    board = board_of(tmp_path)
    (row,) = board.rows
    assert row.mean["mean_recall"] == pytest.approx(0.55)
    assert board.notes == ("not counted: old, as new is the same model with seed 0, and newer",)


def test_other_protocols_are_other_boards_but_not_other_releases(tmp_path: Path) -> None:
    result(tmp_path / "val", 0.5)
    result(tmp_path / "release", 0.8, protocol={"xmr_version": "0.0.1"})
    result(tmp_path / "test", 0.6, protocol={"split": "test"})
    result(tmp_path / "data", 0.7, protocol={"data_fingerprint": "xyz"})
    result(tmp_path / "folds", 0.7, protocol={"name": "coco_1k_5fold", "folds": 5})
    result(tmp_path / "ks", 0.7, protocol={"ks": [1, 5]})
    found = {board.title: [row.label for row in board.rows] for board in boards(records_of(tmp_path))}
    data = PROTOCOL["data_fingerprint"]
    assert found == {
        f"toy, val split, data={data}, ks=[1, 5, 10]": ["release", "val"],
        f"toy, val split, data={data}, ks=[1, 5]": ["ks"],
        "toy, val split, data=xyz, ks=[1, 5, 10]": ["data"],
        "toy, val split, protocol coco_1k_5fold": ["folds"],
        "toy, test split": ["test"],
    }


def test_ranks_are_better_when_lower_and_rows_without_the_metric_come_last(tmp_path: Path) -> None:
    for name, recall in (("worse", 0.2), ("better", 0.6)):
        result(tmp_path / name, recall)
    result(tmp_path / "without", 0.9, metrics={"mean_recall": 0.9})
    by_rank = board_of(tmp_path, "text_to_image/median_rank")
    assert [row.label for row in by_rank.rows] == ["better", "worse", "without"]
    assert [row.label for row in board_of(tmp_path).rows] == ["without", "better", "worse"]


def test_unfinished_runs_count_in_no_mean_and_stand_below(tmp_path: Path) -> None:
    finished(tmp_path / "a", 0.5, settings=config(seed=0))
    started(tmp_path / "b", settings=config(seed=1), recall=0.9)
    started(tmp_path / "c", settings=config(loss="SigLIP"), recall=0.8)
    done, going = board_of(tmp_path).rows
    assert done.mean["mean_recall"] == 0.5
    assert done.deviation == {}
    assert [run.state for run in done.runs] == ["finished", "stopped"]
    assert going.finished == ()
    assert going.mean["mean_recall"] == 0.8


def test_an_unknown_metric_names_the_nearest(tmp_path: Path) -> None:
    finished(tmp_path / "run")
    with pytest.raises(ConfigError, match="did you mean 'mean_recall'"):
        boards(records_of(tmp_path), metric="mean_recal")


def test_no_records_make_no_boards() -> None:
    assert boards([], metric="mean_recall") == []


def test_a_component_is_named_and_its_own_settings_are_not(tmp_path: Path) -> None:
    runs_with(tmp_path, config(loss="InfoNCE"), config(loss="SigLIP"), config(loss="Triplet"))
    assert labels_of(tmp_path) == ["loss=InfoNCE", "loss=SigLIP", "loss=Triplet"]


def test_a_setting_of_a_component_is_named_where_rows_with_that_component_differ_in_it(
    tmp_path: Path,
) -> None:
    cold = {**config()["loss"], "temperature": 0.01}
    runs_with(tmp_path, config(loss="SigLIP"), config(), config() | {"loss": cold})
    assert labels_of(tmp_path) == [
        "loss=InfoNCE temperature=0.01",
        "loss=InfoNCE temperature=0.07",
        "loss=SigLIP temperature=0.1",
    ]


def test_settings_that_go_together_are_named_once(tmp_path: Path) -> None:
    runs_with(tmp_path, config(head="LinearHead"), config(head="MLPHead"))
    assert labels_of(tmp_path) == ["head=LinearHead", "head=MLPHead"]
    (row, _) = board_of(tmp_path).rows
    assert row.settings == {"head.image._target_": "LinearHead", "head.text._target_": "LinearHead"}


def test_keys_are_as_short_as_they_are_clear(tmp_path: Path) -> None:
    def settings(image: float, text: float, lr: float) -> dict[str, Any]:
        linear = config()["head"]["image"]
        head = {"image": {**linear, "dropout": image}, "text": {**linear, "dropout": text}}
        return config(optimizer={"_target_": "xmr.training.optimizers.adamw", "lr": lr}) | {"head": head}

    runs_with(tmp_path, settings(0.1, 0.3, 1e-3), settings(0.2, 0.3, 1e-3), settings(0.2, 0.4, 1e-5))
    assert labels_of(tmp_path) == [
        "image.dropout=0.1 text.dropout=0.3 lr=0.001",
        "image.dropout=0.2 text.dropout=0.3 lr=0.001",
        "image.dropout=0.2 text.dropout=0.4 lr=1e-05",
    ]


def test_many_settings_are_cut_down_to_those_that_tell_the_rows_apart(tmp_path: Path) -> None:
    def settings(value: int) -> dict[str, Any]:
        return config(further={f"setting{n}": value for n in range(6)})

    runs_with(tmp_path, settings(1), settings(2))
    assert labels_of(tmp_path) == ["setting0=1", "setting0=2"]
    assert len(board_of(tmp_path).rows[0].settings) == 6


def test_names_are_said_where_they_differ(tmp_path: Path) -> None:
    runs_with(tmp_path, config(name="big", loss="SigLIP"), config(name="small"))
    assert labels_of(tmp_path) == ["big loss=SigLIP", "small loss=InfoNCE"]


def test_another_checkpoint_is_another_model(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", 0.5)
    about = {"checkpoint": "checkpoints/last.ckpt", "seed": 0, "run": {"id": "run", "name": "sweep"}}
    result(run / "evaluations/val-last", 0.4, **about)
    assert labels_of(tmp_path) == ["checkpoint=checkpoints/last.ckpt", "sweep"]


def test_submissions_are_named_as_they_were_submitted_and_change_no_other_label(tmp_path: Path) -> None:
    runs_with(tmp_path, config(), config(loss="SigLIP"))
    for run_id, seed in (("x", 0), ("y", 1)):
        about = {"seed": seed, "submission": {}, "run": {"id": run_id, "name": "clip"}}
        result(tmp_path / f"submissions/clip/{run_id}", 0.1, **about)
    board = board_of(tmp_path)
    assert [row.label for row in board.rows] == ["loss=InfoNCE", "loss=SigLIP", "clip"]
    assert len(board.rows[-1].runs) == 2


def test_rows_that_nothing_tells_apart_bear_their_runs(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        result(tmp_path / folder / "clip", 0.5)
    assert labels_of(tmp_path) == ["clip [a/clip]", "clip [b/clip]"]


def test_numbers_written_in_two_ways_are_one_setting(tmp_path: Path) -> None:
    runs_with(tmp_path, config(seed=0, dim=1), config(seed=1, dim=1.0))
    assert len(board_of(tmp_path).rows) == 1


def test_a_sweep_of_losses_heads_and_seeds(tmp_path: Path) -> None:
    sweep(tmp_path, 30)
    board = board_of(tmp_path)
    assert len(board.rows) == 6
    assert {len(row.runs) for row in board.rows} == {5}
    assert {row.label for row in board.rows} == {
        f"head={head} loss={loss}"
        for head in ("LinearHead", "MLPHead")
        for loss in ("InfoNCE", "SigLIP", "Triplet")
    }


def test_the_order_of_records_changes_nothing(tmp_path: Path) -> None:
    sweep(tmp_path, 12)
    records = records_of(tmp_path)
    one, other = (boards(given)[0] for given in (records, [replace(each) for each in records[::-1]]))
    assert [row.label for row in one.rows] == [row.label for row in other.rows]
    assert [[run.path for run in row.runs] for row in one.rows] == [
        [run.path for run in row.runs] for row in other.rows
    ]


def test_other_places_of_the_data_are_noted_since_pixels_may_differ(tmp_path: Path) -> None:
    for seed, place in enumerate(("img64", "img224")):
        data = {**config()["data"], "image_root": place}
        finished(tmp_path / f"run{seed}", settings=config(seed=seed, data=data))
    board = board_of(tmp_path)
    assert [len(row.finished) for row in board.rows] == [2]
    assert any("data.image_root img64 and img224" in note for note in board.notes)
