"""Measure xmr against its alternatives, side by side in one run.

python scripts/bench.py training --json bench.json    what a training step and a batch of features cost
python scripts/bench.py evaluation --shape flickr_1k   what an evaluation costs, beside other libraries
python scripts/bench.py search --sizes 1000,10000      what a search costs and finds, by index and size
python scripts/bench.py search --sizes 1000000 --batches    the exact index beside the bare product
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main


def main() -> None:
    """Parse the command line and run a benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["training", "evaluation", "search"], help="what to measure")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--steps", type=int, default=400, help="steps of a measured run (default 400)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, each with every row (default 5)")
    parser.add_argument("--shape", default="flickr_1k", help="flickr_1k (default), coco_5k or classes_100k")
    parser.add_argument("--peers", default="all", help="names separated by commas, all (default) or none")
    parser.add_argument("--dim", type=int, help="dimensions of the embeddings (default: those of the shape)")
    parser.add_argument("--limit", choices=["none", "rank_r"], default="none", help="how deep xmr ranks")
    parser.add_argument("--sizes", type=_sizes, default="1000,10000,100000", help="gallery sizes of a search")
    parser.add_argument("--kinds", default="all", help="indexes to search, separated by commas, or all")
    parser.add_argument("--plot", type=Path, help="draw search times by gallery size to this PNG")
    parser.add_argument("--batches", action="store_true", help="search with 1, 2, ... 1,024 queries, exactly")
    arguments = parser.parse_args()

    if arguments.what == "evaluation":
        from xmr.pipelines.bench.evaluation import bench_evaluation

        bench_evaluation(
            shape=arguments.shape,
            peers=arguments.peers,
            rounds=arguments.rounds,
            dim=arguments.dim,
            limit=arguments.limit,
            json_file=arguments.json,
        )
        return

    if arguments.what == "search":
        from xmr.pipelines.bench.search import bench_batches, bench_search

        rounds, json_file = arguments.rounds, arguments.json
        if arguments.batches:
            bench_batches(size=max(arguments.sizes), rounds=rounds, json_file=json_file)
        else:
            bench_search(
                sizes=arguments.sizes,
                kinds=arguments.kinds,
                rounds=rounds,
                json_file=json_file,
                plot_file=arguments.plot,
            )
        return

    from xmr.pipelines.bench.training import bench_training

    bench_training(steps=arguments.steps, rounds=arguments.rounds, json_file=arguments.json)


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


if __name__ == "__main__":
    guarded_main(main)
