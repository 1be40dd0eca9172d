"""Two models on the same queries: matched by id, tested, and told apart only where they differ."""

import dataclasses

import numpy as np
import pytest

from tests.evaluation.made_results import made_queries
from xmr.core.errors import DataError
from xmr.evaluation.comparison import compare
from xmr.evaluation.judgement import difference_of, judged
from xmr.evaluation.metric_differences import metric_differences, shown_metrics
from xmr.evaluation.significance import PairedDifference


def shuffled(queries, seed=3):
    """The same results with the rows of each direction in another order."""
    made = {}
    for name, of in queries.items():
        at = np.random.default_rng(seed).permutation(len(of.query_ids))
        made[name] = dataclasses.replace(
            of,
            query_ids=of.query_ids[at],
            item_ids=of.item_ids[at],
            texts=tuple(of.texts[n] for n in at),
            labels=tuple(of.labels[n] for n in at),
            values={column: values[at] for column, values in of.values.items()},
            retrieved=of.retrieved[at],
            scores=of.scores[at],
        )
    return made


def first(queries, count):
    """The first queries of each direction alone."""
    return {
        name: dataclasses.replace(
            of,
            query_ids=of.query_ids[:count],
            item_ids=of.item_ids[:count],
            texts=of.texts[:count],
            labels=of.labels[:count],
            values={column: values[:count] for column, values in of.values.items()},
            retrieved=of.retrieved[:count],
            scores=of.scores[:count],
        )
        for name, of in queries.items()
    }


def by_metric(comparison):
    return {one.metric: one for one in comparison.metrics}


def test_queries_are_matched_by_id_whatever_their_order():
    a, b = made_queries(seed=1), made_queries(seed=2)
    straight, mixed = compare([a], [b]), compare([a], [shuffled(b)])
    for one, other in zip(straight.metrics, mixed.metrics, strict=True):
        assert one == other
    for name, of in straight.directions.items():
        assert of.outcomes[1].counts() == mixed.directions[name].outcomes[1].counts()
        assert mixed.directions[name].b[0].query_ids.tolist() == a[name].query_ids.tolist()


def test_metrics_are_means_over_queries_and_differences_are_b_less_a():
    a, b = made_queries(skill=0.3, seed=1), made_queries(skill=0.7, seed=2)
    found = by_metric(compare([a], [b]))
    recalls = []
    for direction in ("image_to_text", "text_to_image"):
        for k in (1, 5, 10):
            total = [0.0, 0.0]
            for side, model in enumerate((a, b)):
                column = model[direction].values[f"recall@{k}"]
                for value in column:
                    total[side] += value / len(column)
            one = found[f"{direction}/recall@{k}"]
            assert one.values == pytest.approx(total)
            assert one.judgement.difference.difference == pytest.approx(total[1] - total[0])
            assert all(
                own.low <= value <= own.high for own, value in zip(one.intervals, one.values, strict=True)
            )
            recalls.append(total)
    assert found["mean_recall"].values == pytest.approx(np.mean(recalls, axis=0))
    assert found["text_to_image/median_rank"].values[1] == np.median(b["text_to_image"].values["first_rank"])
    assert found["text_to_image/median_rank"].judgement.verdict == "untested"


def test_a_much_better_model_is_better_in_recalls_and_in_ranks():
    metrics = ["text_to_image/recall@1", "text_to_image/mean_rank"]
    poor, good = [made_queries(skill=0.2, items=25)], [made_queries(skill=1, items=25, seed=9)]
    found = {one.metric: one for one in metric_differences(poor, good, metrics)}
    assert found["text_to_image/recall@1"].judgement.verdict == "better"
    assert found["text_to_image/mean_rank"].judgement.verdict == "better", "a rank is better when lower"
    assert found["text_to_image/mean_rank"].judgement.difference.difference < 0
    turned = {one.metric: one for one in metric_differences(good, poor, metrics)}
    assert turned["text_to_image/recall@1"].judgement.verdict == "worse"
    assert turned["text_to_image/mean_rank"].judgement.verdict == "worse"


def test_equal_models_are_equal_and_equally_good_ones_are_noise():
    a = made_queries(seed=1)
    same = compare([a], [shuffled(a)])
    assert {one.judgement.verdict for one in same.metrics} == {"equal", "untested"}
    of = same.directions["text_to_image"]
    assert of.outcomes[1].counts()["only_a"] == of.outcomes[1].counts()["only_b"] == 0
    assert of.agreement.means == pytest.approx({"overlap": 1, "rank_biased_overlap": 1, "same_first": 1})
    assert len(of.ranks.most_improved(5)) == len(of.ranks.most_worsened(5)) == 0
    (other,) = metric_differences([a], [made_queries(seed=2)], ["text_to_image/recall@5"])
    assert other.judgement.verdict == "noise"


def test_one_query_tells_nothing_and_says_so():
    a, b = (first({"text_to_image": made_queries(seed=seed)["text_to_image"]}, 1) for seed in (1, 2))
    comparison = compare([a], [b])
    assert {one.judgement.verdict for one in comparison.metrics} == {"untested"}
    of = comparison.directions["text_to_image"]
    assert sum(of.outcomes[1].counts().values()) == 1
    assert not any(found.slices for by_k in of.slices.values() for found in by_k.values())


