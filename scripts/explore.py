"""Search, map and compare models in a browser: runs, checkpoints and embedding stores, side by side.

python scripts/explore.py runs/emoji/latest
python scripts/explore.py runs/ stores/emoji --port 9000
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main
from xmr.pipelines.explore.command import PORT, check_explore


def main() -> None:
    """Parse the command line and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a run, a checkpoint, a store")
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0: any that is free")
    parser.add_argument("--no-open", action="store_true", help="print the address, open no browser")
    parser.add_argument("--split", metavar="S", help="train, val or test (default val; of stores, all)")
    arguments = parser.parse_args()
    check_explore(arguments.paths, port=arguments.port, split=arguments.split)

    from xmr.pipelines.explore.command import explore

    explore(arguments.paths, port=arguments.port, split=arguments.split, show=not arguments.no_open)


if __name__ == "__main__":
    guarded_main(main)
