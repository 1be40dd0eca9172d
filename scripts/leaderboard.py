"""Compare the runs below a folder: a table for each protocol, best first.

python scripts/leaderboard.py runs/ --metric text_to_image/recall@1
"""

import argparse
from pathlib import Path

from rich.console import Console

from xmr.core.errors import MissingFilesError
from xmr.pipelines.cli import guarded_main
from xmr.reporting.leaderboard import board_tables, read_runs


def main() -> None:
    """Parse the command line and print the boards, and what could not be shown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, help="a folder of runs")
    parser.add_argument("--metric", default="mean_recall", help="what to sort by (default mean_recall)")
    arguments = parser.parse_args()
    entries, left_out = read_runs(arguments.runs)
    console = Console()
    if not entries and not left_out:
        raise MissingFilesError(f"no run below {arguments.runs}; python train.py makes one in runs/")
    for table in board_tables(entries, metric=arguments.metric) if entries else []:
        console.print(table)
    for path, reason in left_out.items():
        console.print(f"left out: {path}: {reason}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    guarded_main(main)
