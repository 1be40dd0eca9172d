"""scripts/leaderboard.py submit: embeddings of any tool, scored and shown like those of xmr's own runs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from omegaconf import DictConfig

import xmr
from tests.pipelines.running import Outcome, script_here
from tests.pipelines.tiny_run import train_tiny_run
from xmr.core.errors import DataError
from xmr.core.types import Modality
from xmr.evaluation.results_file import read_queries, read_results
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.submission_file import check_submission, read_sides
from xmr.pipelines.submit import submit
from xmr.pipelines.tasks import protocol_for, task_of
from xmr.reporting.board.board import boards
from xmr.reporting.records.runs import read_runs

DATA = ("data=table", "data.path=table.jsonl", "data.id_column=id", "data.split_column=split")
Change = Callable[[dict[str, np.ndarray]], dict[str, object]]
LABELS = ("data.label_column=label",)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def leaderboard(*words: str, cwd: Path) -> Outcome:
    outcome = script_here("scripts/leaderboard.py", *words, cwd=cwd)
    assert "Traceback" not in outcome.stderr
    return outcome


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny_run(tmp_path_factory.mktemp("submit"))


@pytest.fixture(scope="module")
def workplace(run: Path) -> Path:
    return run.parents[2]


@pytest.fixture(scope="module")
def arrays(run: Path, workplace: Path) -> dict[str, np.ndarray]:
    """What another tool would save: the embeddings of the trained model, of the val split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        loaded = xmr.load(run, split="val")
        split = loaded.split
        return {
            "image_vectors": loaded.encode_image(
                [loaded.dataset.read_image(key) for key in split.image_keys]
            ),
            "image_ids": split.image_ids,
            "text_vectors": loaded.encode_text(list(split.texts)),
            "text_ids": split.text_ids,
        }


@pytest.fixture(scope="module")
def config(workplace: Path) -> DictConfig:
    """The settings of the data of the tiny run."""
    (workplace / "any.npz").touch()
    return check_submission(workplace / "any.npz", (*DATA, *LABELS), protocol="standard", name="x")


@pytest.fixture
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


def score(config: DictConfig, arrays: dict[str, np.ndarray], name: str, *, split: str = "val") -> Path:
    """Submit from the folder that holds the data: where the result lies."""
    np.savez("vectors.npz", **arrays)
    folder = Path("runs/submissions") / name
    before = set(folder.glob("*"))
    submit(Path("vectors.npz"), config, protocol="standard", name=name, split=split)
    (new,) = [path for path in set(folder.glob("*")) - before if path.is_dir()]
    return new


