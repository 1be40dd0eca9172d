"""Say which words of captions count: python scripts/explain.py checkpoint=RUN [split=val] [queries=8]."""

from xmr.pipelines.cli import run
from xmr.pipelines.early_checks import check_explain

if __name__ == "__main__":
    run("xmr.pipelines.explain:explain", config_name="explain", check=check_explain)
