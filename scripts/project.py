"""Draw embeddings on a plane: python scripts/project.py checkpoint=RUN [methods=pca,tsne] [split=val]."""

from xmr.pipelines.cli import run
from xmr.pipelines.early_checks import check_project

if __name__ == "__main__":
    run(
        "xmr.pipelines.project:project",
        config_name="project",
        lists=("checkpoint", "methods"),
        check=check_project,
    )
