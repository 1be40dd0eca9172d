"""From a trained model of composed queries to the two files that CIRR's server takes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pipelines.running import script_here
from tests.pipelines.tiny_run import train_tiny_run
from xmr.data.cirr import UnansweredQuery
from xmr.pipelines.cirr_server import rank

IMAGES = 56


@pytest.fixture(scope="module")
def cirr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIRR's test split, made up: 56 photographs, two queries."""
    root = tmp_path_factory.mktemp("cirr")
    names = [f"test1-{n}-0-img0" for n in range(IMAGES)]
    for folder in ("captions", "image_splits", "img_raw/test1"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        Image.new("RGB", (24, 24), (4 * number, 90, 250 - 4 * number)).save(
            root / f"img_raw/test1/{name}.png"
        )
    records = [
        {"pairid": pair, "reference": names[pair], "caption": f"make it {text}"}
        | {"img_set": {"id": pair, "members": names[pair - 2 : pair + 4]}}
        for pair, text in ((12, "red"), (33, "blue"))
    ]
    (root / "captions/cap.rc2.test1.json").write_text(json.dumps(records))
    files = {name: f"./test1/{name}.png" for name in names}
    (root / "image_splits/split.rc2.test1.json").write_text(json.dumps(files))
    return root


def test_both_files_are_written_and_whole(cirr: Path, tmp_path: Path) -> None:
    settings = (
        "data=shapes",
        "data.size=24",
        "model=composed_encoder",
        "fusion=sum",
        "encoder/text=glove_mean",
    )
    trained = script_here(
        *("train.py", "experiment=tirg", *settings, "trainer.max_epochs=1", "batch_size=6", "name=tiny"),
        *("encoder/image=efficientnet_lite0", "encoder.image.size=32", "logger=csv_only"),
        *("evaluation.panels.queries=1", "trainer.limit_train_batches=1"),
        cwd=tmp_path,
    )
    assert trained.code == 0, trained.stderr
    outcome = script_here("scripts/cirr_submission.py", "runs/tiny/latest", "--root", str(cirr), cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "runs/tiny/latest/evaluations/cirr-test1/recall.json" in outcome.stdout
    folder = tmp_path / "runs/tiny/latest/evaluations/cirr-test1"
    everywhere = json.loads((folder / "recall.json").read_text())
    in_sets = json.loads((folder / "recall_subset.json").read_text())
    assert (everywhere["version"], everywhere["metric"], in_sets["metric"]) == (
        "rc2",
        "recall",
        "recall_subset",
    )
    assert len(everywhere["12"]) == 50
    assert "test1-12-0-img0" not in everywhere["12"]
    assert len(in_sets["33"]) == 3
    assert set(in_sets["33"]) < {f"test1-{n}-0-img0" for n in (31, 32, 34, 35, 36)}


def test_ranks_are_a_loops() -> None:
    rng = np.random.default_rng(0)
    gallery, vectors = rng.normal(size=(7, 3)), rng.normal(size=(2, 3))
    gallery[4] = gallery[1]
    names = list("abcdefg")
    queries = [UnansweredQuery("1", "c", "", ("a", "b", "e")), UnansweredQuery("2", "b", "", ("e", "f", "g"))]
    everywhere, in_sets = rank(vectors, gallery, queries, names)
    for query, vector in zip(queries, vectors, strict=True):
        scored = sorted(((-float(vector @ row), name) for row, name in zip(gallery, names, strict=True)))
        wanted = [name for _, name in scored if name != query.reference]
        assert everywhere[query.pair_id] == wanted
        assert in_sets[query.pair_id] == [name for name in wanted if name in query.members]


def test_a_model_without_composed_queries_is_refused(cirr: Path, tmp_path: Path) -> None:
    run = train_tiny_run(tmp_path)
    outcome = script_here("scripts/cirr_submission.py", str(run), "--root", str(cirr), cwd=tmp_path)
    assert outcome.code == 1
    assert "takes no image + text queries" in outcome.stderr
