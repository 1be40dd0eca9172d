"""scripts/compare.py: a table, a page with pictures where the data is, and JSON, from real run folders."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.pipelines.made_runs import PROTOCOL, made_models, made_run
from tests.pipelines.running import Outcome, run_script, script_here
from tests.pipelines.tiny_run import train_tiny_run
from xmr.core.errors import ConfigError
from xmr.core.files import write_json
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import QueryResults, read_queries, write_queries
from xmr.pipelines.compare.about import about_models
from xmr.pipelines.compare.inputs import read_models
from xmr.pipelines.compare.looks import looks_of


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user with two models of two seeds each."""
    monkeypatch.chdir(tmp_path)
    made_models(tmp_path)
    return tmp_path


def compare_here(*words: str, cwd: Path, code: int = 0) -> Outcome:
    outcome = script_here("scripts/compare.py", *words, cwd=cwd)
    assert outcome.code == code, outcome.stderr + outcome.stdout
    assert "Traceback" not in outcome.stderr
    return outcome


def data_of(page: Path) -> dict:
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.DOTALL).group(1))


def test_two_runs_by_the_real_command(runs: Path) -> None:
    words = ("runs/a/a0", "runs/b/latest", "--json", "deep/compare.json", "--html", "compare.html")
    outcome = run_script("scripts/compare.py", *words, cwd=runs, COLUMNS="80")
    assert outcome.code == 0, outcome.stderr
    assert "B is better at image_to_text recall@1 by" in outcome.stdout
    assert "deep/compare.json" in outcome.stdout
    made = json.loads((runs / "deep/compare.json").read_text())
    assert made["models"]["a"] == {"name": "made margin=0", "runs": ["runs/a/a0"], "seeds": [0]}
    assert made["settings"] == {"loss.margin": [0.0, 1.5]}
    assert made["cost"]["training, seconds"] == [10.0, 11.0]
    assert made["cost"]["embedding, seconds an item (image)"] == [0.5, 0.5]
    data = data_of(runs / "compare.html")
    assert data["verdict"] == made["verdict"] in outcome.stdout
    assert any("no pictures" in note for note in data["notes"]), "the made config has no data set"
    assert any("of 12 items" in note for note in data["notes"])


def test_seeds_are_named_by_commas_or_by_their_folder(runs: Path) -> None:
    made_run(runs / "runs/a/a2")
    (runs / "runs/a/a2/results.json").unlink()
    a, b = read_models("runs/a", "runs/b/b0,runs/b/b1")
    assert [run.folder.name for run in a.runs] == ["a0", "a1"], "links are not followed"
    assert [path.name for path in a.left_out] == ["a2"]
    assert [run.folder.name for run in b.runs] == ["b0", "b1"]
    about = about_models(a, b)
    assert about.models[0].seeds == (0, 1)
    assert about.cost["training, seconds"] == (10.5, 10.5)
    assert "A: 1 runs have no results and are left out: runs/a/a2" in about.notes
    outcome = compare_here("runs/a", "runs/b", "--json", "c.json", cwd=runs)
    assert "runs/a/a2" in outcome.stdout
    recall = json.loads((runs / "c.json").read_text())["metrics"][0]
    assert recall["a"]["deviation"] is not None


def test_equal_models_are_told_apart_by_their_seeds(runs: Path) -> None:
    about = about_models(*read_models("runs/a/a0", "runs/a/a1"))
    assert [model.name for model in about.models] == ["made seed=0", "made seed=1"]
    assert about.settings == {}


def test_means_over_groups_are_told_apart_from_means_over_queries(runs: Path) -> None:
    for name in ("a/a0", "b/b0"):
        file = runs / "runs" / name / "results.json"
        results = json.loads(file.read_text())
        results["metrics"] |= {"text_to_image/mAP": 0.123, "composed_to_image/recall_subset@1": 0.5}
        write_json(file, results)
    notes = " ".join(about_models(*read_models("runs/a/a0", "runs/b/b0")).notes)
    assert "means here are over queries" in notes
    assert "text_to_image/mAP" in notes
    assert "no query has a value of its own: composed_to_image/recall_subset@1" in notes


