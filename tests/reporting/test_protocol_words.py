"""A protocol in words: what is said of it, and what sets boards apart."""

from xmr.evaluation.protocol import Protocol
from xmr.reporting.protocol_words import protocol_facts, set_apart


def stored(**fields):
    return Protocol(**{"data": "emoji", "data_fingerprint": "abc", "split": "val", **fields}).to_json()


def test_data_and_split_come_first_and_what_is_usual_is_not_said():
    assert protocol_facts(stored()) == ["data set emoji", "val split", "fingerprint abc"]
    facts = protocol_facts(stored(name="coco_1k_5fold", folds=5, exclude="self", prompts=("a {}",)))
    assert facts[3:5] == ["protocol coco_1k_5fold", "class names in 1 prompt"]
    assert facts[5:] == ["a query does not find itself", "means over 5 folds"]


def test_fields_that_older_results_lack_are_passed_over():
    assert protocol_facts({"data": "emoji", "split": "val"}) == ["data set emoji", "val split"]
    assert protocol_facts({}) == []


def test_boards_are_set_apart_by_what_differs_alone():
    val, test, other = stored(), stored(split="test"), stored(data="flickr", data_fingerprint="xyz")
    assert set_apart([val, test]) == [["split val, not test"], ["split test, not val"]]
    # another data set has another content, which need not be said
    assert set_apart([val, other])[0] == ["data set emoji, not flickr"]
    assert set_apart([val, stored(data_fingerprint="new")])[1] == ["fingerprint of the data new, not abc"]
    assert set_apart([val, stored(xmr_version="9")]) == [[], []], "a release does not set apart"
    assert set_apart([val]) == [[]]


def test_many_other_values_are_counted():
    (own, *_) = set_apart([stored(folds=n) for n in range(1, 7)])
    assert own == ["folds 1, not 2 or 3 or 4 or 2 others"]
