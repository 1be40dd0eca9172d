"""Ctrl-C and SIGTERM: finish the step, save, and stop with the exit code that says why."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch

from xmr.training.checkpoints import LAST

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class TrainingInterrupted(Exception):  # noqa: N818  # no error: the user asked for it
    """The run was asked to stop and has saved where it stood; `exit_code` is 130 or 143."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
        self.exit_code = EXIT_CODES[signal.Signals(signum)]


class SaveOnInterrupt(pl.Callback):
    """Saves `last.ckpt` after the step in which a signal came, then raises `TrainingInterrupted`.

    Where gradients are accumulated, a step ends with the last of its batches: a checkpoint holds no
    gradients. A signal in the last step of an epoch or in its validation takes effect when the epoch has
    ended and `BestAndLast` has saved it. A second signal stops at once, with the last checkpoint as it is.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LAST
        self._signum: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals; Lightning's own handlers come back at the end."""
        self._before = {signum: signal.signal(signum, self._note) for signum in EXIT_CODES}

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self._signum is not None:
            raise TrainingInterrupted(signum)
        self._signum = signum

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and stop, if asked to, the step is complete, and no validation follows."""
        done, validates_every = batch_idx + 1, trainer.val_check_batch
        if done % trainer.accumulate_grad_batches or validates_every is None or not done % validates_every:
            return
        if (signum := self._agreed(trainer)) is not None:
            trainer.save_checkpoint(self.path)
            raise TrainingInterrupted(signum)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, if asked to since the last step of the epoch before, whose end has been saved."""
        if trainer.current_epoch > 0 and (signum := self._agreed(trainer)) is not None:
            raise TrainingInterrupted(signum)

    def _agreed(self, trainer: pl.Trainer) -> int | None:
        """The signal that any of the processes got: all must stop after the same step."""
        if trainer.world_size == 1:
            return self._signum
        signum = torch.tensor(self._signum or 0, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(signum, reduce_op="max")) or None

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hand the signals back."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Hand the signals back."""
        self._restore()

    def _restore(self) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        self._before = {}
