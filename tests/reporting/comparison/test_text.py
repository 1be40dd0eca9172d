"""A comparison in words: one sentence that says which differences are noise, figures that read alike."""

import io

import pytest
from rich.console import Console

from tests.evaluation.made_results import made_queries
from xmr.evaluation.comparison import Comparison, compare
from xmr.evaluation.judgement import Judgement
from xmr.evaluation.metric_differences import MetricDifference
from xmr.evaluation.significance import Interval, PairedDifference
from xmr.reporting.comparison.text import (
    About,
    Compared,
    comparison_table,
    figure,
    p_value,
    reading,
    sentence,
)


def one(metric, difference, low, high, p, verdict):
    judgement = Judgement(PairedDifference(difference, low, high, p, 9, (1, 1)), p, verdict)
    return MetricDifference(metric, (0.5, 0.5 + difference), (Interval(0, 1),) * 2, (None, None), judgement)


def comparison(*metrics):
    return Comparison(metrics, dict.fromkeys(m.metric.partition("/")[0] for m in metrics), (1, 1))


def test_the_sentence_says_what_is_sure_first():
    noise = one("image_to_text/recall@1", 0.004, -0.011, 0.018, 0.6, "noise")
    better = one("text_to_image/recall@1", 0.032, 0.011, 0.054, 0.004, "better")
    assert sentence(comparison(noise, better)) == (
        "B is better at text_to_image recall@1 by 3.2 points [1.1, 5.4], p = .004; "
        "at image_to_text recall@1 the difference of +0.4 [−1.1, 1.8] is noise."
    )


def test_equal_verdicts_share_their_words():
    worse = [one(f"{name}/recall@1", -0.03, -0.05, -0.01, 0.002, "worse") for name in ("a", "b")]
    assert sentence(comparison(*worse)) == (
        "B is worse at a recall@1 by 3.0 points [1.0, 5.0], p = .002; "
        "at b recall@1 by 3.0 points [1.0, 5.0], p = .002."
    )


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (
            (-0.03, -0.05, -0.01, 0.0002, "worse"),
            "B is worse at a recall@1 by 3.0 points [1.0, 5.0], p < .001.",
        ),
        (
            (0.03, 0.01, 0.05, 0.08, "unsure"),
            "At a recall@1 the difference of +3.0 [1.0, 5.0] is unsure, p = .080",
        ),
        ((0.0, 0.0, 0.0, 1.0, "equal"), "At a recall@1 every query scores the same."),
    ],
)
def test_every_verdict_has_its_words(of, said):
    assert sentence(comparison(one("a/recall@1", *of))).startswith(said)


def test_what_is_not_tested_says_so():
    untested = MetricDifference(
        "a/recall@1", (0.0, 1.0), (Interval(0, 1),) * 2, (None, None), Judgement(None, None, "untested")
    )
    assert sentence(comparison(untested)) == "At a recall@1 there is nothing to test by."


def test_figures():
    assert figure("recall@1", 0.2434) == "24.3"
    assert figure("recall@1", -0.0322, signed=True) == "−3.2"
    assert figure("recall@1", 0.0322, signed=True) == "+3.2"
    assert figure("recall@1", -0.00001, signed=True) == "0.0"
    assert figure("mean_rank", 1234.56) == "1,234.6"
    assert [p_value(p) for p in (0.0001, 0.0004, 0.0041, 0.05, 0.9999, 1.0)] == [
        "< .001", "< .001", ".004", ".050", "1", "1"
    ]  # fmt: skip


def test_the_table_fits_eighty_columns_and_the_reading_adds_up():
    a, b = (made_queries(skill=skill, seed=seed) for skill, seed in ((0.2, 1), (0.9, 2)))
    found = compare([a], [b])
    about = About((Compared("a" * 30, (), (), ()), Compared("second", (), (), ())), {}, {}, {})
    out = io.StringIO()
    Console(file=out, width=80).print(comparison_table(found, about))
    assert "…" not in out.getvalue()
    assert "text_to_image" in out.getvalue()
    of = found.directions["text_to_image"]
    counts = of.outcomes[1].counts()
    assert f"differ on {counts['only_a'] + counts['only_b']} of 60 queries" in reading(of, 1)
    same = compare([a], [a]).directions["text_to_image"]
    assert reading(same, 1).startswith("Within the top 1 both find the same")
