"""Embed a data set into a store: python scripts/embed.py checkpoint=PATH store=DIR [split=val,test]."""

from xmr.pipelines.cli import run
from xmr.pipelines.early_checks import check_embed

if __name__ == "__main__":
    run("xmr.pipelines.embed:embed", config_name="embed", lists=("split", "modality"), check=check_embed)
