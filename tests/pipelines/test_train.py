"""train.py's variants on the shapes set: each setting that the README names does what it says."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.pipelines.running import Outcome, run_script, script_here, train_here

TINY = (
    "data=shapes",
    "data.size=60",
    "batch_size=16",
    "trainer.max_epochs=2",
    "evaluation.panels.queries=1",
    "logger=csv_only",
    "name=tiny",
)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that features are computed once."""
    return tmp_path_factory.mktemp("train")


@pytest.fixture
def train(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Path, Outcome]]:
    monkeypatch.chdir(workplace)

    def run(*arguments: str) -> tuple[Path, Outcome]:
        outcome = train_here(*TINY, *arguments, capsys=capsys, monkeypatch=monkeypatch)
        assert outcome.code == 0, outcome.stderr
        return (workplace / "runs/tiny/latest").resolve(), outcome

    return run


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "arguments",
    [
        ("loss=siglip",),
        ("loss=triplet", "miner=semi_hard"),
        ("head=mlp", "optimizer=sgd", "scheduler=constant"),
        ("trainer.precision=bf16-mixed",),
        ("trainer.accumulate_grad_batches=2", "sampler=every_text"),
        ("callbacks=early_stopping",),
        ("features=live", "workers=1", "trainer.max_epochs=1"),
        ("model.freeze=[text_encoder]", "trainer.max_epochs=1", "data.size=40", "batch_size=8"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_it_trains(train: Callable[..., tuple[Path, Outcome]], arguments: tuple[str, ...]) -> None:
    run, _ = train(*arguments)
    results = json.loads((run / "results.json").read_text())
    assert 0 <= results["metrics"]["mean_recall"] <= 1
    assert results["model"]["trained_parameters"] > 0


def test_a_trained_encoder_gets_its_own_learning_rate(train: Callable[..., tuple[Path, Outcome]]) -> None:
    run, _ = train(
        "model.freeze=[text_encoder]",
        "+optimizer.groups={model.image_encoder.*: {lr: 1e-5}}",
        "trainer.max_epochs=1",
        "data.size=40",
        "batch_size=8",
    )
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    rates = {group["initial_lr"] for group in checkpoint["optimizer_states"][0]["param_groups"]}
    assert rates == {1e-5, 1e-3}
    names = checkpoint["state_dict"]
    assert any(name.startswith("model.image_encoder") for name in names), "what is trained is saved"
    assert not any(name.startswith("model.text_encoder") for name in names), "what is frozen is not"


def test_training_starts_from_the_untrained_score(train: Callable[..., tuple[Path, Outcome]]) -> None:
    run, _ = train("trainer.log_every_n_steps=1")
    results, logged = json.loads((run / "results.json").read_text()), rows(run)
    first, last = logged[0], [row for row in logged if row["val/shapes/mean_recall"]][-1]
    assert first["step"] == "0"
    assert float(first["val/shapes/mean_recall"]) == results["untrained"]["mean_recall"]
    assert [row["step"] for row in logged if row["train/loss"]] == ["1", "2", "3", "4"]
    assert last["step"] == "4"
    assert last["epoch"] == "2.0"


def test_equal_seeds_give_equal_runs_and_others_do_not(train: Callable[..., tuple[Path, Outcome]]) -> None:
    first, again, other = (rows(train(f"seed={seed}")[0]) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_the_best_checkpoint_is_that_of_the_best_epoch(train: Callable[..., tuple[Path, Outcome]]) -> None:
    run, _ = train("trainer.max_epochs=4")
    results = json.loads((run / "results.json").read_text())
    by_epoch = [
        float(row["val/shapes/mean_recall"]) for row in rows(run)[1:] if row["val/shapes/mean_recall"]
    ]
    assert results["metrics"]["mean_recall"] == max(by_epoch)
    assert by_epoch[results["epoch"] - 1] == max(by_epoch)


def test_a_finished_run_can_be_moved_and_extended(
    train: Callable[..., tuple[Path, Outcome]],
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, _ = train("name=extended")
    moved = workplace / "moved"
    run.rename(moved)
    for epochs in (4, 5):
        outcome = train_here(
            f"resume={moved}", f"trainer.max_epochs={epochs}", capsys=capsys, monkeypatch=monkeypatch
        )
        assert outcome.code == 0, outcome.stderr
    results = json.loads((moved / "results.json").read_text())
    by_epoch = [float(row["val/shapes/mean_recall"]) for row in rows(moved) if row["val/shapes/mean_recall"]]
    assert len(by_epoch) == 1 + 5
    assert results["metrics"]["mean_recall"] == max(by_epoch[1:])
    assert results["cost"]["epochs"] == 5
    assert len((moved / "resumes.jsonl").read_text().splitlines()) == 2
    fewer = train_here(f"resume={moved}", "trainer.max_epochs=3", capsys=capsys, monkeypatch=monkeypatch)
    assert fewer.code == 1
    assert "has had 5 epochs" in fewer.stderr


def test_data_that_changed_is_neither_trained_on_nor_scored(
    workplace: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workplace)
    for number in range(10):
        Image.new("RGB", (32, 32), (number * 20, 0, 0)).save(tmp_path / f"{number}.png")
    table = tmp_path / "table.csv"
    table.write_text("image,caption\n" + "".join(f"{n}.png,picture {n}\n" for n in range(10)))
    settings = [setting for setting in TINY if not setting.startswith("data")]
    outcome = train_here(
        *settings, "data=table", f"data.path={table}", capsys=capsys, monkeypatch=monkeypatch
    )
    assert outcome.code == 0, outcome.stderr
    run = (workplace / "runs/tiny/latest").resolve()
    table.write_text(table.read_text().replace("picture 3", "another text"))
    resumed = train_here(f"resume={run}", "trainer.max_epochs=3", capsys=capsys, monkeypatch=monkeypatch)
    assert resumed.code == 1
    assert "data has changed" in resumed.stderr
    scored = script_here("scripts/evaluate.py", f"checkpoint={run}", "split=val", cwd=tmp_path)
    assert scored.code == 1
    assert "changed_data=true" in scored.stderr


def test_it_learns_scenes_it_has_not_seen(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stated: at least 40 % of held-out sentences find their scene first, of 60; chance is 1.7 %."""
    monkeypatch.chdir(workplace)
    outcome = train_here(
        "experiment=shapes",
        "data.size=400",
        "encoder.image.size=128",
        "logger=csv_only",
        capsys=capsys,
        monkeypatch=monkeypatch,
    )
    assert outcome.code == 0, outcome.stderr
    results = json.loads((workplace / "runs/shapes/latest/results.json").read_text())
    assert results["metrics"]["text_to_image/recall@1"] > 0.4
    assert results["chance"]["text_to_image/recall@1"] == pytest.approx(1 / 60)


def test_two_processes_train_one_run(tmp_path: Path) -> None:
    settings = ("+trainer.strategy=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
    outcome = run_script("train.py", *TINY, *settings, cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.count("run folder") == 1, "the first process alone reports"
    run = (tmp_path / "runs/tiny/latest").resolve()
    results = json.loads((run / "results.json").read_text())
    logged = [float(row["val/shapes/mean_recall"]) for row in rows(run) if row["val/shapes/mean_recall"]]
    assert results["metrics"]["mean_recall"] == max(logged[1:])