def test_submitted_vectors_score_as_the_run_that_made_them(
    run: Path, workplace: Path, arrays: dict[str, np.ndarray]
) -> None:
    order = np.random.default_rng(0).permutation(len(arrays["text_ids"]))
    shuffled = arrays | {name: arrays[name][order] for name in ("text_vectors", "text_ids")}
    # other tools do not keep unit norm
    shuffled["image_vectors"] = 7 * shuffled["image_vectors"].astype(np.float64)
    np.savez(workplace / "vectors.npz", **shuffled)
    command = ("submit", "vectors.npz", *DATA, "--protocol", "standard", "--name", "mine", "--split", "val")
    outcome = leaderboard(*command, *LABELS, "--seed", "3", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    (folder,) = (workplace / "runs/submissions/mine").iterdir()
    assert str(folder.relative_to(workplace)) in outcome.stdout
    own, given = read_results(run / "results.json"), read_results(folder / "results.json")
    assert given["protocol"] == own["protocol"]
    assert given["metrics"] == pytest.approx(own["metrics"])
    assert given["chance"] == own["chance"]
    assert given["submission"]["file"] == "vectors.npz"
    assert given["seed"] == 3
    of_run, of_file = (read_queries(of / "queries.parquet")["text_to_image"] for of in (run, folder))
    assert of_file.query_ids.tolist() == of_run.query_ids.tolist()
    assert of_file.texts == of_run.texts
    assert of_file.retrieved is not None
    assert of_file.retrieved.tolist() == of_run.retrieved.tolist()


def test_a_submission_stands_on_the_board_of_the_run(
    here: Path, arrays: dict[str, np.ndarray], config: DictConfig
) -> None:
    score(config, arrays, "shown")
    records, _ = read_runs(here / "runs")
    board = next(board for board in boards(records) if board.title == "table, val split")
    assert {"tiny", "shown"} <= {row.label for row in board.rows}
    outcome = leaderboard("runs", cwd=here)
    assert "submission" in outcome.stdout
    assert "share a letter" in outcome.stdout


def test_texts_may_be_named_by_their_items_alone(
    here: Path, arrays: dict[str, np.ndarray], config: DictConfig
) -> None:
    items = np.array([id_.partition("#")[0] for id_ in arrays["text_ids"]])
    by_item = {name: of for name, of in arrays.items() if name != "text_ids"} | {"text_item_ids": items}
    folders = score(config, by_item, "items"), score(config, arrays, "ids")
    one, other = (read_results(folder / "results.json") for folder in folders)
    assert one["metrics"] == other["metrics"]


def test_vectors_of_other_splits_are_not_used_and_counted(
    here: Path, arrays: dict[str, np.ndarray], config: DictConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    more = arrays | {
        "image_vectors": np.vstack([arrays["image_vectors"], np.ones((2, 16))]),
        "image_ids": np.append(arrays["image_ids"], ["p0", "p19"]),
    }
    score(config, more, "more")
    assert "2 image vectors are of other splits" in capsys.readouterr().out


def test_each_use_of_the_test_split_by_a_name_is_noted(
    here: Path, arrays: dict[str, np.ndarray], config: DictConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"p{n}" for n in range(16, 20)]
    texts = [f"{id_}#{n}" for id_ in ids for n in range(2)]
    of_test = arrays | {"image_ids": np.array(ids), "text_ids": np.array(texts)}
    for _ in range(2):
        score(config, of_test, "eager", split="test")
    assert "'eager' has now used the test split 2 times" in capsys.readouterr().out
    score(config, arrays, "eager", split="val")
    records, _ = read_runs(here / "runs")
    assert {record.test_touches for record in records if record.name == "eager"} == {2}


def changed(arrays: dict[str, np.ndarray], **changes: object) -> dict[str, np.ndarray]:
    """`arrays` with those of None left out."""
    return {name: np.asarray(of) for name, of in (arrays | changes).items() if of is not None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda a: {"image_ids": [*a["image_ids"][:-1], "nobody"]},
            ["'nobody' is unknown", "'p15' is missing"],
        ),
        (lambda a: {"image_ids": [a["image_ids"][0]] * 4}, ["'p12' comes 4 times", "'p13' is missing"]),
        (lambda a: {"image_ids": ["p16", "p17", "p18", "p19"]}, ["--split test"]),
        (lambda a: {"image_ids": a["image_ids"][:-1]}, ["shape (3,) for 4 vectors"]),
        (lambda a: {"image_ids": None}, ["it needs image_vectors and image_ids"]),
        (lambda a: {"text_ids": None}, ["(or text_item_ids)"]),
        (lambda a: {"text_item_ids": ["p12"] * 8}, ["'p13#0' is of item 'p13', not 'p12'"]),
        (lambda a: {"image_vectors": a["image_vectors"] * np.nan}, ["image 'p12' is not finite"]),
        (lambda a: {"image_vectors": a["image_vectors"] * 0}, ["image 'p12' is all zeros"]),
        (
            lambda a: {"image_vectors": a["image_vectors"][:, :8]},
            ["image_vectors of 8", "text_vectors of 16"],
        ),
        (lambda a: {"image_vectors": a["image_vectors"][0]}, ["must be numbers (N, D)"]),
        (lambda a: {"image_ids": a["image_ids"].astype(object)}, ["np.array(ids, dtype=str)"]),
        (lambda a: {"image_ids": np.arange(4.0)}, ["text or whole numbers"]),
    ],
)
def test_vectors_that_do_not_fit_are_explained(
    here: Path, arrays: dict[str, np.ndarray], config: DictConfig, change: Change, said: list[str]
) -> None:
    with pytest.raises(DataError) as raised:
        score(config, changed(arrays, **change(arrays)), "broken")
    for words in said:
        assert words in str(raised.value)
    assert not (here / "runs/submissions/broken").exists()


def one_hot(names: np.ndarray) -> np.ndarray:
    """Vectors that are equal for equal names, and at a right angle else."""
    return np.eye(len(set(names.tolist())), dtype=np.float32)[np.unique(names, return_inverse=True)[1]]


