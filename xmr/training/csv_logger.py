"""metrics.csv: one row a logged step, appended as it happens, and kept when a run is resumed."""

import csv
import io
from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from xmr.core.files import atomic_path


class CsvLogger(Logger):
    """Writes metrics to a CSV file with the columns `step`, `epoch` and one for each metric seen so far.

    Lightning's own logger deletes the file when a run goes on; this one keeps the rows up to
    `resume_step` (the steps that the checkpoint has seen) and drops later ones, so that the file ends up
    as if the run had never stopped. Without `resume_step` it begins anew.
    """

    def __init__(self, path: Path, *, resume_step: int | None = None) -> None:
        super().__init__()
        self.path = path
        self._columns = ["step", "epoch"]
        rows: list[dict[str, str]] = []
        if resume_step is not None and path.exists():
            rows = [row for row in self._read() if int(row["step"]) <= resume_step]
        self._write(rows)

    @property
    def name(self) -> str:
        """Unused, but asked for by Lightning."""
        return "csv"

    @property
    def version(self) -> str:
        """Unused, but asked for by Lightning."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append a row; new columns make the whole file be written anew."""
        row = {"step": step, **{name: float(value) for name, value in metrics.items()}}
        new = [name for name in metrics if name not in self._columns]
        if new:
            rows = self._read()
            self._columns += new
            self._write([*rows, row])
        else:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns).writerow(row)

    def _read(self) -> list[dict[str, str]]:
        """The rows of the file, whose columns become those of the logger."""
        with self.path.open(newline="", encoding="utf-8") as file:
            text = file.read()
        whole = text[: text.rfind("\n") + 1]  # a kill may have cut the last row short
        reader = csv.DictReader(io.StringIO(whole, newline=""))
        self._columns = list(reader.fieldnames or self._columns)
        return list(reader)

    @rank_zero_only
    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        with atomic_path(self.path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)
