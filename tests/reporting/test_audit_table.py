from io import StringIO

from rich.console import Console

from xmr.evaluation.audit import AuditRow
from xmr.reporting.audit_table import audit_table


def test_each_library_is_named_once_and_fractions_and_ranks_are_told_apart():
    rows = [
        AuditRow("ranx", "mrr", "reciprocal_rank", "1 / first relevant rank", 1.0),
        AuditRow("ranx", "map@5", "average_precision_at_5_over_positives", "over R", 0.375),
        AuditRow("VSE++", "meanr", "mean_rank", "mean of first ranks", 1234.56),
    ]
    console = Console(width=140, record=True, file=StringIO())
    console.print(audit_table(rows, title="flickr"))
    lines = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in console.export_text().splitlines()
    ]
    assert ["ranx", "mrr", "reciprocal_rank", "1 / first relevant rank", "1.0000"] in lines
    assert ["", "map@5", "average_precision_at_5_over_positives", "over R", "0.3750"] in lines
    assert ["VSE++", "meanr", "mean_rank", "mean of first ranks", "1,234.6"] in lines
