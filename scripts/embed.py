"""Embed a data set into a store: python scripts/embed.py checkpoint=PATH store=DIR [split=val,test]."""

from xmr.pipelines.cli import run

if __name__ == "__main__":
    run("xmr.pipelines.embed:embed", config_name="embed", lists=("split", "modality"))
