import pickle
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.processes import join, start
from tests.training.fits import toy_data, toy_module, toy_trainer
from xmr.core.errors import DataError, MissingFilesError
from xmr.training.checkpoints import AtomicCheckpointIO, RandomState, load_checkpoint


def _save_for_ever(path: Path, first: int) -> None:
    number = first
    while True:
        tensors = {f"{n}": torch.full((20_000,), float(number)) for n in range(10)}  # 800 kB
        AtomicCheckpointIO().save_checkpoint({"xmr": {}, "number": number, **tensors}, path)
        number += 1


def test_kills_never_leave_a_torn_checkpoint(tmp_path):
    path, pauses, number = tmp_path / "last.ckpt", np.random.default_rng(0), 0
    for _ in range(20):
        process = start(_save_for_ever, path, number + 1)
        while not path.exists():
            assert process.is_alive()
            time.sleep(0.001)
        before = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == before:
            assert process.is_alive()
            time.sleep(0.001)
        time.sleep(pauses.uniform(0, 0.02))
        process.kill()
        assert join(process) == -signal.SIGKILL
        checkpoint = load_checkpoint(path)
        assert checkpoint["number"] > number
        number = checkpoint["number"]
        assert all((checkpoint[f"{n}"] == number).all() for n in range(10))
    AtomicCheckpointIO().save_checkpoint({"xmr": {}}, path)
    assert list(tmp_path.iterdir()) == [path]  # what the kills left half-written is gone


def test_a_failed_save_keeps_the_old_checkpoint(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"xmr": {}, "number": 1}, path)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        AtomicCheckpointIO().save_checkpoint({"xmr": {}, "number": lambda: 2}, path)
    assert load_checkpoint(path)["number"] == 1
    assert list(tmp_path.iterdir()) == [path]


def draw() -> list[float]:
    """A number of each generator; the normal ones keep a second number back for the next call."""
    numbers = [
        random.random(),
        random.gauss(0, 1),
        np.random.rand(),
        np.random.randn(),
        torch.rand(()).item(),
    ]
    return [*numbers, torch.randn(3).sum().item()]


class Draws(RandomState):
    """Draws numbers as training starts, after the stored state is in force."""

    def on_train_start(self, trainer, pl_module):
        super().on_train_start(trainer, pl_module)
        self.drawn = draw()


def test_random_states_survive_a_checkpoint(tmp_path):
    draw()
    checkpoint = {"xmr": {}, "random": RandomState().state_dict()}
    expected = draw()
    AtomicCheckpointIO().save_checkpoint(checkpoint, tmp_path / "last.ckpt")
    draw()
    callback = Draws()
    callback.load_state_dict(load_checkpoint(tmp_path / "last.ckpt")["random"])
    trainer = toy_trainer(tmp_path, [callback], max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    trainer.fit(toy_module(), datamodule=toy_data()[0])
    assert callback.drawn == expected


def test_random_states_of_other_processes_are_not_taken_for_ours(tmp_path):
    callback = Draws()
    callback.load_state_dict({"processes": RandomState().state_dict()["processes"] * 2})
    trainer = toy_trainer(tmp_path, [callback], max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    with pytest.warns(UserWarning, match="the checkpoint is of 2 processes, this run has 1"):
        trainer.fit(toy_module(), datamodule=toy_data()[0])


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(MissingFilesError, match=r"no checkpoint at .*gone\.ckpt"):
        load_checkpoint(tmp_path / "gone.ckpt")
    with pytest.raises(MissingFilesError):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_torn_checkpoint_is_named(tmp_path, share):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"xmr": {}, "weights": torch.ones(1000)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"last\.ckpt can't be read as a checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content", [{"state_dict": {}}, [1, 2], torch.ones(3)], ids=["dict", "list", "tensor"]
)
def test_a_foreign_checkpoint_is_named(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(DataError, match=r"other\.ckpt was not written by xmr"):
        load_checkpoint(tmp_path / "other.ckpt")


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    evil = Evil()
    evil.target = str(tmp_path / "touched")
    torch.save({"xmr": {}, "evil": evil}, tmp_path / "evil.ckpt")
    with pytest.raises(DataError, match="can't be read"):
        load_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "touched").exists()
