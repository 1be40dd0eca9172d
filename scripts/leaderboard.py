"""Compare the runs below a folder: a board for each protocol, models best first.

python scripts/leaderboard.py runs/ --metric text_to_image/recall@1
python scripts/leaderboard.py runs/ --html board.html --json board.json
python scripts/leaderboard.py submit vectors.npz --protocol standard --name clip    (submit --help tells more)
"""

import argparse
import sys
from pathlib import Path

from xmr.pipelines.cli import guarded_main

FILES = {
    "html": "one page to sort, filter and look at, which opens without a server",
    "json": "everything",
    "csv": "a row for each model",
    "markdown": "the tables",
    "parquet": "a row for each run: settings, metrics and cost as columns",
}
SUBMIT = """Score embeddings that any tool has made, under a protocol, for the board.

python scripts/leaderboard.py submit vectors.npz --protocol standard --name clip --split val
python scripts/leaderboard.py submit vectors.npz --protocol cirr --name mine data=cirr data.root=DIR

FILE is an .npz of numpy arrays: image_vectors (N, D), image_ids (N,), text_vectors (M, D), text_ids (M,).
Protocols of images that find images, and of composed queries, take query_vectors, query_ids, gallery_vectors,
gallery_ids. Ids are those of the data set; instead of text_ids there may be text_item_ids (M,): the image of
each text, with the texts of an image in the data set's order. Vectors of other splits are not used.
Settings (key=value) choose the data as for train.py: data=table data.path=captions.csv.
"""


def main() -> None:
    """Parse the command line and print the boards, or score what is submitted."""
    if sys.argv[1:2] == ["submit"]:
        submit_embeddings(sys.argv[2:])
    else:
        compare_runs()


def compare_runs() -> None:
    """Print the boards, and write the files that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="?", help="a folder of runs")
    parser.add_argument("--metric", default="mean_recall", help="what to sort by (default mean_recall)")
    for name, content in FILES.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {content}")
    parser.add_argument("--wandb", metavar="ENTITY/PROJECT", help="also show the runs of a W&B project")
    parser.add_argument("--to-wandb", action="store_true", help="make that project's saved view and report")
    arguments = vars(parser.parse_args())
    files = {name: path for name in FILES if (path := arguments.pop(name)) is not None}

    from xmr.pipelines.leaderboard import leaderboard

    leaderboard(arguments.pop("runs"), files=files, **arguments)


def submit_embeddings(words: list[str]) -> None:
    """Score the embeddings of a file."""
    parser = argparse.ArgumentParser(
        prog="leaderboard.py submit",
        description=SUBMIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the embeddings, an .npz")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="the data: data=emoji (the default)")
    parser.add_argument("--protocol", required=True, metavar="NAME", help="as of scripts/evaluate.py")
    parser.add_argument("--name", required=True, help="what the board calls it")
    parser.add_argument("--split", help="what is scored (default: the protocol's split, or test)")
    parser.add_argument("--seed", type=int, help="of the model: seeds of one name are one model")
    parser.add_argument("--into", type=Path, default=Path("runs"), help="the folder of runs (default runs/)")
    arguments = vars(parser.parse_intermixed_args(words))
    file, settings, seed = (arguments.pop(key) for key in ("file", "settings", "seed"))

    from xmr.pipelines.submission_file import check_submission

    config = check_submission(file, settings, **arguments)

    from xmr.pipelines.submit import submit

    submit(file, config, seed=seed, **arguments)


if __name__ == "__main__":
    guarded_main(main)
