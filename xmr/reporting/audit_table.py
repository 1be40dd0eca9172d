"""The audit of a run's figures as a table for the terminal."""

from collections.abc import Sequence

from rich.table import Table

from xmr.evaluation.audit import AuditRow


def audit_table(rows: Sequence[AuditRow], *, title: str = "") -> Table:
    """A row a figure, grouped by library: its name there, its name in xmr, what it is, and its value.

    Fractions are shown with four decimals, ranks with one.
    """
    table = Table(title=title or None, title_justify="left")
    for heading in ("library", "its name", "xmr", "definition"):
        table.add_column(heading, no_wrap=heading == "its name")
    table.add_column("value", justify="right", no_wrap=True)
    for n, row in enumerate(rows):
        first = n == 0 or rows[n - 1].library != row.library
        last = n + 1 == len(rows) or rows[n + 1].library != row.library
        is_rank = row.xmr_name.startswith(("median_rank", "mean_rank"))
        table.add_row(
            row.library if first else "",
            row.name,
            row.xmr_name,
            row.definition,
            f"{row.value:,.1f}" if is_rank else f"{row.value:.4f}",
            end_section=last,
        )
    return table