@pytest.mark.parametrize(
    ("protocol", "settings", "modalities"),
    [
        ("composed", ("data=shapes", "data.size=60"), (Modality.IMAGE, Modality.COMPOSED)),
        ("scenes", (*DATA, *LABELS, "data.relevance=label"), (Modality.IMAGE, Modality.IMAGE)),
    ],
)
def test_vectors_of_queries_and_gallery_are_scored_by_what_is_relevant(
    here: Path,
    protocol: str,
    settings: tuple[str, ...],
    modalities: tuple[Modality, Modality],
) -> None:
    Path("pairs.npz").touch()
    chosen = check_submission(Path("pairs.npz"), settings, protocol=protocol, name="x")
    task = task_of(modalities, instantiate(chosen.data))
    plan = task.plan("val", protocol_for(task, task.dataset, "val", name=protocol))
    queries, gallery = plan.entries
    items = one_hot(np.concatenate([queries.item_ids, gallery.item_ids]))
    perfect = {
        "query_vectors": items[: len(queries.ids)],
        "query_ids": queries.ids,
        "gallery_vectors": items[len(queries.ids) :][::-1],
        "gallery_ids": gallery.ids[::-1],
    }
    np.savez("pairs.npz", **perfect)
    submit(Path("pairs.npz"), chosen, protocol=protocol, name=protocol, split="val", into=Path("more"))
    (file,) = Path("more/submissions", protocol).glob("*/results.json")
    content = read_results(file)
    direction = "composed_to_image" if protocol == "composed" else "image_to_image"
    assert content["metrics"][f"{direction}/mAP"] == pytest.approx(1.0)
    assert content["metrics"][f"{direction}/mAP"] > content["chance"][f"{direction}/mAP"]
    assert content["protocol"] == plan.protocol.to_json()


@pytest.mark.parametrize(
    ("protocol", "target"),
    [("flickr30k_1k", "xmr.data.flickr.load_flickr30k"), ("standard", "xmr.data.emoji.load_emoji")],
)
def test_the_data_is_the_protocols_or_that_of_training(tmp_path: Path, protocol: str, target: str) -> None:
    (tmp_path / "any.npz").touch()
    chosen = check_submission(tmp_path / "any.npz", (), protocol=protocol, name="x")
    assert chosen.data._target_ == target


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "standrad"], "did you mean 'standard'?"),
        (["--name", "../out"], "names a folder"),
        (["--split", "tset"], "did you mean 'test'?"),
        (["loss=siglip"], "changes nothing of given vectors"),
        (["data.pth=x"], "unknown setting 'data.pth'"),
        (["--protocol", "coco_5k", *DATA], "is for data=coco_captions, not table"),
        (["--protocol", "scenes", *DATA, *LABELS], "it needs query_vectors and query_ids"),
    ],
)
def test_misuse_of_submit_is_explained(
    workplace: Path, arrays: dict[str, np.ndarray], words: list[str], said: str
) -> None:
    np.savez(workplace / "vectors.npz", **arrays)
    command = ("submit", "vectors.npz", "--protocol", "standard", "--name", "x", "--split", "test")
    outcome = leaderboard(*command, *words, cwd=workplace)
    assert outcome.code == 1
    assert said in outcome.stderr


def test_files_that_are_no_npz_are_explained(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("1 2 3")
    np.save(tmp_path / "one.npy", np.ones((2, 3)))
    np.savez(tmp_path / "whole.npz", image_vectors=np.ones((50, 30)))
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:2000])
    for file, said in (
        ("text.npz", "Python objects|no whole"),
        ("one.npy", "single array"),
        ("half.npz", "no whole .npz"),
    ):
        with pytest.raises(DataError, match=said):
            read_sides(tmp_path / file, ["image", "text"])


def test_the_parquet_of_real_runs_has_their_settings(workplace: Path) -> None:
    outcome = leaderboard("runs", "--parquet", "runs.parquet", "--json", "board.json", cwd=workplace)
    assert outcome.code == 0, outcome.stderr
    rows = {row["name"]: row for row in pq.read_table(workplace / "runs.parquet").to_pylist()}
    assert rows["tiny"]["settings.model.dim"] == 16
    assert rows["tiny"]["cost.train_seconds"] > 0
    content = json.loads((workplace / "board.json").read_text())
    assert str(workplace) not in json.dumps(content)
