"""The table of reproductions: published figures beside those measured, and what they were measured on."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from xmr.reporting.reproduction import HEADINGS, Reproduction, Row


def reproduction_table(rows: Sequence[Row]) -> Table:
    """The rows for the terminal, without the commands, which it would break into pieces.

    Fractions are in percent, `mean ± deviation` over seeds; the difference stands where a row has one.
    """
    kept = [heading for heading in _headings(rows) if heading != "command"]
    table = Table(title="published and measured", title_justify="left")
    for heading in kept:
        is_number = heading in ("published", "measured", "difference")
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=is_number or heading == "metric",
            overflow="fold",
        )
    for before, row in zip([None, *rows], rows, strict=False):
        cells = row.cells()
        if before is not None and before.of is row.of:
            cells |= {"experiment": "", "data": ""}
        elif before is not None:
            table.add_section()
        table.add_row(*(cells[heading] for heading in kept))
    return table


def reproduction_markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """All rows, each complete, as a Markdown table, with the notes below it."""
    headings = _headings(rows)
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    for row in rows:
        cells = row.cells() | {"command": f"`{row.of.command}`"}
        lines.append("| " + " | ".join(cells[name].replace("|", "\\|") for name in headings) + " |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def notes_of(reproductions: Sequence[Reproduction]) -> list[str]:
    """What is to be said under the table: other data, sources, metrics that no run has, machines."""
    notes = []
    for of in reproductions:
        if of.published is not None:
            theirs = f"{of.published.source} ({of.published.data}, {of.published.split} split)"
            otherwise = of.otherwise()
            notes.append(f"{of.experiment}: {f'{otherwise}; ' if otherwise else ''}published: {theirs}")
        missing = [row.metric for row in of.rows() if of.runs and not row.values]
        if missing:
            file = f"{of.runs[0].folder}/results.json"
            notes.append(f"{of.experiment}: no run has {', '.join(missing)}; {file} lists what it has")
        notes += [
            f"{of.experiment}, seed {run.seed}: made when other values were set for "
            f"{', '.join(run.changed_settings)}; remove {run.folder} to run it again"
            for run in of.runs
            if run.changed_settings
        ]
    machines = [_machine(run.environment) for of in reproductions for run in of.runs]
    return notes + [f"measured with {machine}" for machine in dict.fromkeys(machines)]


def _headings(rows: Sequence[Row]) -> list[str]:
    """All but the difference, where no row has one."""
    comparable = any(row.difference is not None for row in rows)
    return [heading for heading in HEADINGS if comparable or heading != "difference"]


def _machine(environment: Mapping[str, Any]) -> str:
    commit, changed = environment["git_commit"], len(environment["git_changed_files"])
    code = "no git commit" if commit is None else f"commit {commit[:7]}"
    code += f" with {changed} changed files" if changed else ""
    devices = [f"{environment['cpu_count']} CPUs", *environment["gpus"]]
    packages = environment["packages"]
    return f"{', '.join(devices)}, torch {packages['torch']}, xmr {packages['xmr']}, {code}"
