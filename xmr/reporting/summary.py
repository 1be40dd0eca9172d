"""The metrics of a result as a table for the terminal."""

from collections.abc import Mapping

from rich.table import Table

COLUMNS = {"recall@1": "R@1", "recall@5": "R@5", "recall@10": "R@10", "mAP": "mAP", "median_rank": "MedR"}
ABSENT = "–"


def metrics_table(
    metrics: Mapping[str, float],
    *,
    chance: Mapping[str, float],
    untrained: Mapping[str, float] | None = None,
    title: str = "",
) -> Table:
    """A block of rows a direction: the model's metrics, below them the untrained model's and chance.

    The mappings go from `image_to_text/recall@1`... to fractions in [0, 1] (shown in percent) and from
    `image_to_text/median_rank` to a rank from 1. `mean_recall` stands below the table. Directions come in the
    order of `metrics`; what a mapping lacks is shown as a dash.
    """
    table = Table(title=title or None, title_justify="left", caption_justify="left")
    table.add_column("direction", no_wrap=True)
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    baselines = {"chance": chance} if untrained is None else {"untrained": untrained, "chance": chance}
    directions = dict.fromkeys(name.rsplit("/", 1)[0] for name in metrics if "/" in name)
    for direction in directions:
        table.add_row(direction, *_cells(metrics, direction), style="bold")
        for name, values in baselines.items():
            table.add_row(f"  {name}", *_cells(values, direction), style="dim", end_section=name == "chance")
    if "mean_recall" in metrics:
        against = ", ".join(f"{name} {_show(values, 'mean_recall')}" for name, values in baselines.items())
        table.caption = f"mean recall {_show(metrics, 'mean_recall')} ({against})"
    return table


def _cells(metrics: Mapping[str, float], direction: str) -> list[str]:
    return [_show(metrics, f"{direction}/{name}") for name in COLUMNS]


def _show(metrics: Mapping[str, float], name: str) -> str:
    """A fraction as a percentage with one decimal; a rank as it is, with one only where it is not whole."""
    if name not in metrics:
        return ABSENT
    value = metrics[name]
    if not name.endswith("_rank"):
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
