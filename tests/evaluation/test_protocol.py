import json
from dataclasses import replace

from xmr.evaluation.protocol import Protocol

PROTOCOL = Protocol(data="emoji", data_fingerprint="0123", split="val")


def test_a_protocol_goes_through_json_whole():
    stored = json.loads(json.dumps(PROTOCOL.to_json()))
    assert Protocol(**{**stored, "ks": tuple(stored["ks"])}) == PROTOCOL
    assert stored["ks"] == [1, 5, 10]
    assert stored["tie_rule"] == "expected"


def test_protocols_differ_with_any_field():
    changes = [
        {"data": "x"}, {"data_fingerprint": "x"}, {"split": "x"}, {"relevance": "label"},
        {"ks": (1,)}, {"tie_rule": "optimistic"}, {"xmr_version": "0"},
    ]  # fmt: skip
    assert {name for change in changes for name in change} == set(PROTOCOL.to_json())
    assert len({PROTOCOL, *(replace(PROTOCOL, **change) for change in changes)}) == 8
