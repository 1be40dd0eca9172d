"""A comparison in Weights & Biases: tables of metrics, queries and weak spots, and the page."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from xmr.core.files import fingerprint
from xmr.evaluation.comparison import Comparison
from xmr.evaluation.judgement import Judgement
from xmr.reporting.comparison.page import comparison_page
from xmr.reporting.comparison.queries import FOUND
from xmr.reporting.comparison.text import About
from xmr.reporting.tracking.run import finish, start_run, sync_command, wandb_mode

if TYPE_CHECKING:
    import wandb

TESTED = ("difference", "low", "high", "p", "adjusted_p", "verdict")
GROUP = "comparisons"


def log_to_wandb(
    folder: Path, comparison: Comparison, about: About, content: Mapping[str, Any], *, project: str
) -> str:
    """Log a comparison as a run of its own below `folder`: its address, or the command that uploads it.

    The same two models have the same run: comparing them again goes on with it. Raises `XmrError` when the
    server can't be reached.
    """
    run = start_run(
        folder, mode=wandb_mode(), project=project, name=run_name(about), group=GROUP, config=_config(about)
    )
    try:
        log_comparison(run, comparison, content)
        return sync_command(run) or str(run.url)
    finally:
        finish()


def run_name(about: About) -> str:
    """The name and id of the run of a comparison, in letters that W&B takes."""
    names = "-vs-".join(re.sub(r"[^\w.=-]+", "_", model.name)[:40] for model in about.models)
    return f"{names}-{fingerprint([model.ids for model in about.models], about.protocol)[:8]}"


def log_comparison(run: wandb.Run, comparison: Comparison, content: Mapping[str, Any]) -> None:
    """Log tables (`comparison/metrics`, `comparison/queries/<direction>`, `comparison/slices`) and the page.

    `content` is what `comparison_content` made: the queries it shows, with their small pictures.
    """
    import wandb

    queries = {
        f"comparison/queries/{direction['name']}": _queries_table(direction, content)
        for direction in content["directions"]
    }
    page = wandb.Html(comparison_page(content), inject=False)
    run.log(
        {
            "comparison/metrics": _metrics_table(comparison),
            **queries,
            "comparison/slices": _slices_table(comparison),
            "comparison/page": page,
        }
    )
    run.summary["comparison/verdict"] = content["verdict"]
    for one in comparison.metrics:
        if one.judgement.difference is not None:
            run.summary[f"comparison/difference/{one.metric}"] = one.judgement.difference.difference


def _config(about: About) -> dict[str, Any]:
    sides = zip("ab", about.models, strict=True)
    models = {side: {"name": model.name, "runs": list(model.ids)} for side, model in sides}
    return {"xmr_comparison": {**models, "protocol": about.protocol}}


def _metrics_table(comparison: Comparison) -> wandb.Table:
    import wandb

    sides = [f"{side}{what}" for side in "AB" for what in ("", " low", " high")]
    table = wandb.Table(columns=["metric", *sides, *TESTED])
    for one in comparison.metrics:
        of_sides = zip(one.values, one.intervals, strict=True)
        figures = [figure for value, own in of_sides for figure in (value, own.low, own.high)]
        table.add_data(one.metric, *figures, *_tested(one.judgement))
    return table


def _slices_table(comparison: Comparison) -> wandb.Table:
    import wandb

    table = wandb.Table(columns=["direction", "by", "metric", "slice", "queries", "A", "B", *TESTED])
    for name, of in comparison.directions.items():
        for kind, by_k in of.slices.items():
            for k, found in by_k.items():
                for one in found.slices:
                    about = (name, kind, f"recall@{k}", one.name, one.queries)
                    table.add_data(*about, *one.values, *_tested(one.judgement))
    return table


def _tested(judgement: Judgement) -> list[Any]:
    of = judgement.difference
    if of is None:
        return [None] * (len(TESTED) - 1) + [judgement.verdict]
    return [of.difference, of.low, of.high, of.p, judgement.adjusted_p, judgement.verdict]


def _queries_table(direction: Mapping[str, Any], content: Mapping[str, Any]) -> wandb.Table:
    """A row a query shown and list that it is in; cells of what was found are pictures, or texts."""
    import wandb

    found = [f"{side}_{place}" for side in "AB" for place in range(1, FOUND + 1)]
    about = ["list", "query_id", "query_image", "query_text", "rank_A", "rank_B", "correct"]
    table = wandb.Table(columns=[*about, *found])
    numbers = [number for each in direction["lists"] for number in each["at"]]
    entries = _entries([content["queries"][number] for number in numbers])
    # a column holds pictures or texts, never both
    pictures = any("picture" in content["entries"][entry] for entry in entries)
    for each in direction["lists"]:
        kind = each["kind"] if each["k"] is None else f"{each['kind']}@{each['k']}"
        for number in each["at"]:
            query = content["queries"][number]
            ranks = query["ranks"] or [None, None]
            first = [{"entry": entry} for entry in query["relevant"][:1]]
            cells = [_cells(side or [], content, pictures, FOUND) for side in query["found"]]
            table.add_data(
                kind,
                query["id"],
                _image(query, content, ""),
                query.get("text"),
                *ranks,
                *_cells(first, content, pictures, 1),
                *cells[0],
                *cells[1],
            )
    return table


def _entries(queries: Sequence[Mapping[str, Any]]) -> list[int]:
    found = [each["entry"] for query in queries for side in query["found"] for each in side or []]
    return [*found, *(entry for query in queries for entry in query["relevant"])]


def _cells(
    found: Sequence[Mapping[str, Any]], content: Mapping[str, Any], pictures: bool, count: int
) -> list[Any]:
    cells = [_cell(each, content, pictures) for each in found[:count]]
    return cells + [None] * (count - len(cells))


def _cell(each: Mapping[str, Any], content: Mapping[str, Any], pictures: bool) -> Any:
    entry = content["entries"][each["entry"]]
    score = "" if each.get("score") is None else f"{each['score']:.3f}"
    said = f"{'✓ ' if each.get('correct') else ''}{score}".strip()
    if pictures:
        return _image(entry, content, f"{said} {entry['id']}".strip())
    return f"{said} {entry.get('text') or entry['id']}".strip()


def _image(look: Mapping[str, Any], content: Mapping[str, Any], caption: str) -> Any:
    import wandb

    if "picture" not in look:
        return None
    source = content["pictures"][look["picture"]][0]
    picture = Image.open(BytesIO(base64.b64decode(source.partition(",")[2])))
    return wandb.Image(picture, caption=caption or None, file_type="jpg")