def turned(of: QueryResults) -> QueryResults:
    """What a model would have that ranks all entries of a small gallery the other way round."""
    found = of.retrieved[:, ::-1]
    items = np.array([[id_.partition("#")[0] for id_ in row] for row in found.tolist()])
    first = 1.0 + np.argmax(items == of.item_ids[:, None], axis=1)
    recalls = {f"recall@{k}": (first <= k).astype(float) for k in (1, 5, 10)}
    return replace(
        of, values={**of.values, **recalls, "first_rank": first}, retrieved=found, scores=-of.scores[:, ::-1]
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace with a real run, `a`, and a made-up one, `b`, which ranks the same data the other way."""
    workplace = tmp_path_factory.mktemp("compare")
    run = train_tiny_run(workplace)
    shutil.copytree(run, workplace / "a")
    other = Path(shutil.copytree(run, workplace / "b"))
    results = json.loads((other / "results.json").read_text())
    write_json(other / "results.json", {**results, "run": {"id": "turned", "name": "turned"}})
    queries = {name: turned(of) for name, of in read_queries(run / "queries.parquet").items()}
    write_queries(other / "queries.parquet", queries, Protocol.from_json(results["protocol"]))
    return workplace


def test_the_page_of_real_runs_shows_their_pictures(trained: Path) -> None:
    compare_here("a", "b", "--html", "c.html", cwd=trained)
    data = data_of(trained / "c.html")
    assert not any("no pictures" in note for note in data["notes"])
    assert any("picture" in query for query in data["queries"]), "images that find texts"
    for query in data["queries"]:
        item = query["id"].partition("#")[0]
        right = [data["entries"][entry] for entry in query["relevant"]]
        assert {entry["id"].partition("#")[0] for entry in right} == {item}
        for found, rank in zip(query["found"], query["ranks"], strict=True):
            assert min(each["place"] for each in found if each["correct"]) == rank
            for each in found:
                assert each["correct"] == (data["entries"][each["entry"]]["id"].partition("#")[0] == item)


def test_without_the_data_there_are_texts_and_a_note(trained: Path) -> None:
    moved = trained / "elsewhere.jsonl"
    (trained / "table.jsonl").rename(moved)
    try:
        compare_here("a", "b", "--html", "c.html", cwd=trained)
        data = data_of(trained / "c.html")
        assert any("the data set is not here" in note for note in data["notes"])
        assert data["pictures"] == []
        assert any("text" in query for query in data["queries"])
        compare_here("a", "b", "--html", "c.html", "--set", f"data.path={moved}", cwd=trained)
        assert data_of(trained / "c.html")["pictures"] != []
        whole = moved.read_text()
        moved.write_text("\n".join(whole.splitlines()[:-1]))
        compare_here("a", "b", "--html", "c.html", "--set", f"data.path={moved}", cwd=trained)
        assert any("not the one evaluated on" in note for note in data_of(trained / "c.html")["notes"])
        moved.write_text(whole)
    finally:
        moved.rename(trained / "table.jsonl")


def test_numbers_of_one_run_are_those_of_its_results(runs: Path) -> None:
    a, b = read_models("runs/a/a0", "runs/b/b0")
    compare_here("runs/a/a0", "runs/b/b0", "--json", "c.json", cwd=runs)
    made = {one["metric"]: one for one in json.loads((runs / "c.json").read_text())["metrics"]}
    for side, model in (("a", a), ("b", b)):
        for name, value in model.runs[0].results["metrics"].items():
            assert made[name][side]["value"] == pytest.approx(value)
    assert np.isfinite([one["p"] for one in made.values() if one["p"] is not None]).all()


def test_a_setting_that_the_run_does_not_have_is_named() -> None:
    config = OmegaConf.create(
        {"data": {"path": "x"}, "model": {"_target_": "xmr.models.dual_encoder.DualEncoder"}}
    )
    with pytest.raises(ConfigError, match=r"unknown setting 'data\.pat'; did you mean 'data\.path'"):
        looks_of(config, PROTOCOL, ["data.pat=y"])
