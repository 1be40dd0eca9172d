"""Build a data set's files.

python scripts/prepare_data.py emoji    from the npm packages that ATTRIBUTION.md names
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.progress import track

from xmr.data.emoji import FOLDER
from xmr.pipelines.cli import guarded_main
from xmr.pipelines.emoji.packages import fetch_packages, unpack_packages
from xmr.pipelines.emoji.prepare import prepare_emoji


def main() -> None:
    """Parse the command line, build the data set, and say where it lies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", choices=["emoji"], help="the data set to build")
    parser.add_argument(
        "--packages", type=Path, help="folder with the .tgz files of `npm pack`; without it npm fetches them"
    )
    parser.add_argument(
        "--output", type=Path, default=FOLDER, help="folder to write to (default: where load_emoji reads)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        archives = arguments.packages or fetch_packages(Path(scratch) / "archives")
        unpacked = unpack_packages(archives, Path(scratch) / "packages")
        header = prepare_emoji(
            unpacked,
            arguments.output,
            track=lambda ids: track(ids, "pictures", disable=not sys.stderr.isatty()),
        )
    print(
        f"{header['items']} items, {header['pictures']} pictures and {header['edits']} edits "
        f"written to {arguments.output}\nNext: python train.py data=emoji"
    )


if __name__ == "__main__":
    guarded_main(main)
