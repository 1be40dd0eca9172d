import json
import re
from dataclasses import fields, replace

import pytest

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.protocol import Protocol, check_comparable, differences
from xmr.evaluation.protocols import READY, ready_protocol

PROTOCOL = Protocol(data="emoji", data_fingerprint="0123", split="val")
CHANGES = {
    "name": "x", "data": "x", "data_fingerprint": "x", "split": "x", "gallery": "x", "relevance": "label",
    "prompts": ("a {}",), "similarity": "l2", "exclude": "self", "subset": True, "groups": True, "folds": 2,
    "images": 7, "ks": (1,), "depth": "relevant", "tie_rule": "optimistic", "definitions": 0,
}  # fmt: skip


@pytest.mark.parametrize("protocol", [PROTOCOL, *READY.values()], ids=lambda protocol: protocol.name)
def test_a_protocol_goes_through_json_whole(protocol):
    assert Protocol.from_json(json.loads(json.dumps(protocol.to_json()))) == protocol


def test_a_stored_protocol_with_fields_of_another_version_is_refused():
    with pytest.raises(DataError, match="unknown fields: gallery_rule"):
        Protocol.from_json({**PROTOCOL.to_json(), "gallery_rule": "all"})


def test_every_field_but_the_release_must_be_equal_to_compare():
    assert set(CHANGES) | {"xmr_version"} == {field.name for field in fields(Protocol)}
    for name, value in CHANGES.items():
        with pytest.raises(DataError, match=f"do not compare: {name}: .*{re.escape(repr(value))};"):
            check_comparable(PROTOCOL, replace(PROTOCOL, **{name: value}))
    check_comparable(PROTOCOL, replace(PROTOCOL, xmr_version="another"))


def test_each_difference_is_named_with_both_values():
    other = replace(PROTOCOL, split="test", folds=5)
    assert differences(PROTOCOL, other) == {"split": ("val", "test"), "folds": (1, 5)}
    with pytest.raises(DataError, match="split: 'val' and 'test'; folds: 1 and 5"):
        check_comparable(PROTOCOL, other)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"similarity": "cos"}, "similarity='cos' is none of cosine, dot, l2"),
        ({"exclude": "me"}, "exclude='me' is none of nothing, self, reference"),
        ({"depth": "deep"}, "depth='deep' is none of all, relevant"),
        ({"tie_rule": "lucky"}, "tie_rule='lucky' is none of"),
        ({"folds": 0}, "at least 1 fold"),
        ({"relevance": "class"}, "relevance='class' is none of item, label"),
    ],
)
def test_impossible_protocols_are_refused(setting, message):
    with pytest.raises(ConfigError, match=message):
        Protocol(**setting)


def test_ready_protocols_are_found_by_name_and_may_be_changed():
    assert ready_protocol("coco_1k_5fold").folds == 5
    assert ready_protocol("coco_5k", ks=(1,)).ks == (1,)
    assert ready_protocol("cirr").subset
    with pytest.raises(ConfigError, match=r"'coco_1k' is none of .*did you mean 'coco_5k'"):
        ready_protocol("coco_1k")
