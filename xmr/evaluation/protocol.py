"""What a figure was measured on and how: stored with every result, since only equal protocols compare."""

from dataclasses import asdict, dataclass
from importlib.metadata import version

from xmr.metrics.positive_ranks import TieRule

RESULTS_SCHEMA = 1
"""Version of what results.json holds."""


@dataclass(frozen=True)
class Protocol:
    """The conditions of an evaluation; two results compare only when theirs are equal.

    The gallery of a direction is every embedding of the other modality in the split.
    """

    data: str
    data_fingerprint: str
    split: str
    relevance: str = "item"
    ks: tuple[int, ...] = (1, 5, 10)
    tie_rule: TieRule = "expected"
    xmr_version: str = version("xmr")

    def to_json(self) -> dict[str, object]:
        """The fields as JSON-able values."""
        return {**asdict(self), "ks": list(self.ks)}
