"""Boards as W&B shows them: a saved view of the project for each, and one Report of all; built offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unicodedata import category

from xmr.reporting.board.board import Board, lower_is_better
from xmr.reporting.board.tables import boards_markdown, shown_metrics
from xmr.reporting.protocol_words import protocol_facts
from xmr.reporting.records.settings import protocol_key
from xmr.reporting.tracking.records import BOARD, MODEL, RESULTS

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces.reports.v2.interface import PanelTypes

COSTS = ("cost.train_seconds", "model.trained_parameters", "cost.index_bytes")
"""What of results.json is shown beside the metrics, where the runs tell it."""

SETTINGS = 8
"""How many of the settings in which models differ are drawn as axes."""

WIDTH = 24
"""W&B's columns of panels."""


def workspace_of(board: Board, *, entity: str, project: str) -> ws.Workspace:
    """The view of `board`: its runs alone, grouped by model, best first, its metrics and costs pinned."""
    import wandb_workspaces.workspaces as ws

    sections = [
        ws.Section(name="Models", panels=[*_bars(board), *_settings(board)], is_open=True),
        ws.Section(name="What each model retrieves", panels=_pictures(board)),
        ws.Section(name="Training", panels=_curves(board)),
    ]
    order = ws.Ordering(ws.Summary(_key(board, board.sorted_by)), ascending=lower_is_better(board.sorted_by))
    return ws.Workspace(
        entity=entity,
        project=project,
        name=_view_name(board),
        sections=sections,
        runset_settings=ws.RunsetSettings(
            filters=_filter(board),
            groupby=[ws.Config(MODEL)],
            order=[order],
            pinned_columns=_columns(board),
        ),
    )


def report_of(boards: Sequence[Board], *, entity: str, project: str, about: Iterable[str] = ()) -> wr.Report:
    """The Report of `boards`: for each its protocol, table, plots and pictures; `about` begins it."""
    import wandb_workspaces.reports.v2 as wr

    version = boards[0].protocol["xmr_version"]
    today = datetime.now(UTC).date().isoformat()
    blocks: list[Any] = [wr.P(" ".join([f"Made on {today} by xmr {version}.", *about]))]
    if len(boards) > 1:
        blocks.append(wr.TableOfContents())
    for board in boards:
        compared = wr.RunComparer(diff_only="split")
        blocks += [
            wr.H1(board.title),
            wr.P(_about(board)),
            wr.MarkdownBlock(boards_markdown([board]).partition("\n\n")[2]),
            _grid(board, [*_bars(board), *_settings(board), compared], entity, project),
            wr.H2("What each model retrieves, for the same queries"),
            _grid(board, _pictures(board), entity, project),
        ]
    return wr.Report(
        entity=entity,
        project=project,
        title=report_title(project),
        description="Models of this project by protocol, with their deviation over seeds",
        blocks=blocks,
        width="fluid",
    )


def report_title(project: str) -> str:
    """The title of a project's Report, by which it is found again; W&B takes 128 letters."""
    return f"Leaderboard of {project}"[:128]


def _about(board: Board) -> str:
    about = f"All figures are by one protocol: {'; '.join(protocol_facts(board.protocol))}."
    if any(row.letters for row in board.rows):
        about += " Models that share a letter under “same” do not differ significantly."
    return about


