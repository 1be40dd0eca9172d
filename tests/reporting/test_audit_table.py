from io import StringIO

from rich.console import Console

from xmr.evaluation.audit import AuditRow
from xmr.reporting.audit_table import audit_table


def rows(value: float) -> list[AuditRow]:
    return [
        AuditRow("ranx", "mrr", "reciprocal_rank", "1 / first relevant rank", value),
        AuditRow("VSE++", "meanr", "mean_rank", "mean of first ranks", 1234.56),
        AuditRow("pytrec_eval", "recip_rank", "reciprocal_rank", "1 / first relevant rank", value),
    ]


def test_each_definition_is_a_row_with_its_values_and_all_its_names() -> None:
    console = Console(width=100, record=True, file=StringIO())
    console.print(audit_table({"image_to_text": rows(0.5), "text_to_image": rows(0.25)}))
    lines = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in console.export_text().splitlines()
    ]
    at = lines.index(["0.5000", "0.2500", "reciprocal_rank", "ranx mrr"])
    assert lines[at + 1] == ["", "", "1 / first relevant rank", "pytrec_eval recip_rank"]
    assert ["1,234.6", "1,234.6", "mean_rank", "VSE++ meanr"] in lines
