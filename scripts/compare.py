"""Compare two models on the same queries: which is better, by how much, and is it noise?

python scripts/compare.py runs/emoji/latest runs/emoji_siglip/latest --html compare.html
python scripts/compare.py RUN_A RUN_B --evaluation test
python scripts/compare.py runs/emoji/seed0,runs/emoji/seed1 runs/emoji_siglip     seeds of two models

A RUN is a run folder, a folder of its evaluations/, or several runs that differ in their seed alone:
separated by commas, or the folder that they are in.
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main
from xmr.pipelines.compare.inputs import check_outputs, read_models


def main() -> None:
    """Parse the command line, read both models and compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", metavar="RUN_A", help="the model to compare with")
    parser.add_argument("b", metavar="RUN_B", help="the model that is judged")
    parser.add_argument(
        "--evaluation",
        "--split",
        metavar="NAME",
        help="of each run's evaluations/, by name or by split (default: the result of the run itself)",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="the page to write")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the JSON file to write")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a changed setting of RUN_A for the pictures, as data.path=captions.csv; may be repeated",
    )
    parser.add_argument("--wandb", action="store_true", help="log tables and page to W&B, too")
    arguments = vars(parser.parse_args())
    models = [arguments.pop(name) for name in ("a", "b")]
    evaluation, arguments["overrides"] = arguments.pop("evaluation"), arguments.pop("set")

    check_outputs(**arguments)
    a, b = read_models(*models, evaluation=evaluation)

    from xmr.pipelines.compare.command import compare_models

    compare_models(a, b, **arguments)


if __name__ == "__main__":
    guarded_main(main)