def _grid(board: Board, panels: Sequence[Any], entity: str, project: str) -> wr.PanelGrid:
    import wandb_workspaces.reports.v2 as wr

    # two plots beside each other, wide ones below
    wide = (wr.ParallelCoordinatesPlot, wr.RunComparer, wr.MediaBrowser)
    x = y = 0
    for panel in panels:
        w, h = (WIDTH, 10) if isinstance(panel, wide) else (WIDTH // 2, 8)
        if x + w > WIDTH:
            x, y = 0, y + 8
        panel.layout = wr.Layout(x=x, y=y, w=w, h=h)
        x, y = (0, y + h) if w == WIDTH else (x + w, y)
    sorted_by = wr.SummaryMetric(_key(board, board.sorted_by))
    runs = wr.Runset(
        entity=entity,
        project=project,
        name=board.title,
        filters=_filter(board),
        groupby=[f"config.{MODEL}"],
        order=[wr.OrderBy(sorted_by, ascending=lower_is_better(board.sorted_by))],
        pinned_columns=_columns(board),
    )
    return wr.PanelGrid(runsets=[runs], panels=list(panels))


def _view_name(board: Board) -> str:
    """The title without the symbols (`=` among them) that W&B's library refuses in names of views."""
    letters = (" " if category(letter).startswith("S") else letter for letter in board.title)
    return f"Leaderboard: {' '.join(''.join(letters).split())}"


def _filter(board: Board) -> str:
    return f"Config('{BOARD}') = '{protocol_key(board.protocol)}'"


def _key(board: Board, metric: str) -> str:
    """What a metric of the board is called in W&B."""
    return f"{board.protocol['split']}/{board.protocol['data']}/{metric}"


def _columns(board: Board) -> list[str]:
    """The pinned columns of the table of runs: name, seed, metrics, costs."""
    metrics = [f"summary:{_key(board, metric)}" for metric in shown_metrics(board)]
    costs = [f"summary:{RESULTS}.{name}" for name in COSTS if _is_told(board, name)]
    return ["run:displayName", "config:seed.value", *metrics, *costs]


def _is_told(board: Board, name: str) -> bool:
    of, _, figure = name.partition(".")
    return any(figure in getattr(run, of) for row in board.rows for run in row.runs)


def _bars(board: Board) -> list[PanelTypes]:
    """A bar plot for each metric shown: a bar a model, the mean of its seeds with their deviation."""
    import wandb_workspaces.reports.v2 as wr

    return [
        wr.BarPlot(
            title=metric,
            metrics=[wr.SummaryMetric(_key(board, metric))],
            groupby=wr.Config(MODEL),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            max_bars_to_show=len(board.rows),
        )
        for metric in shown_metrics(board)
    ]


def _settings(board: Board) -> list[PanelTypes]:
    """Parallel coordinates: settings in which models differ against the metric; [] where none differ."""
    import wandb_workspaces.reports.v2 as wr

    settings = dict.fromkeys(key for row in board.rows for key in row.settings)
    if not settings:
        return []
    columns = [
        wr.ParallelCoordinatesPlotColumn(wr.Config(key), display_name=key.removesuffix("._target_"))
        for key in list(settings)[:SETTINGS]
    ]
    inverted = lower_is_better(board.sorted_by)
    result = wr.ParallelCoordinatesPlotColumn(
        wr.SummaryMetric(_key(board, board.sorted_by)),
        display_name=board.sorted_by,
        inverted=inverted or None,
    )
    return [wr.ParallelCoordinatesPlot(title=f"settings and {board.sorted_by}", columns=[*columns, result])]


def _pictures(board: Board) -> list[PanelTypes]:
    """Each direction's panels of random queries, the same ones for every run, one run below the other."""
    import wandb_workspaces.reports.v2 as wr

    directions = dict.fromkeys(m.rpartition("/")[0] for m in board.metrics if "/" in m)
    return [
        wr.MediaBrowser(
            title=direction.replace("_", " "),
            media_keys=[f"panels/{direction}-random"],
            num_columns=1,
            mode="grid",
            grid_x_axis="index",
            grid_y_axis="run",
        )
        for direction in directions
    ]


def _curves(board: Board) -> list[PanelTypes]:
    import wandb_workspaces.reports.v2 as wr

    names = ["train/loss", *(_key(board, metric) for metric in shown_metrics(board))]
    return [wr.LinePlot(title=name, x="trainer/global_step", y=[name], groupby=MODEL) for name in names]
