"""A whole run on the embedded emoji, as `make demo` makes one, with fewer epochs and smaller pictures."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

import xmr
from tests.pipelines.running import ROOT, Outcome, run_script, script_here
from xmr.core.errors import XmrError

SETTINGS = ("experiment=emoji", "name=demo", "trainer.max_epochs=10", "encoder.image.size=128")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def training(workplace: Path) -> Outcome:
    outcome = run_script("train.py", *SETTINGS, "logger.wandb.mode=offline", cwd=workplace, timeout=1500)
    assert outcome.code == 0, outcome.stderr
    return outcome


@pytest.fixture(scope="module")
def run(workplace: Path, training: Outcome) -> Path:
    return (workplace / "runs/demo/latest").resolve()


@pytest.fixture(scope="module")
def loaded(run: Path) -> "xmr.pipelines.load.LoadedRun":
    return xmr.load(run)


def results(path: Path) -> dict:
    return json.loads((path / "results.json").read_text())


def test_it_learns_held_out_concepts(run: Path) -> None:
    """Stated: at least 35 % of held-out texts find their picture among 10 of 266; chance is 3.8 %."""
    written = results(run)
    metrics, chance, untrained = written["metrics"], written["chance"], written["untrained"]
    assert metrics["text_to_image/recall@10"] > 0.35
    assert metrics["text_to_image/recall@10"] > 5 * untrained["text_to_image/recall@10"]
    assert chance["text_to_image/recall@10"] == pytest.approx(10 / 266)


def test_the_run_folder_holds_what_the_readme_says(run: Path) -> None:
    for name in ("config.yaml", "environment.json", "metrics.csv", "results.json", "run.log"):
        assert (run / name).stat().st_size > 0, name
    assert (run / "checkpoints/best.ckpt").exists()
    assert (run / "checkpoints/last.ckpt").exists()
    assert not (run / "test_touches.jsonl").exists(), "training must not look at the test split"
    environment = json.loads((run / "environment.json").read_text())
    assert "experiment=emoji" in environment["command"]


def test_panels_are_pictures(run: Path) -> None:
    for name in ("text_to_image-random", "image_to_text-random", "text_to_image-hardest", "curves"):
        with Image.open(run / "panels" / f"{name}.png") as panel:
            assert panel.width > 800
            assert panel.getextrema() != (255, 255)


def test_the_output_says_what_came_out_and_what_to_do_next(run: Path, training: Outcome) -> None:
    assert "untrained" in training.stdout
    assert "chance" in training.stdout
    assert f"runs/demo/{run.name}" in training.stdout
    assert "scripts/evaluate.py" in training.stdout
    assert "wandb sync" in training.stdout


def test_wandb_ran_offline_beside_the_csv(run: Path) -> None:
    assert list(run.glob("wandb/offline-run-*/*.wandb"))


def test_a_second_run_reuses_the_features(workplace: Path, run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in workplace.glob("cache/features/*/features.npy")}
    assert len(before) == 4
    outcome = script_here(
        "train.py", *SETTINGS, "trainer.max_epochs=1", "name=second", "logger=csv_only", cwd=workplace
    )
    assert outcome.code == 0, outcome.stderr
    assert "features," not in outcome.stderr, "no progress bar of feature extraction"
    after = {path: path.stat().st_mtime_ns for path in workplace.glob("cache/features/*/features.npy")}
    assert after == before


def test_evaluate_gives_the_score_of_training(workplace: Path, run: Path) -> None:
    outcome = script_here(
        "scripts/evaluate.py",
        f"checkpoint={run}/checkpoints/best.ckpt",
        "split=val",
        "audit=10",
        cwd=workplace,
    )
    assert outcome.code == 0, outcome.stderr
    again = results(run / "evaluations/val-best")
    assert again["metrics"] == results(run)["metrics"]
    assert again["protocol"] == results(run)["protocol"]
    assert not (run / "test_touches.jsonl").exists()
    audit = json.loads((run / "evaluations/val-best/audit.json").read_text())
    by_name = {(row["library"], row["name"]): row["value"] for row in audit["text_to_image"]}
    assert by_name["VSE++", "R@10"] == again["metrics"]["text_to_image/recall@10"]
    assert by_name["torchmetrics", "RetrievalMAP"] == again["metrics"]["text_to_image/mAP"]
    assert "VSE++" in outcome.stdout


def test_a_protocol_of_other_data_or_split_is_refused(workplace: Path, run: Path) -> None:
    for protocol, reason in (("coco_5k", "data=coco_captions, not emoji"), ("cirr", "data=cirr, not emoji")):
        outcome = script_here(
            "scripts/evaluate.py", f"checkpoint={run}", "split=val", f"protocol={protocol}", cwd=workplace
        )
        assert outcome.code == 1
        assert reason in outcome.stderr
        assert "Traceback" not in outcome.stderr
    assert not (run / "evaluations/val-best-coco_5k").exists()


def test_each_use_of_the_test_split_is_logged(workplace: Path, run: Path) -> None:
    for _ in range(2):
        outcome = script_here("scripts/evaluate.py", f"checkpoint={run}", cwd=workplace)
        assert outcome.code == 0, outcome.stderr
    assert "2 times" in outcome.stdout
    assert len((run / "test_touches.jsonl").read_text().splitlines()) == 2
    assert results(run / "evaluations/test-best")["protocol"]["split"] == "test"


def test_a_text_finds_its_picture(loaded: "xmr.pipelines.load.LoadedRun") -> None:
    vectors = loaded.encode_text(["red heart", "grinning face"])
    assert vectors.shape == (2, 512)
    assert (vectors**2).sum(axis=1) == pytest.approx(1, abs=1e-5)
    hits = loaded.search(text="a car", k=5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.image.size == (96, 96) for hit in hits)


def test_a_picture_finds_itself_and_its_text(loaded: "xmr.pipelines.load.LoadedRun") -> None:
    item = loaded.split.image_ids[0]
    picture = loaded.dataset.read_image(str(loaded.split.image_keys[0]))
    assert loaded.search(image=picture, k=1)[0].id == item
    assert len(loaded.search(image=picture, among="text", k=3)) == 3


def test_misuse_of_a_loaded_run_is_explained(loaded: "xmr.pipelines.load.LoadedRun", tmp_path: Path) -> None:
    with pytest.raises(XmrError, match="give one of them"):
        loaded.search()
    with pytest.raises(XmrError, match=r"k=1000 > gallery size 266"):
        loaded.search(text="a car", k=1000)
    with pytest.raises(XmrError, match="list of texts"):
        loaded.encode_text("a car")
    with pytest.raises(XmrError, match="no checkpoint"):
        xmr.load(tmp_path)


def test_the_notebook_runs(run: Path) -> None:
    notebook = nbformat.read(ROOT / "notebooks/quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "strip the outputs before committing"
    os.environ["XMR_RUN"] = str(run)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(run)}}).execute()
    printed = "".join(str(cell.get("outputs")) for cell in notebook.cells)
    assert "text_to_image" in printed
