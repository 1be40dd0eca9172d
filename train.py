"""Train a cross-modal retrieval model: python train.py [experiment=NAME] [key=value ...]."""

from xmr.pipelines.cli import run

if __name__ == "__main__":
    run("xmr.pipelines.train:train", config_name="train")
