import math

import pytest

from xmr.core.errors import ConfigError, check_at_least, check_positive, did_you_mean, problems_message


def test_problems_message_shows_the_first_20_and_counts_all():
    lines = problems_message("file.csv", (f"row {n}" for n in range(25)), "Mend them.").splitlines()
    assert lines[0] == "file.csv: 25 problems"
    assert [line.strip() for line in lines[1:21]] == [f"- row {n}" for n in range(20)]
    assert lines[21:] == ["  ... and 5 more", "Mend them."]


def test_problems_message_of_one_and_of_exactly_20():
    assert problems_message("x", ["bad"], "Mend.").splitlines() == ["x: 1 problem", "  - bad", "Mend."]
    assert "more" not in problems_message("x", ["bad"] * 20, "Mend.")


def test_did_you_mean_names_the_nearest_or_all():
    assert did_you_mean("los", ["model", "loss"]) == "did you mean 'loss'?"
    assert did_you_mean("zzz", ["model", "loss"]) == "known: loss, model"


@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_check_positive_refuses(value):
    with pytest.raises(ConfigError, match=f"lr={value}.*above 0"):
        check_positive(epochs=3, lr=value)


def test_checks_accept_the_limit_and_refuse_what_is_below():
    check_positive(lr=1e-12)
    check_at_least(1, k=1)
    with pytest.raises(ConfigError, match="k=0 is below 1; use k >= 1"):
        check_at_least(1, k=0)
    with pytest.raises(ConfigError, match="k=nan"):
        check_at_least(1, k=math.nan)
