"""What a figure was measured on and how: stored with every result, since only equal protocols compare."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from numbers import Integral
from typing import Any, Literal, get_args

from xmr.core.errors import ConfigError, DataError
from xmr.evaluation.scored import Similarity
from xmr.metrics.positive_ranks import TieRule

DEFINITIONS = 1
"""Version of what the metrics' names mean; it goes up whenever a figure of the same embeddings changes."""

Exclude = Literal["nothing", "self", "reference"]
Relevant = Literal["item", "label"]
Depth = Literal["all", "relevant"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The conditions of an evaluation; two results compare only when theirs are equal.

    `data`, `data_fingerprint` and `split` say what was embedded, `gallery` what was searched: the other
    modality of the split, or the split named. `prompts` are what class names were put into. `exclude` says
    what takes no part in a query's ranking: its own id, or the reference of a composed query; `subset`
    that each query also ranks its own few candidates; `groups` that metrics are means over groups of
    queries. They are means over `folds` consecutive folds of the items. `depth` "relevant" ranks only as
    deep as a query has relevant entries (and the largest k), which gives no mAP, MRR, median or mean rank.
    `images`, where not 0, is how many the split must have.
    """

    name: str = "standard"
    data: str = ""
    data_fingerprint: str = ""
    split: str = ""
    gallery: str = "other modality"
    relevance: Relevant = "item"
    prompts: tuple[str, ...] = ()
    similarity: Similarity = "cosine"
    exclude: Exclude = "nothing"
    subset: bool = False
    groups: bool = False
    folds: int = 1
    images: int = 0
    ks: tuple[int, ...] = (1, 5, 10)
    depth: Depth = "all"
    tie_rule: TieRule = "expected"
    definitions: int = DEFINITIONS
    xmr_version: str = version("xmr")

    def __post_init__(self) -> None:
        object.__setattr__(self, "ks", tuple(self.ks))
        ks = self.ks
        if not ks or not all(isinstance(k, Integral) and k >= 1 for k in ks):
            raise ConfigError(
                f"ks={list(ks)}, but recall@k needs whole numbers of at least 1; use ks=[1, 5, 10]"
            )
        if not isinstance(self.folds, Integral) or self.folds < 1:
            raise ConfigError(f"folds={self.folds}, but a protocol has at least 1 fold")
        for name, allowed in (
            ("similarity", Similarity),
            ("relevance", Relevant),
            ("exclude", Exclude),
            ("depth", Depth),
            ("tie_rule", TieRule),
        ):
            if getattr(self, name) not in get_args(allowed):
                raise ConfigError(f"{name}='{getattr(self, name)}' is none of {', '.join(get_args(allowed))}")

    def to_json(self) -> dict[str, object]:
        """The fields as JSON-able values."""
        return {**asdict(self), "ks": list(self.ks), "prompts": list(self.prompts)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Protocol":
        """The protocol that `to_json` wrote; raises `DataError` for fields of another version."""
        unknown = sorted(set(stored) - {field.name for field in fields(cls)})
        if unknown:
            raise DataError(f"the stored protocol has unknown fields: {', '.join(unknown)}")
        if "definitions" not in stored:
            raise DataError("the stored protocol does not tell its definitions: it is not xmr's")
        lists = {name: tuple(stored[name]) for name in ("ks", "prompts") if name in stored}
        return cls(**{**stored, **lists})


def differences(one: Protocol, other: Protocol) -> dict[str, tuple[Any, Any]]:
    """The fields in which two protocols differ, with both values; the release of xmr does not count."""
    pairs = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(Protocol)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name != "xmr_version"}


def check_comparable(one: Protocol, other: Protocol) -> None:
    """Raise `DataError` naming each field in which two protocols differ."""
    found = differences(one, other)
    if found:
        listed = "; ".join(f"{name}: {left!r} and {right!r}" for name, (left, right) in found.items())
        raise DataError(f"results of different protocols do not compare: {listed}; evaluate both alike")
