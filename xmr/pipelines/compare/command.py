"""Two models, of one run or several seeds each, on the same queries: a table, a page, JSON, W&B."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import OmegaConf
from rich.console import Console

from xmr.core.files import write_json, write_text
from xmr.evaluation.comparison import Comparison, compare
from xmr.pipelines.compare.about import about_models
from xmr.pipelines.compare.inputs import ComparedModel
from xmr.reporting.comparison.content import comparison_content
from xmr.reporting.comparison.json_file import comparison_json
from xmr.reporting.comparison.page import comparison_page
from xmr.reporting.comparison.text import About, comparison_table, reading, sentence


def compare_models(
    a: ComparedModel,
    b: ComparedModel,
    *,
    html: Path | None = None,
    json: Path | None = None,
    overrides: Sequence[str] = (),
    wandb: bool = False,
) -> None:
    """Compare and print; write the page to `html`, everything to `json`, and log it to W&B if asked to.

    `overrides` (key=value) change settings of A's run, such as where its data set lies by now. Raises
    `XmrError` for queries that differ, and for settings that the run does not have.
    """
    run, console = a.runs[0], Console()
    say = _sayer(console)
    queries = ([of.queries for of in a.runs], [of.queries for of in b.runs])
    with console.status("comparing"):
        comparison = compare(*queries, relevance=run.protocol.relevance)
    about, looks = about_models(a, b), None
    if html is not None or wandb:
        from xmr.pipelines.compare.looks import looks_of  # imports torch, which a table need not wait for

        looks, missing = looks_of(run.config, run.protocol, overrides)
        about = replace(about, notes=(*about.notes, *missing))
    _print(comparison, about, console)
    if json is not None:
        write_json(json, comparison_json(comparison, about))
        say(f"json  {json}")
    content = comparison_content(comparison, about, looks) if html is not None or wandb else {}
    if html is not None:
        write_text(html, comparison_page(content))
        say(f"page  {html}")
    else:
        say("page  add --html FILE: queries gained and lost with their pictures, ranks, where each fails")
    if wandb:
        from xmr.reporting.tracking.compare import log_to_wandb

        project = OmegaConf.select(run.config, "logger.wandb.project") or "xmr"
        say(f"W&B   {log_to_wandb(Path.cwd(), comparison, about, content, project=project)}")


def _print(comparison: Comparison, about: About, console: Console) -> None:
    """The table, the verdict, what McNemar's test looks at, and the notes."""
    console.print(comparison_table(comparison, about))
    say = _sayer(console)
    say(f"\n{sentence(comparison)}")
    for direction, of in comparison.directions.items():
        say(f"{direction}: {' '.join(reading(of, k) for k in of.outcomes)}")
    for note in about.notes:
        say(f"note: {note}")
    say("")


def _sayer(console: Console) -> Callable[[str], None]:
    return partial(console.print, markup=False, highlight=False, soft_wrap=True)
