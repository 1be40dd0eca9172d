"""Search time by gallery size, for one query and for many, as one picture."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import Image

from xmr.core.errors import DataError
from xmr.reporting.curves import COLOURS, GRID, INK, LINE_STYLES, PIXELS_PER_INCH


def draw_search_times(rows: Sequence[Mapping[str, Any]], *, title: str) -> Image.Image:
    """Milliseconds by gallery size, a line for each index, a pane for each number of queries.

    A row has `name`, `size`, `queries`, `ms`, and `product_ms`: the time of the bare computation, drawn
    beside them. Raises `DataError` when there is no row.
    """
    if not rows:
        raise DataError("there are no rows to draw; measure at least one index")
    # the object interface keeps no global state and needs no display; importing it takes a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    batches = sorted({row["queries"] for row in rows})
    figure = Figure(figsize=(5.6 * len(batches) + 1.8, 5), dpi=PIXELS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", color=INK)
    panes = figure.subplots(1, len(batches), squeeze=False)[0]
    for axes, batch in zip(panes, batches, strict=True):
        _draw_pane(axes, [row for row in rows if row["queries"] == batch], batch)
    handles, labels = panes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside right upper")
    file = BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def _draw_pane(axes: Any, rows: Sequence[Mapping[str, Any]], batch: int) -> None:
    names = list(dict.fromkeys(row["name"] for row in rows))
    sizes = sorted({row["size"] for row in rows})
    bare = [min(row["product_ms"] for row in rows if row["size"] == size) for size in sizes]
    axes.plot(sizes, bare, color=INK, linestyle=(0, (1, 1.5)), linewidth=2.5, label="bare product")
    for number, name in enumerate(names):
        found = sorted((row["size"], row["ms"]) for row in rows if row["name"] == name)
        axes.plot(
            *zip(*found, strict=True),
            color=COLOURS[number % len(COLOURS)],
            linestyle=LINE_STYLES[number // len(COLOURS) % len(LINE_STYLES)],
            marker="o",
            markersize=4,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title("1 query" if batch == 1 else f"{batch:,} queries", loc="left", color=INK)
    axes.set_xlabel("vectors in the gallery", color=INK)
    axes.set_ylabel("milliseconds", color=INK)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
