"""Score a checkpoint: python scripts/evaluate.py checkpoint=runs/.../checkpoints/best.ckpt [split=test]."""

from xmr.pipelines.cli import run

if __name__ == "__main__":
    run("xmr.pipelines.evaluate:evaluate", config_name="evaluate")
