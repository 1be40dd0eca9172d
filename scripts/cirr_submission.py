"""Rank CIRR's test split, whose targets its server alone knows, and write the files that it takes.

python scripts/cirr_submission.py runs/tirg/latest --root datasets/cirr
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main
from xmr.pipelines.early_checks import checkpoint_path


def main() -> None:
    """Parse the command line, rank, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="the run folder of a model of image + text queries, or its checkpoint")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the folder of CIRR")
    parser.add_argument(
        "--images", default="img_raw", metavar="DIR", help="its photographs (default: img_raw)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: evaluations/cirr-test1 in the run folder"
    )
    arguments = parser.parse_args()

    checkpoint_path(arguments.run)

    from xmr.pipelines.cirr_server import write_submission

    write_submission(arguments.run, root=arguments.root, images=arguments.images, out=arguments.out)


if __name__ == "__main__":
    guarded_main(main)
