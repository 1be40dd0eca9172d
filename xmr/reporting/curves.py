"""Training curves: loss and recall by epoch, as one picture."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from PIL import Image

from xmr.core.errors import DataError

PIXELS_PER_INCH = 144
# blue, vermilion, green, purple, orange, sky: Okabe and Ito's palette, told apart by the colour-blind
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LINE_STYLES = ("-", "--", ":")
INK = "#1c2430"
GRID = "#e4e7ec"

Curve = dict[float, float]


def draw_curves(rows: Sequence[Mapping[str, Any]], *, title: str) -> Image.Image:
    """Losses and recalls by epoch from the rows of a `metrics.csv`, side by side.

    A row has an `epoch` and some metrics; "" and None stand for what it lacks. Every `.../loss` and
    `.../recall@k` becomes a curve of its mean over an epoch's rows. Raises `DataError` when there is none.
    """
    curves = _curves(rows)
    losses = {name: curve for name, curve in curves.items() if _metric(name).startswith("loss")}
    recalls = {name: curve for name, curve in curves.items() if _metric(name).startswith("recall@")}
    if not losses and not recalls:
        found = ", ".join(sorted(curves)) or "none"
        raise DataError(f"no loss and no recall@k in {len(rows)} rows (metrics found: {found}); train first")
    return _draw({"loss": losses, "recall, %": _in_percent(recalls)}, title)


def _curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    """For each metric its mean value by epoch."""
    values: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.get("epoch") in ("", None):
            continue
        for name, value in row.items():
            if name not in ("epoch", "step") and value not in ("", None):
                values[name][float(row["epoch"])].append(float(value))
    return {
        name: {epoch: sum(seen) / len(seen) for epoch, seen in sorted(by_epoch.items())}
        for name, by_epoch in values.items()
    }


def _metric(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _in_percent(curves: dict[str, Curve]) -> dict[str, Curve]:
    return {name: {epoch: 100 * v for epoch, v in curve.items()} for name, curve in curves.items()}


def _draw(panes: dict[str, dict[str, Curve]], title: str) -> Image.Image:
    # the object interface keeps no global state and needs no display; importing it takes a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panes = {label: curves for label, curves in panes.items() if curves}
    figure = Figure(figsize=(6 * len(panes), 4.4), dpi=PIXELS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", color=INK)
    for axes, (label, curves) in zip(
        figure.subplots(1, len(panes), squeeze=False)[0], panes.items(), strict=True
    ):
        _draw_pane(axes, curves)
        axes.set_ylabel(label, color=INK)
    file = BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def _draw_pane(axes: Any, curves: dict[str, Curve]) -> None:
    """One colour for what was measured (a split, a direction), one line style for each metric of it."""
    sources = list(dict.fromkeys(name.rpartition("/")[0] for name in curves))
    metrics = list(dict.fromkeys(_metric(name) for name in curves))
    for name, curve in curves.items():
        axes.plot(
            list(curve),
            list(curve.values()),
            color=COLOURS[sources.index(name.rpartition("/")[0]) % len(COLOURS)],
            linestyle=LINE_STYLES[metrics.index(_metric(name)) % len(LINE_STYLES)],
            marker="o" if len(curve) < 15 else None,
            markersize=3.5,
            label=name,
        )
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    epochs = [epoch for curve in curves.values() for epoch in curve]
    axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    axes.grid(color=GRID)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
