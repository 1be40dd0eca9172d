"""Index the vectors of a store: python scripts/build_index.py store=DIR index=NAME [modality=text]."""

from xmr.pipelines.cli import run

if __name__ == "__main__":
    run("xmr.pipelines.build_index:build_index", config_name="build_index")
