"""Search in a store of embeddings, by a text, a picture, or both.

python scripts/search.py stores/emoji --text "a happy cat"
python scripts/search.py stores/emoji --image photo.jpg --among text -k 5
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main
from xmr.pipelines.early_checks import check_search


def main() -> None:
    """Parse the command line and search."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path, help="the folder that scripts/embed.py made")
    parser.add_argument("--text", help="what to look for, in words")
    parser.add_argument("--image", type=Path, metavar="FILE", help="a picture to look for; also with --text")
    parser.add_argument("-k", type=int, help="how many to find (default 10, or all when there are fewer)")
    parser.add_argument("--among", choices=["image", "text"], help="what to find (default image)")
    parser.add_argument("--index", metavar="NAME", help="an index that scripts/build_index.py built")
    parser.add_argument("--panel", type=Path, metavar="FILE", help="the PNG to draw (default: in the store)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="where the model is, if it was moved")
    arguments = vars(parser.parse_args())
    store = arguments.pop("store")

    check_search(store, **arguments)

    from xmr.pipelines.search import search

    search(store, **arguments)


if __name__ == "__main__":
    guarded_main(main)
