"""Run experiments with several seeds and put their figures beside the published ones.

python scripts/reproduce.py dual_path_stage1 dual_path --data data=flickr8k --seeds 3 --json FILE
python scripts/reproduce.py shapes --set trainer.max_epochs=5 --split test

Stopped or failed, the same command again goes on where it was: finished runs are kept.
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main


def main() -> None:
    """Parse the command line and run the experiments; exit code 1 when a run failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiments", metavar="EXPERIMENT", nargs="+", help="of conf/experiment")
    parser.add_argument(
        "--data",
        metavar="OVERRIDE",
        nargs="+",
        action="extend",
        default=[],
        help="the data, as for train.py: data=table data.path=FILE (default: the experiment's)",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="runs of each experiment (default 3: seeds 0, 1, 2)"
    )
    parser.add_argument(
        "--set",
        metavar="OVERRIDE",
        nargs="+",
        action="extend",
        default=[],
        help="other settings, as for train.py: trainer.max_epochs=5",
    )
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        help="write rows, values of each seed and run folders to this file",
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write the table to this file, too")
    parser.add_argument(
        "--split", choices=["val", "test"], default="val", help="what is scored (default val)"
    )
    arguments = parser.parse_args()
    from xmr.pipelines.reproduce import reproduce

    reproduce(
        arguments.experiments,
        [*arguments.data, *arguments.set],
        seeds=arguments.seeds,
        split=arguments.split,
        json_file=arguments.json,
        markdown_file=arguments.markdown,
    )


if __name__ == "__main__":
    guarded_main(main)
