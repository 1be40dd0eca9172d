"""Search for the best settings: many runs of train.py, chosen by a grid or by Optuna, kept in one study.

python scripts/sweep.py sweep=emoji_losses
python scripts/sweep.py sweep=lr_temperature n_trials=50 workers=2
python scripts/sweep.py sweep=flickr8k_heads data.root=DIR space.seed=[0,1,2] name=three_seeds

A sweep is a file of conf/sweep (or sweep=FILE.yaml). n_trials=, sampler=, pruner=, metric= and space.KEY=
change it; workers=N runs N at a time, engine=ray on Ray; other key=value are for train.py, for all runs.
Stopped, the same command goes on where it was; in a second terminal it helps with what is left.
"""

import argparse
from pathlib import Path

from xmr.pipelines.cli import guarded_main
from xmr.pipelines.sweep.command import sweep


def main() -> None:
    """Parse the command line and run the sweep; exit code 1 when a run failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="sweep=NAME, and what it changes")
    parser.add_argument("--retry-failed", action="store_true", help="run the trials again that failed before")
    parser.add_argument(
        "--to-wandb",
        metavar="FILE",
        nargs="?",
        type=Path,
        const=Path(),
        help="run nothing; write the sweep as a file for `wandb sweep` (default runs/sweeps/NAME/wandb.yaml)",
    )
    arguments = parser.parse_intermixed_args()
    sweep(arguments.settings, retry_failed=arguments.retry_failed, to_wandb=arguments.to_wandb)


if __name__ == "__main__":
    guarded_main(main)
