"""A comparison in W&B: a real offline run, read back from its folder."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.made_results import made_queries
from tests.reporting.comparison.test_page import MadeLooks, about
from xmr.evaluation.comparison import compare
from xmr.reporting.comparison.content import comparison_content
from xmr.reporting.tracking.compare import log_to_wandb, run_name


def isolate(monkeypatch, folder):
    """No W&B setting or key of this machine, and every file of W&B below `folder`."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(folder / "netrc"))
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(folder))


@pytest.fixture(scope="module")
def models():
    return [made_queries(skill=skill, seed=seed, items=14) for skill, seed in ((0.3, 1), (0.7, 2))]


@pytest.fixture(scope="module")
def comparison(models):
    return compare([models[0]], [models[1]])


@pytest.fixture(scope="module")
def logged(comparison, models, tmp_path_factory):
    """What is read back of the offline run, its folder, and the content that was logged."""
    folder = tmp_path_factory.mktemp("wandb")
    content = comparison_content(comparison, about(), MadeLooks(models[0], broken=("i3",)))
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, folder)
        monkeypatch.chdir(folder)
        import wandb

        wandb.teardown()  # settings that an earlier test left in this process
        command = log_to_wandb(folder, comparison, about(), content, project="xmr-tests")
        assert wandb.run is None
        assert command.startswith("wandb sync ")
        run_folder = folder / shlex.split(command)[-1]
        inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(run_folder)]
        read = subprocess.run(inspect, capture_output=True, text=True, check=True, timeout=60)
        wandb.teardown()
    return json.loads(read.stdout), run_folder, content


def table(logged, name):
    record, folder, _ = logged
    return json.loads((Path(folder) / "files" / record["summary"][name]["path"]).read_text())


def test_metrics_are_a_table_with_intervals_and_verdicts(logged, comparison):
    made = table(logged, "comparison/metrics")
    assert len(made["data"]) == len(comparison.metrics)
    rows = [dict(zip(made["columns"], row, strict=True)) for row in made["data"]]
    for row, one in zip(rows, comparison.metrics, strict=True):
        assert (row["metric"], row["verdict"]) == (one.metric, one.judgement.verdict)
        assert (row["A"], row["B"]) == pytest.approx(one.values)
        assert row["A low"] <= row["A"] <= row["A high"]
        if one.judgement.difference is not None:
            assert row["difference"] == pytest.approx(one.values[1] - one.values[0])
    assert logged[0]["summary"]["comparison/verdict"] == logged[2]["verdict"]
    assert logged[0]["summary"]["comparison/difference/mean_recall"] == pytest.approx(
        comparison.metrics[-1].judgement.difference.difference
    )


def test_queries_are_a_table_a_direction_with_what_was_found(logged):
    content = logged[2]
    texts, pictures = (
        table(logged, f"comparison/queries/{name}") for name in ("image_to_text", "text_to_image")
    )
    direction = content["directions"][0]
    assert len(texts["data"]) == sum(len(each["at"]) for each in direction["lists"])
    first = dict(zip(texts["columns"], texts["data"][0], strict=True))
    query = content["queries"][direction["lists"][0]["at"][0]]
    assert (first["list"], first["query_id"]) == ("gained@1", query["id"])
    assert [first["rank_A"], first["rank_B"]] == query["ranks"]
    assert first["B_1"].startswith("✓ "), "B alone finds it at rank 1"
    # of a picture this file holds its kind, the artifact of the table the picture
    assert first["query_image"] == "Image"
    cells = {cell for row in pictures["data"] for cell in row[pictures["columns"].index("A_1") :]}
    assert cells == {"Image", None}, "i3 can't be read"
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(logged[1])]
    lines = subprocess.run(
        inspect, capture_output=True, text=True, check=True, timeout=60
    ).stdout.splitlines()
    artifacts = [record["artifact"] for record in map(json.loads, lines) if record["type"] == "artifact"]
    kept = [str(entry) for artifact in artifacts for entry in artifact["manifest"]["contents"]]
    assert sum(".jpg" in entry for entry in kept) >= 2


def test_the_page_goes_along(logged):
    record, folder, content = logged
    page = (Path(folder) / "files" / record["summary"]["comparison/page"]["path"]).read_text()
    assert content["queries"][0]["id"] in page
    assert table(logged, "comparison/slices")["columns"][:4] == ["direction", "by", "metric", "slice"]


def test_the_run_is_named_by_what_is_compared(logged):
    name = run_name(about())
    assert name == run_name(about())
    assert "first" in name
    assert not set(name) & set("/\\#?%: <>")
    assert len(name) < 128
