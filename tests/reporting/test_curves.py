import csv

import numpy as np
import pytest

from xmr.core.errors import DataError
from xmr.reporting.curves import draw_curves

LOSSES = [{"epoch": epoch, "train/loss": 4 / (epoch + 1)} for epoch in range(5)]
RECALLS = [{"epoch": epoch, "val/a/text_to_image/recall@5": epoch / 10} for epoch in range(5)]


def draw(rows):
    return np.asarray(draw_curves(rows, title="a run"))


def test_loss_and_recall_stand_side_by_side():
    assert draw(LOSSES + RECALLS).shape[1] > 1.9 * draw(LOSSES).shape[1]
    assert draw(LOSSES).shape == draw(RECALLS).shape


def test_a_metrics_file_with_blanks_and_other_metrics_draws_the_same(tmp_path):
    path = tmp_path / "metrics.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["epoch", "step", "lr", "train/loss", "val/a/text_to_image/recall@5"])
        writer.writeheader()
        writer.writerows({"lr": 0.1, "step": 3, **row} for row in LOSSES + RECALLS)
        writer.writerow({"lr": 0.1})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.array_equal(draw(rows), draw(LOSSES + RECALLS))


def test_an_epoch_counts_with_the_mean_of_its_rows():
    steps = [{**row, "train/loss": row["train/loss"] + shift} for row in LOSSES for shift in (-0.5, 0.5)]
    assert np.array_equal(draw(steps), draw(LOSSES))
    assert not np.array_equal(draw(steps[1:]), draw(LOSSES))


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_one_epoch_and_diverged_losses_are_drawn(value):
    assert draw([{"epoch": 0, "train/loss": value}]).shape == draw(LOSSES).shape


@pytest.mark.parametrize(("rows", "found"), [([], "none"), ([{"epoch": "0", "lr": "0.1"}], "lr")])
def test_rows_without_loss_and_recall_are_refused(rows, found):
    with pytest.raises(DataError, match=f"metrics found: {found}"):
        draw(rows)
