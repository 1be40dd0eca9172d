"""A comparison in words and figures: the same in the terminal, on the page and in W&B."""

from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from xmr.evaluation.comparison import Comparison, DirectionComparison
from xmr.evaluation.judgement import Judgement, Verdict
from xmr.evaluation.metric_differences import MetricDifference

VERDICTS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "noise": "noise: the interval holds 0",
    "unsure": "unsure: p ≥ .05 once corrected",
    "equal": "equal: every query scores the same",
    "untested": "not tested",
}
MINUS = "−"


@dataclass(frozen=True)
class Compared:
    """A or B: its name, the ids and folders of its runs, and their seeds (None where unknown)."""

    name: str
    ids: tuple[str, ...]
    runs: tuple[str, ...]
    seeds: tuple[int | None, ...]


@dataclass(frozen=True)
class About:
    """What stands around a comparison: both models, the protocol, the settings in which they differ, costs.

    `settings` and `cost` go from a name to what A and B have (None where they have none); `notes` tell what
    is left out, and why.
    """

    models: tuple[Compared, Compared]
    protocol: dict[str, Any]
    settings: dict[str, tuple[Any, Any]]
    cost: dict[str, tuple[float | None, float | None]]
    notes: tuple[str, ...] = ()


def figure(metric: str, value: float, *, signed: bool = False) -> str:
    """A fraction in percent, or a rank, with one decimal: `24.3`, `+3.2`, `−0.4`."""
    scaled = value if metric.endswith("_rank") else 100 * value
    # neither "-0.0" nor "+0.0"
    scaled = round(scaled, 1) + 0.0
    return f"{scaled:{'+' if signed and scaled else ''},.1f}".replace("-", MINUS)


def interval(metric: str, low: float, high: float) -> str:
    """`[20.1, 28.0]`."""
    return f"[{figure(metric, low)}, {figure(metric, high)}]"


def p_value(p: float) -> str:
    """`< .001`, `.004`, `1`."""
    if p < 0.0005:
        return "< .001"
    return "1" if p >= 0.9995 else f"{p:.3f}".removeprefix("0")


def difference(metric: str, judgement: Judgement) -> str:
    """`+3.2 [1.1, 5.4]`: B - A with its interval; empty where untested."""
    of = judgement.difference
    if of is None:
        return ""
    return f"{figure(metric, of.difference, signed=True)} {interval(metric, of.low, of.high)}"


def sentence(comparison: Comparison) -> str:
    """The verdict on each direction's first recall, in one sentence; what is sure comes first."""
    heads = [headline(comparison, direction) for direction in comparison.directions]
    heads.sort(key=lambda one: one.judgement.verdict not in ("better", "worse"))
    clauses = [_clause(one) for one in heads]
    for n in range(len(heads) - 1, 0, -1):
        if heads[n].judgement.verdict == heads[n - 1].judgement.verdict:
            # "B is worse at ... and at ..."
            clauses[n] = clauses[n].removeprefix(f"B is {heads[n].judgement.verdict} ")
    whole = "; ".join(clauses)
    return whole[0].upper() + whole[1:] + "."


def headline(comparison: Comparison, direction: str) -> MetricDifference:
    """The metric that a direction is judged by in one sentence: its recall at the smallest k."""
    return next(one for one in comparison.metrics if one.metric.startswith(f"{direction}/recall@"))


def reading(of: DirectionComparison, k: int) -> str:
    """Who finds what the other one does not, in a sentence: what McNemar's test looks at."""
    counts = of.outcomes[k].counts()
    differ, total = counts["only_a"] + counts["only_b"], sum(counts.values())
    if not differ:
        return f"Within the top {k} both find the same {counts['both']:,} of {total:,} queries."
    more = "B" if counts["only_b"] >= counts["only_a"] else "A"
    share = 100 * max(counts["only_a"], counts["only_b"]) / differ
    return (
        f"Within the top {k} they differ on {differ:,} of {total:,} queries: B alone finds "
        f"{counts['only_b']:,}, A alone {counts['only_a']:,} ({share:.0f} % are {more}'s)."
    )


def comparison_table(comparison: Comparison, about: About) -> Table:
    """The metrics of both as a table for the terminal; the verdict is of B."""
    tested = sum(one.judgement.difference is not None for one in comparison.metrics)
    table = Table(
        title=f"A  {about.models[0].name}\nB  {about.models[1].name}",
        title_justify="left",
        caption=f"95 % intervals over queries; p is corrected over {tested} tests (Holm)",
        caption_justify="left",
        box=SIMPLE_HEAD,  # with little around it: fits 80 columns
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("metric", no_wrap=True)
    for heading in ("A", "B", "B − A", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("B is", no_wrap=True)
    direction = ""
    for one in comparison.metrics:
        of, _, name = one.metric.rpartition("/")
        if of != direction or not of:
            table.add_section()
            direction = of
            if of:
                table.add_row(of, style="bold")
        table.add_row(name, *_cells(one), style=_STYLES.get(one.judgement.verdict, "dim"))
    return table


_STYLES: dict[Verdict, str] = {"better": "green", "worse": "red", "unsure": "yellow"}


def _cells(one: MetricDifference) -> list[str]:
    metric, of = one.metric, one.judgement.difference
    sides = [
        f"{figure(metric, value)}\n{interval(metric, own.low, own.high)}"
        for value, own in zip(one.values, one.intervals, strict=True)
    ]
    change = figure(metric, one.values[1] - one.values[0], signed=True)
    if of is None or one.judgement.adjusted_p is None:
        return [*sides, change, "", "–"]
    p = p_value(one.judgement.adjusted_p)
    return [*sides, f"{change}\n{interval(metric, of.low, of.high)}", p, one.judgement.verdict]


def _clause(one: MetricDifference) -> str:
    judgement, where = one.judgement, one.metric.replace("/", " ")
    of, p = judgement.difference, judgement.adjusted_p
    if of is None or p is None:
        return f"at {where} there is nothing to test by"
    by = difference(one.metric, judgement)
    if judgement.verdict == "equal":
        return f"at {where} every query scores the same"
    if judgement.verdict == "noise":
        return f"at {where} the difference of {by} is noise"
    if judgement.verdict == "unsure":
        return f"at {where} the difference of {by} is unsure, p = {p_value(p)} once corrected"
    size = f"{figure(one.metric, abs(of.difference))} points {_turned(one.metric, of.low, of.high)}"
    said = p_value(p)
    return f"B is {judgement.verdict} at {where} by {size}, p {said if said.startswith('<') else f'= {said}'}"


def _turned(metric: str, low: float, high: float) -> str:
    """The interval of a difference that is told as a size, from the smaller to the larger one."""
    return interval(metric, *sorted((abs(low), abs(high))))
