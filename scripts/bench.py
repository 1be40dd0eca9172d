"""Measure xmr against its alternatives, side by side in one run.

python scripts/bench.py training --json bench.json    what a training step and a batch of features cost
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main


def main() -> None:
    """Parse the command line and run a benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["training"], help="what to measure")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--steps", type=int, default=400, help="steps of a measured run (default 400)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each with every row (default 5)")
    arguments = parser.parse_args()

    from xmr.pipelines.bench_training import bench_training

    bench_training(steps=arguments.steps, rounds=arguments.rounds, json_file=arguments.json)


if __name__ == "__main__":
    guarded_main(main)
