"""Every experiment runs to its end, tiny and for two steps: found by looking, on the parts at hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf, open_dict
from PIL import Image

from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import compose_config
from xmr.pipelines.run_folder import RunFolder
from xmr.pipelines.train import run_training

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
LITE = "encoder/image=efficientnet_lite0"
TINY = [
    "logger=csv_only",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=2",
    "trainer.accelerator=cpu",
    "batch_size=6",
    "optimizer.lr=1e-4",  # batch norm's statistics of two steps do not bear a great one
    "evaluation.panels.queries=1",
    "evaluation.panels.k=3",
]


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of 6 training and 2 test pictures for each of two colours."""
    root = tmp_path_factory.mktemp("classes")
    for split, count in (("train", 6), ("test", 2)):
        for label in ("red", "blue"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 24 + number), label).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the features of some detector for the pictures of data=shapes."""
    config = composed("data=shapes", "data.size=24")
    keys = [item.image for item in instantiate(config.data).items]
    path = tmp_path_factory.mktemp("features") / "regions.npz"
    rows = np.random.default_rng(0).normal(size=(len(keys), 20)).astype(np.float32)
    np.savez(path, ids=np.array(keys), features=rows)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 20 pictures with a caption each."""
    folder = tmp_path_factory.mktemp("table")
    rows = []
    for number in range(20):
        Image.new("RGB", (30, 30), (10 * number, 90, 200 - 9 * number)).save(folder / f"{number}.png")
        rows.append({"image": f"{number}.png", "captions": [f"picture number {number}"]})
    (folder / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "table.jsonl"


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    return compose_config(CONF, "train", overrides)


def stand_ins(experiment: str, request: pytest.FixtureRequest) -> list[str]:
    """What is used instead of weights, files and data sets that are not at hand."""
    config = composed(f"experiment={experiment}")
    image = str(config.encoder.image.get("name") or config.encoder.image._target_)
    text = config.encoder.text
    frozen = "image_encoder" in config.model.freeze or config.stages
    if config.model._target_.endswith("SingleEncoder"):
        given = ["data=scenes", f"data.root={request.getfixturevalue('classes')}", "data.val_fraction=0.34"]
    elif "fractions" in config.data:
        given = [f"data.path={request.getfixturevalue('table')}"]
    else:
        given = ["data=shapes", "data.size=24"]
    if "clip" in config.encoder.image._target_:
        family = "siglip" if "siglip" in config.encoder.image.name_or_path else "clip"
        folder = request.getfixturevalue(f"tiny_{family}")
        given += [f"encoder.image.name_or_path={folder}", f"encoder.text.name_or_path={folder}"]
    elif image.startswith(("resnet", "vgg")) and not frozen:
        given += ["encoder/image=resnet18", "encoder.image.weights=null", "encoder.image.size=32"]
    elif image.startswith(("resnet", "vgg")):
        given += [LITE, "encoder.image.size=32"]
    elif "precomputed" in image:
        given += [f"encoder.image.path={request.getfixturevalue('features')}"]
    if OmegaConf.is_missing(text, "vectors"):
        given += ["encoder.text.vectors=glove_50d"]
    if "bert" in str(text.get("name_or_path", "")):
        given += [f"encoder.text.name_or_path={request.getfixturevalue('tiny_bert')}"]
        given += ["encoder.text.max_length=16"]
    if "TextCNN" in text._target_ and experiment != "dual_path_stage1":
        given += ["encoder.text.test_offsets=first"]  # the mean over all takes most of the time
    if "clusters" in config.loss:
        given += ["loss.clusters=3"]
    return given


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs_to_its_end(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = composed(f"experiment={name}")
    settings = stand_ins(name, request)
    trained = before.trainer.max_epochs > 0
    tiny = TINY if trained else [setting for setting in TINY if "max_epochs" not in setting]
    config = composed(f"experiment={name}", *tiny, *settings, f"paths.cache={tmp_path}/cache")
    if config.stages:
        with open_dict(config):
            for stage in config.stages:
                stage.epochs = 1
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("runs", name, "once"))
    run_training(config, folder, resumes=False)
    results = json.loads(folder.results_file.read_text())
    assert results["metrics"].keys() == results["chance"].keys()
    assert all(np.isfinite(value) for value in results["metrics"].values())
    assert list(folder.panels.glob("*.png"))
    assert (folder.checkpoints / "best.ckpt").is_file()
    assert results["epoch"] >= (1 if trained else 0)
    if before.published:
        assert {"source", "data", "split", "metrics"} == set(before.published)
        known = set(results["metrics"]) | set(results["document"]["figures"])
        few = "SVM"  # needs more queries than a tiny run has
        assert {metric for metric in before.published.metrics if few not in metric} <= known


def test_class_names_find_images_by_the_mean_of_their_prompts(
    classes: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed 001's way: nothing is trained, a class is all of its prompts, precision@100 is reported."""
    config = composed(
        "experiment=clip_zero_shot",
        "data=image_folder",
        f"data.root={classes}",
        "data.val_fraction=0.34",
        "data.template=['a photo of a {label}.', 'a drawing of a {label}.']",
        "evaluation.protocol=class_precision_at_100",
        "evaluation.ks=[1,10,100]",
        f"encoder.image.name_or_path={tiny_clip}",
        f"encoder.text.name_or_path={tiny_clip}",
        f"paths.cache={tmp_path}/cache",
        *(setting for setting in TINY if "max_epochs" not in setting),
    )
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(Path("runs/classes/once"))
    run_training(config, folder, resumes=False)
    results = json.loads(folder.results_file.read_text())
    assert set(results["queries"]) == {"text_to_image"}
    assert results["queries"]["text_to_image"] == 2
    assert results["protocol"]["prompts"] == [
        f"a {kind} of a {label}." for kind in ("drawing", "photo") for label in ("blue", "red")
    ]
    gallery = results["gallery"]["text_to_image"]
    # all of the gallery is among the first 100, half of it relevant to each class
    assert results["metrics"]["text_to_image/precision@100"] == pytest.approx(gallery / 2 / 100)
    assert results["epoch"] == 0
