"""Score a checkpoint: python scripts/evaluate.py checkpoint=runs/.../checkpoints/best.ckpt [split=test]."""

from xmr.pipelines.cli import run
from xmr.pipelines.early_checks import check_evaluate

if __name__ == "__main__":
    run("xmr.pipelines.evaluate:evaluate", config_name="evaluate", lists=("split",), check=check_evaluate)
