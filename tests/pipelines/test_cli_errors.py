"""Bad input: one clear error each, an exit code that is not 0, and nothing left behind."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.pipelines.running import Outcome, run_script, train_here

TINY = ("data=shapes", "data.size=40", "logger=csv_only", "trainer.max_epochs=1")


@pytest.fixture
def train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        outcome = train_here(*arguments, capsys=capsys, monkeypatch=monkeypatch)
        assert "Traceback" not in outcome.stderr
        assert not list(tmp_path.glob("runs/*/2*")), "a run folder was left behind"
        return outcome

    return run


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A good table of 10 pictures; tests break it."""
    for number in range(10):
        Image.new("RGB", (32, 32), (number * 20, 0, 0)).save(tmp_path / f"{number}.png")
    path = tmp_path / "table.jsonl"
    rows = [{"image": f"{n}.png", "caption": f"picture number {n}"} for n in range(10)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("optimizr.lr=1", "did you mean 'optimizer.lr'"),
        ("optimizer.lrr=1", "did you mean 'optimizer.lr'"),
        ("los=info_nce", "did you mean 'loss'"),
        ("loss=info_nc", "did you mean 'info_nce'"),
        ("encoder/image=resnet51", "did you mean 'resnet5"),
        ("experiment=emojii", "did you mean 'emoji'"),
        ("emoji", "key=value"),
        ("encoder=resnet50", "encoder/image=..."),
        ("batch_size=", "batch_size"),
    ],
)
def test_misspelt_settings_name_the_nearest(train: Callable[..., Outcome], argument: str, said: str) -> None:
    outcome = train(argument)
    assert outcome.code != 0
    assert said in outcome.stderr


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("optimizer.lr=-1", "lr=-1"),
        ("batch_size=0", "batch_size=0"),
        ("trainer.max_epochs=-1", "max_epochs=-1"),
        ("trainer.precision=13", "precision"),
        ("loss.temperature=-1", "temperature=-1"),
        ("features=cachd", "did you mean 'cached'"),
        ("model.freeze=[image_encodr]", "did you mean 'image_encoder'"),
        ("head.text.dropout=1.5", "dropout=1.5"),
        ("data.size=0", "size=0"),
        ("logger.wandb.mode=ofline", "logger.wandb.mode=ofline"),
        ("loss._target_=os.system", "_target_=os.system"),
        ("seed=-1", "seed"),
        ("evaluation.ks=[0]", "evaluation.ks=0"),
        ("evaluation.ks=5", "evaluation.ks=[1,5,10]"),
        ("evaluation.monitor=recal", "did you mean"),
        ("+trainer.max_steps=3", "max_epochs"),
        ("+optimizer.groups={none.*: {lr: 1}}", "none.*"),
        ("data.val_fraction=0", "val"),
    ],
)
def test_values_out_of_range_are_named(train: Callable[..., Outcome], argument: str, said: str) -> None:
    outcome = train(*TINY, argument)
    assert outcome.code != 0
    assert said in outcome.stderr


def test_weights_of_terms_that_the_loss_lacks_are_named(train: Callable[..., Outcome]) -> None:
    outcome = train(*TINY[:-1], "stages=[{name: I, epochs: 1, loss: {pull: 1}}]")
    assert outcome.code != 0
    assert "stages.I.loss weighs terms, but InfoNCE has" in outcome.stderr


def test_a_missing_folder_is_named(train: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = train("data=image_folder", f"data.root={tmp_path}/nowhere")
    assert outcome.code != 0
    assert f"{tmp_path}/nowhere" in outcome.stderr


def test_all_bad_rows_are_listed(train: Callable[..., Outcome], table: Path) -> None:
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    rows[2]["image"] = "missing.png"
    rows[5]["caption"] = " "
    table.write_text("\n".join(map(json.dumps, rows)))
    outcome = train("data=table", f"data.path={table}")
    assert outcome.code != 0
    assert "missing.png" in outcome.stderr
    assert "caption" in outcome.stderr
    assert "2 problems" in outcome.stderr


def test_an_unreadable_image_is_named_before_training(train: Callable[..., Outcome], table: Path) -> None:
    (table.parent / "3.png").write_bytes(b"no picture")
    outcome = train("data=table", f"data.path={table}", "logger=csv_only")
    assert outcome.code != 0
    assert "3.png" in outcome.stderr


def test_a_duplicate_id_is_named(train: Callable[..., Outcome], table: Path) -> None:
    rows = [{"id": "same", **json.loads(line)} for line in table.read_text().splitlines()]
    table.write_text("\n".join(map(json.dumps, rows)))
    outcome = train("data=table", f"data.path={table}", "data.id_column=id")
    assert outcome.code != 0
    assert "same" in outcome.stderr


def test_an_empty_split_is_named(train: Callable[..., Outcome], table: Path) -> None:
    outcome = train("data=table", f"data.path={table}", "data.fractions={train: 1.0, val: 0.0, test: 0.0}")
    assert outcome.code != 0
    assert "'val' is empty" in outcome.stderr


def test_resume_of_no_run_is_an_error(train: Callable[..., Outcome], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    outcome = train(f"resume={folder}")
    assert outcome.code != 0
    assert "no run folder" in outcome.stderr
    assert folder.exists(), "what the user named is never removed"
    shutil.rmtree(folder)


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    debug = run_script("train.py", "optimizer.lr=-1", "--debug", cwd=tmp_path)
    assert debug.code == 1
    assert "Traceback" in debug.stderr


def test_a_folder_of_the_users_own_is_left_alone(train: Callable[..., Outcome], tmp_path: Path) -> None:
    thesis = tmp_path / "precious/thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    outcome = train(f"hydra.run.dir={thesis.parent}", "data=table", f"data.path={tmp_path}/none.csv")
    assert outcome.code != 0
    assert thesis.read_text() == "years of work"


def test_a_mistyped_run_folder_is_not_created(train: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = train("resume=runs/toy/latset")
    assert outcome.code != 0
    assert not (tmp_path / "runs").exists()
