"""What CIRR's server takes: pair ids as texts, 50 or 3 names, version and metric."""

import json

import pytest

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.cirr_submission import cirr_submission


def names(count: int) -> list[str]:
    return [f"test1-{n}-0-img1" for n in range(count)]


@pytest.mark.parametrize(("metric", "depth"), [("recall", 50), ("recall_subset", 3)])
def test_the_best_come_first_under_their_pair(metric: str, depth: int) -> None:
    content = cirr_submission({12063: names(60), "7": names(60)[::-1]}, metric)
    assert json.loads(json.dumps(content)) == {
        "version": "rc2",
        "metric": metric,
        "12063": names(60)[:depth],
        "7": names(60)[::-1][:depth],
    }


def test_rankings_that_the_server_would_refuse_are_all_listed() -> None:
    with pytest.raises(DataError) as error:
        cirr_submission({1: names(49), 2: names(50), 3: ["a"] * 50, "2": names(50)}, "recall")
    assert str(error.value).splitlines() == [
        "submission for recall: 3 problems",
        "  - pair 1: 49 images, not 50",
        "  - pair 3 names an image twice",
        "  - a pair id is given as a number and as a text",
        "Rank the whole gallery.",
    ]
    with pytest.raises(DataError, match="no ranking"):
        cirr_submission({}, "recall")
    with pytest.raises(ConfigError, match="metric='recal' is unknown; did you mean 'recall'"):
        cirr_submission({1: names(50)}, "recal")
