"""What a protocol says, in words: the facts of a board, and what keeps it apart from the others."""

from collections.abc import Mapping, Sequence
from typing import Any

Stored = Mapping[str, Any]

NAMES = {
    "name": "protocol",
    "data": "data set",
    "data_fingerprint": "fingerprint of the data",
    "gallery": "what is searched",
    "relevance": "what is right",
    "exclude": "left out of a ranking",
    "subset": "few candidates",
    "groups": "means over groups",
    "ks": "cut-offs k",
    "tie_rule": "rule for ties",
    "definitions": "version of the definitions",
}
NOT_COMPARED = ("xmr_version",)


def protocol_facts(protocol: Stored) -> list[str]:
    """The protocol as short phrases, data set and split first; what every plain protocol has is not said.

    `protocol` is what `Protocol.to_json` wrote; fields that it lacks are passed over.
    """
    get = protocol.get
    folds, images, prompts = int(get("folds") or 1), int(get("images") or 0), get("prompts") or ()
    said = [
        (f"data set {get('data')}", bool(get("data"))),
        (f"{get('split')} split", bool(get("split"))),
        (f"fingerprint {get('data_fingerprint')}", bool(get("data_fingerprint"))),
        (f"protocol {get('name')}", get("name") not in (None, "", "standard")),
        (f"{images:,} images", images > 0),
        (f"searches: {get('gallery')}", get("gallery") not in (None, "", "other modality")),
        ("right: every entry of the query's class", get("relevance") == "label"),
        (f"class names in {len(prompts)} {'prompt' if len(prompts) == 1 else 'prompts'}", bool(prompts)),
        (f"similarity: {get('similarity')}", get("similarity") not in (None, "cosine")),
        ("a query does not find itself", get("exclude") == "self"),
        ("the reference image is not in the ranking", get("exclude") == "reference"),
        ("each query also ranks its own few candidates", bool(get("subset"))),
        ("means over groups of queries", bool(get("groups"))),
        (f"means over {folds} folds", folds > 1),
        ("ranked as deep as a query has relevant entries", get("depth") == "relevant"),
        (f"ties: {get('tie_rule')}", get("tie_rule") not in (None, "expected")),
    ]
    return [phrase for phrase, is_said in said if is_said]


def set_apart(protocols: Sequence[Stored]) -> list[list[str]]:
    """For each protocol what not all have alike, as `split val, not test`.

    The content of the data is told where data sets of one name differ in it.
    """
    fields = dict.fromkeys(field for protocol in protocols for field in protocol if field not in NOT_COMPARED)
    return [[phrase for field in fields if (phrase := _apart(field, own, protocols))] for own in protocols]


def _apart(field: str, own: Stored, protocols: Sequence[Stored]) -> str:
    if field == "data_fingerprint":
        protocols = [other for other in protocols if other.get("data") == own.get("data")]
    values = dict.fromkeys(_shown(other.get(field)) for other in protocols)
    others = [value for value in values if value != _shown(own.get(field))]
    if not others:
        return ""
    more = f" or {len(others) - 3} others" if len(others) > 3 else ""
    return f"{NAMES.get(field, field)} {_shown(own.get(field))}, not {' or '.join(others[:3])}{more}"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)
