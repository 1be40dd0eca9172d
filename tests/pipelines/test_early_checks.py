"""What is wrong with a command line is said at once: before torch and Lightning are imported."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.index.stores import add, embeddings, new_store
from tests.pipelines.running import ROOT
from xmr.core.errors import ConfigError
from xmr.evaluation.protocols import READY, protocols_for, ready_protocol
from xmr.index.manifest import ModelRecord
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.early_checks import checkpoint_path, chosen
from xmr.pipelines.overrides import check_overrides

PROGRAM = """
import io, json, runpy, sys
from contextlib import redirect_stderr, redirect_stdout
said = []
for words in json.load(sys.stdin):
    sys.argv, err, out, code = words, io.StringIO(), io.StringIO(), 0
    with redirect_stderr(err), redirect_stdout(out):
        try:
            runpy.run_path(words[0], run_name="__main__")
        except SystemExit as stop:
            code = stop.code
    heavy = sorted({"torch", "pytorch_lightning", "transformers", "faiss"} & set(sys.modules))
    said.append([code, err.getvalue(), out.getvalue(), heavy])
print(json.dumps(said))
"""

EVALUATE = (
    ((), "name a checkpoint"),
    (("checkpoint=nowhere",), "no checkpoint at"),
    (("checkpoint=lone.ckpt",), "is in no run folder"),
    (("checkpoint=run", "split=tset"), "split=tset; did you mean 'test'?"),
    (("checkpoint=run", "split=val,test"), "one split is scored at a time; use split=val"),
    (("checkpoint=run", "split=all"), "split=all"),
    (("checkpoint=run", "protocol=coco_5kk"), "did you mean 'coco_5k'?"),
    (("checkpoint=run", "audit=0"), "audit=0"),
    (("checkpoint=run", "audit=ten"), "audit=ten"),
    (("checkpoint=run", "audit=5", "protocol=coco_1k_5fold"), "the mean of 5 folds"),
    (("checkpoint=run", "set=['batch_sise=4']"), "did you mean 'batch_size'?"),
    (("checkpoint=run", "audit=1,2"), "audit=1,2 gives several values; choose one"),
)
EMBED = (
    (("checkpoint=run",), "checkpoint=PATH store=DIR"),
    (("checkpoint=nowhere", "store=x"), "no checkpoint at"),
    (("checkpoint=run", "store=x", "split=val,tset"), "split=tset; did you mean 'test'?"),
    (("checkpoint=run", "store=x", "modality=images"), "did you mean 'image'?"),
    (("checkpoint=run", "store=x", "dtype=float61"), "did you mean 'float16'?"),
    (("checkpoint=run", "store=x", "rows_per_segment=0"), "rows_per_segment=0"),
)
PROJECT = (
    ((), "name a checkpoint"),
    (("checkpoint=run,nowhere",), "no checkpoint at"),
    (("checkpoint=run", "methods=pca,tsn"), "methods=tsn; did you mean 'tsne'?"),
    (("checkpoint=run", "points=2"), "points=2"),
    (("checkpoint=run", "split=vla"), "split=vla; did you mean 'val'?"),
    (("checkpoint=run", "label_levels=0"), "label_levels=0"),
)
EXPLAIN = (
    ((), "name a checkpoint"),
    (("checkpoint=run", "queries=0"), "queries=0"),
    (("checkpoint=run", "split=vla"), "split=vla; did you mean 'val'?"),
    (("checkpoint=run", "set=['batch_sise=4']"), "did you mean 'batch_size'?"),
)
SEARCH = (
    (("store",), '--text "..."'),
    (("store", "--text", " "), "--text is empty"),
    (("store", "--image", "nowhere.png"), "nowhere.png does not exist"),
    (("store", "--text", "x", "-k", "0"), "k=0"),
    (("store", "--text", "x", "-k", "9"), "k=9 > gallery size 8; use k <= 8"),
    (("store", "--text", "x", "--panel", "run"), "run is a folder"),
    (("run", "--text", "x"), "run is no embedding store"),
    (("store", "--text", "x", "--checkpoint", "gone.ckpt"), "gone.ckpt, which is gone"),
)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    for name in ("run/checkpoints/best.ckpt", "lone.ckpt"):
        (tmp_path / name).touch()
    (tmp_path / "run/config.yaml").write_text(OmegaConf.to_yaml({"batch_size": 4}))
    checkpoint = str(tmp_path / "run/checkpoints/best.ckpt")
    store = new_store(tmp_path / "store", model=ModelRecord("model-1", checkpoint, "0" * 64, {}))
    add(store, embeddings(8, "i"))
    return tmp_path


def called(cases: list[list[str]], cwd: Path) -> list[tuple[int, str, str, list[str]]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([[str(ROOT / script), *words] for script, *words in cases]),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("script", "cases"),
    [
        ("evaluate", EVALUATE),
        ("embed", EMBED),
        ("project", PROJECT),
        ("explain", EXPLAIN),
        ("search", SEARCH),
    ],
    ids=["evaluate", "embed", "project", "explain", "search"],
)
def test_a_mistake_is_named_before_anything_slow_is_imported(
    script: str, cases: tuple[tuple[tuple[str, ...], str], ...], workplace: Path
) -> None:
    results = called([[f"scripts/{script}.py", *words] for words, _ in cases], workplace)
    for (words, said), (code, err, _, heavy) in zip(cases, results, strict=True):
        assert code == 1, words
        assert err.startswith("error: "), words
        assert said in err, (words, err)
        assert heavy == [], words
    assert not (workplace / "x").exists()


def test_asking_for_the_config_needs_no_checkpoint(workplace: Path) -> None:
    ((code, _, out, heavy),) = called([["scripts/evaluate.py", "--cfg", "job"]], workplace)
    assert (code, heavy) == (0, [])
    assert "split: test" in out


def test_several_values_are_a_sweep_only_where_one_is_asked_for() -> None:
    register_resolvers()
    words = ["loss=triplet,info_nce"]
    assert "Triplet" in check_overrides(CONF, "train", ["-m", *words]).loss._target_
    with pytest.raises(ConfigError, match=r"loss=triplet,info_nce gives several values; .* add -m"):
        check_overrides(CONF, "train", words)


def test_epochs_beside_stages_are_set_in_the_stages() -> None:
    register_resolvers()
    with pytest.raises(ConfigError, match=r"trainer.max_epochs=3 has no meaning .* stages\.0\.epochs=3"):
        check_overrides(CONF, "train", ["experiment=dual_path", "trainer.max_epochs=3"])
    staged = check_overrides(CONF, "train", ["experiment=dual_path", "stages.1.epochs=3"])
    assert [stage.epochs for stage in staged.stages] == [240, 3, 20]
    one = check_overrides(CONF, "train", ["experiment=dual_path", "trainer.max_epochs=3", "stages=null"])
    assert one.trainer.max_epochs == 3
    with pytest.raises(ConfigError, match=r"did you mean 'stages\.0\.epochs'"):
        check_overrides(CONF, "train", ["experiment=dual_path", "stages.0.epoch=3"])


def test_the_error_tells_the_protocols_of_each_task() -> None:
    tasks = ("image_text", "class_names", "image_image", "composed")
    with pytest.raises(ConfigError) as error:
        ready_protocol("flickr")
    for task in tasks:
        assert re.search(rf"{', '.join(protocols_for(task))} \({task}\)", str(error.value))
    assert sorted(name for task in tasks for name in protocols_for(task)) == sorted(READY)


def test_a_run_folder_stands_for_its_best_checkpoint(workplace: Path) -> None:
    assert checkpoint_path(workplace / "run") == workplace / "run/checkpoints/best.ckpt"


def test_all_is_all_where_it_may_be_asked_for() -> None:
    known = ("train", "val", "test")
    assert chosen("all", known, "split") == list(known)
    assert chosen(OmegaConf.create(["val", "val", "test"]), known, "split") == ["val", "test"]
    with pytest.raises(ConfigError, match="split=all"):
        chosen("all", known, "split", all_of_them=False)
