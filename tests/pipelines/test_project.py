"""scripts/project.py and scripts/explain.py: pictures and numbers of a trained run, in its folder."""

import json
from pathlib import Path

import pytest

from tests.pipelines.running import script_here
from tests.pipelines.tiny_run import train_tiny_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny_run(tmp_path_factory.mktemp("project"))


def workplace(run: Path) -> Path:
    return run.parents[2]


def test_projections_are_written_into_the_run_folder(run: Path) -> None:
    outcome = script_here("scripts/project.py", f"checkpoint={run}", "methods=pca,tsne", cwd=workplace(run))
    assert outcome.code == 0, outcome.stderr
    folder = run / "evaluations/val-best/projections"
    assert {path.name for path in folder.iterdir()} == {"pca.png", "tsne.png", "projections.html"}
    page = (folder / "projections.html").read_text()
    for said in ("table, val split: tiny, best", "12 embeddings", "4 of 4 pictures", "yellow [13]"):
        assert said in page, said
    assert str(Path("val-best/projections/tsne.png")) in outcome.stdout


def test_two_checkpoints_stand_side_by_side(run: Path) -> None:
    both = f"{run}/checkpoints/best.ckpt,{run}/checkpoints/last.ckpt"
    settings = ("methods=pca", "folder=both", "pictures=false", "points=5")
    outcome = script_here("scripts/project.py", f"checkpoint={both}", *settings, cwd=workplace(run))
    assert outcome.code == 0, outcome.stderr
    folder = workplace(run) / "both"
    assert {path.name for path in folder.iterdir()} == {"1-pca.png", "2-pca.png", "projections.html"}
    page = (folder / "projections.html").read_text()
    for said in ('"1: PCA"', '"2: PCA"', "1: tiny, best · 2: tiny, last", "5 of 12 embeddings"):
        assert said in page, said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["methods=pca,tsn"], "did you mean 'tsne'"),
        (["points=2"], "points=2"),
        (["split=vla"], "did you mean 'val'"),
        (["label_levels=0"], "label_levels=0"),
        (["methods=fc2"], "fc2 takes vectors of 2 dimensions, not 16"),
    ],
)
def test_settings_that_can_not_work_are_explained(run: Path, settings: list[str], said: str) -> None:
    outcome = script_here("scripts/project.py", f"checkpoint={run}", *settings, cwd=workplace(run))
    assert outcome.code == 1
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_words_are_explained_in_the_order_of_the_caption(run: Path) -> None:
    outcome = script_here("scripts/explain.py", f"checkpoint={run}", "queries=3", cwd=workplace(run))
    assert outcome.code == 0, outcome.stderr
    written = json.loads((run / "evaluations/val-best/word_drop.json").read_text())
    assert len(written) == 3
    for item, pair in written.items():
        assert item in {f"p{n}" for n in range(12, 16)}
        words = [each["word"] for each in pair["words"]]
        assert (words[0], words[1], words[3]) == ("a", "tall", "picture")
        assert all(abs(each["change"]) <= 2 for each in pair["words"])
        assert -1 <= pair["similarity"] <= 1
    assert (run / "evaluations/val-best/word_drop.png").is_file()


def test_a_checkpoint_must_be_named(run: Path) -> None:
    for script in ("scripts/explain.py", "scripts/project.py"):
        outcome = script_here(script, cwd=workplace(run))
        assert outcome.code == 1
        assert "name a checkpoint" in outcome.stderr
