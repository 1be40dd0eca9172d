"""The audit of a run as a table for the terminal: a row for each definition, and who calls it what."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from xmr.evaluation.audit import AuditRow


def audit_table(audits: Mapping[str, Sequence[AuditRow]], *, title: str = "") -> Table:
    """A row for each definition among `audits` (by direction): its value, what it is, its names elsewhere.

    Fractions are shown with four decimals, ranks with one.
    """
    table = Table(title=title or None, title_justify="left", show_lines=True)
    for direction in audits:
        heading = " → ".join(part[0] for part in direction.split("_to_"))
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("definition", ratio=1, overflow="fold")
    table.add_column("called", ratio=1, overflow="fold")
    values = {direction: {row.xmr_name: row.value for row in rows} for direction, rows in audits.items()}
    names: dict[str, list[AuditRow]] = {}
    for row in next(iter(audits.values())):
        names.setdefault(row.xmr_name, []).append(row)
    for xmr_name, rows in names.items():
        digits = 1 if xmr_name.startswith(("median_rank", "mean_rank")) else 4
        table.add_row(
            *(f"{of_direction[xmr_name]:,.{digits}f}" for of_direction in values.values()),
            Text.assemble((xmr_name, "bold"), "\n", rows[0].definition),
            Text("\n").join(Text.assemble((row.library, "dim"), " ", row.name) for row in rows),
        )
    return table
