"""Train a cross-modal retrieval model: python train.py [experiment=NAME] [key=value ...]."""

import sys

from xmr.pipelines.cli import run, run_resumed

if __name__ == "__main__":
    if any(word.startswith("resume=") for word in sys.argv[1:]):
        run_resumed("xmr.pipelines.train:resume")
    else:
        run("xmr.pipelines.train:train", config_name="train")
