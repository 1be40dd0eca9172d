"""Check encoders or data before training.

python scripts/doctor.py encoder encoder/text=minilm    facts, sanity checks, golden embeddings
python scripts/doctor.py data data=table data.path=F    counts, unreadable images, leaks between splits
"""

import argparse

from xmr.pipelines.cli import guarded_main


def main() -> None:
    """Parse the command line and run the doctor; exit code 1 when it finds a problem."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subject", choices=["encoder", "data"], help="what to check")
    parser.add_argument(
        "settings", nargs="*", help="settings as for train.py: encoder/image=resnet50 data=table ..."
    )
    parser.add_argument(
        "--record",
        metavar="FOLDER",
        help="write the encoders' golden embeddings there, to compare with later",
    )
    parser.add_argument(
        "--golden", metavar="FOLDER", help="compare with the golden embeddings of this folder"
    )
    arguments = parser.parse_args()
    from xmr.pipelines.doctor.command import doctor

    doctor(arguments.subject, arguments.settings, record=arguments.record, golden=arguments.golden)


if __name__ == "__main__":
    guarded_main(main)
