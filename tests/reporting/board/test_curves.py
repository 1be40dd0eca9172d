"""Training curves of the board's page: what is kept of a metrics.csv, and what is said of the rest."""

import csv

import numpy as np
import pytest

from tests.reporting.board.made_boards import write_metrics_csv
from xmr.core.errors import DataError
from xmr.reporting.board.curves import POINTS, collect_curves, read_curves


def rows_of(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def values_of(curves, name):
    at, y = curves["y"][name]
    return list(zip(curves["x"][at], y, strict=True))


def test_each_curve_has_its_epochs_and_values(tmp_path):
    file = write_metrics_csv(tmp_path / "metrics.csv", epochs=5, recall=0.5, each=8)
    curves = read_curves(file, {"mean_recall", "text_to_image/recall@1"})
    assert set(curves["y"]) == {
        "val mean_recall", "val text_to_image/recall@1", "train loss", "train lr"
    }  # fmt: skip
    # validation ends an epoch; training logged at step 5, 13, ... of 8 steps an epoch
    expected = {"val mean_recall": [], "train loss": []}
    for row in rows_of(file):
        if row["val/emoji/mean_recall"]:
            expected["val mean_recall"].append((float(row["epoch"]), float(row["val/emoji/mean_recall"])))
        else:
            expected["train loss"].append((int(row["step"]) / 8, float(row["train/loss"])))
    for name, points in expected.items():
        np.testing.assert_allclose(values_of(curves, name), points, rtol=1e-4, atol=1e-3)


def test_long_curves_are_thinned_and_keep_both_ends(tmp_path):
    file = write_metrics_csv(tmp_path / "metrics.csv", epochs=1500, recall=0.5)
    points = values_of(read_curves(file, {"mean_recall"}), "val mean_recall")
    assert len(points) == POINTS
    logged = [float(row["val/emoji/mean_recall"]) for row in rows_of(file) if row["val/emoji/mean_recall"]]
    assert (points[0][1], points[-1][1]) == (
        pytest.approx(logged[0], rel=1e-4),
        pytest.approx(logged[-1], rel=1e-4),
    )
    assert {round(value, 6) for _, value in points} <= {round(float(f"{v:.5g}"), 6) for v in logged}


def test_what_is_not_finite_is_a_gap_and_a_half_written_row_is_none(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("step,epoch,train/loss\n1,1,2.0\n2,2,nan\n3,3,inf\n4,4,1.0\n5,5,0.", encoding="utf-8")
    assert values_of(read_curves(file, ()), "train loss") == [(1, 2.0), (2, None), (3, None), (4, 1.0)]


def test_two_data_sets_keep_their_names(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("step,epoch,val/a/mean_recall,val/b/mean_recall\n1,1,0.1,0.2\n", encoding="utf-8")
    curves = read_curves(file, {"mean_recall"})
    assert values_of(curves, "val a/mean_recall") == [(1, 0.1)]
    assert values_of(curves, "val b/mean_recall") == [(1, 0.2)]


@pytest.mark.parametrize("text", ["", "step,epoch\n", "step,epoch,train/loss\n1,1,"])
def test_a_file_without_a_whole_row_has_no_curves(tmp_path, text):
    file = tmp_path / "metrics.csv"
    file.write_text(text)
    assert read_curves(file, ()) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("step,epoch,train/loss\n1,1,abc\n", "train/loss"),
        ("step,epoch,train/loss\n1,1\n", "row 2 has 2 cells"),
        ("epoch,train/loss\n1,1\n", "no column 'step'"),
        ("step,epoch,train/loss\n,1,2\n", "has no step"),
    ],
)
def test_a_damaged_file_is_told_with_its_reason(tmp_path, text, reason):
    file = tmp_path / "metrics.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=reason):
        read_curves(file, ())
    found = collect_curves([file, tmp_path / "missing.csv"], ())
    assert reason in found.unreadable[file]
    assert "can't be read" in found.unreadable[tmp_path / "missing.csv"]
    assert found.note == ""


def test_curves_stop_at_the_bytes_given_and_the_first_come_first(tmp_path):
    files = [
        write_metrics_csv(tmp_path / str(n) / "metrics.csv", epochs=20, recall=0.5, seed=n) for n in range(4)
    ]
    whole = collect_curves(files, {"mean_recall"})
    assert list(whole.of) == files
    assert whole.note == ""
    short = collect_curves([*files, files[0]], {"mean_recall"}, limit=3000)
    assert 0 < len(short.of) < 4
    assert list(short.of) == files[: len(short.of)]
    assert f"{len(short.of)} of 4 runs" in short.note