def test_seeds_are_averaged_and_their_variation_counts():
    a = [made_queries(seed=seed, skill=0.4) for seed in (1, 2, 3)]
    b = [made_queries(seed=seed, skill=0.5) for seed in (4, 5)]
    comparison = compare(a, b)
    assert comparison.seeds == (3, 2)
    one = by_metric(comparison)["text_to_image/recall@5"]
    of_seeds = [run["text_to_image"].values["recall@5"].mean() for run in a]
    assert one.values[0] == pytest.approx(np.mean(of_seeds))
    assert one.deviations[0] == pytest.approx(np.std(of_seeds, ddof=1))
    assert one.judgement.difference.seeds == (2, 3), "B's, then A's"
    (alone,) = metric_differences(a[:1], b[:1], ["text_to_image/recall@5"])
    assert alone.deviations == (None, None)


def test_the_interval_of_a_median_is_that_of_the_seeds_medians():
    a = [made_queries(seed=seed, skill=0.4) for seed in (1, 2, 3)]
    metric = "text_to_image/median_rank"
    (both,) = metric_differences(a, a[:1], [metric])
    alone = [metric_differences([run], [run], [metric])[0] for run in a]
    assert both.values[0] == pytest.approx(np.mean([one.values[0] for one in alone]))
    assert both.intervals[0].low == pytest.approx(np.mean([one.intervals[0].low for one in alone]))
    assert both.intervals[1] == alone[0].intervals[1]


def test_queries_are_looked_at_within_what_the_lists_hold():
    deep = {"text_to_image": made_queries(ks=(1, 5, 10, 50, 100))["text_to_image"]}
    assert list(compare([deep], [deep]).directions["text_to_image"].outcomes) == [1, 10]
    few = {"text_to_image": made_queries(ks=(20, 50), labels=False)["text_to_image"]}
    assert list(compare([few], [few]).directions["text_to_image"].outcomes) == [20]


def test_what_two_results_do_not_share_is_named():
    a = made_queries(items=10)
    with pytest.raises(DataError, match=r"6 are A's alone \('i8#0', 'i8#1', 'i8#2', \.\.\.\), 0 are B's"):
        compare(
            [{"text_to_image": a["text_to_image"]}],
            [{"text_to_image": made_queries(items=8)["text_to_image"]}],
        )
    with pytest.raises(DataError, match="directions image_to_text, text_to_image, but B has text_to_image"):
        compare([a], [{"text_to_image": a["text_to_image"]}])
    fewer = dataclasses.replace(
        a["text_to_image"], values={"recall@1": a["text_to_image"].values["recall@1"]}
    )
    with pytest.raises(DataError, match="of A and B only one has average_precision"):
        compare([a], [{**a, "text_to_image": fewer}])
    twice = dataclasses.replace(a["text_to_image"], query_ids=np.array(["i0#0"] * 30))
    with pytest.raises(DataError, match="more than once"):
        compare([a], [{**a, "text_to_image": twice}])
    with pytest.raises(DataError, match="without runs"):
        compare([a], [])


def test_a_metric_without_values_per_query_is_named():
    a = [made_queries()]
    with pytest.raises(DataError, match="recall_subset@1"):
        metric_differences(a, a, ["text_to_image/recall_subset@1"])


def test_what_is_shown_depends_on_what_is_there():
    both = shown_metrics(made_queries())
    assert both[-1] == "mean_recall"
    assert both[:3] == ["image_to_text/recall@1", "image_to_text/recall@5", "image_to_text/recall@10"]
    one = made_queries()["text_to_image"]
    deep = dataclasses.replace(
        one, values={"recall@1": one.values["recall@1"], "precision@1": one.values["recall@1"]}
    )
    assert shown_metrics({"text_to_image": deep}) == ["text_to_image/recall@1"]
    assert shown_metrics({"text_to_image": deep}, relevance="label")[-1] == "text_to_image/precision@1"
    comparison = compare([{"text_to_image": deep}], [{"text_to_image": deep}])
    assert comparison.directions["text_to_image"].ranks is None


@pytest.mark.parametrize(
    ("low", "middle", "high", "p", "lower", "verdict"),
    [
        (0.1, 0.2, 0.3, 0.001, False, "better"),
        (0.1, 0.2, 0.3, 0.001, True, "worse"),
        (-0.3, -0.2, -0.1, 0.001, False, "worse"),
        (-0.1, 0.1, 0.3, 0.001, False, "noise"),
        (0.0, 0.1, 0.3, 0.001, False, "noise"),
        (0.1, 0.2, 0.3, 0.2, False, "unsure"),
        (0.0, 0.0, 0.0, 1.0, False, "equal"),
    ],
)
def test_verdicts(low, middle, high, p, lower, verdict):
    (judgement,) = judged([PairedDifference(middle, low, high, p, 9, (1, 1))], lower_is_better=[lower])
    assert judgement.verdict == verdict


def test_p_is_corrected_over_what_was_tested_alone():
    of = [PairedDifference(0.2, 0.1, 0.3, p, 9, (1, 1)) for p in (0.02, 0.04)]
    found = judged([of[0], None, of[1]])
    assert [one.adjusted_p for one in found] == [pytest.approx(0.04), None, pytest.approx(0.04)]
    assert judged([]) == []
    assert difference_of(np.ones((1, 3)), np.zeros((1, 3)), np.array(["x"] * 3)) is None
