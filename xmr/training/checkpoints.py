"""Checkpoints: written whole or not at all, with the random state, so that a resumed run is the same run."""

import random
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from xmr.core.distributed import gather_objects
from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.core.files import atomic_path

LAST = "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, fsyncs, then replaces: a kill leaves the old checkpoint or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Save `checkpoint` to `path` atomically, and clear away what a killed run left half-written."""
        path = Path(path)
        for half in path.parent.glob(f".{path.name}.*.tmp"):
            half.unlink()
        with atomic_path(path) as beside:
            torch.save(checkpoint, beside)


class RandomState(pl.Callback):
    """Stores the random state of Python, numpy and torch in checkpoints and restores it on resume."""

    def __init__(self) -> None:
        self._stored: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        """The random states at the time of saving, of every process."""
        return {"processes": gather_objects(_random_state())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until training starts: what is built in between may draw numbers."""
        self._stored = state_dict["processes"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the stored states in force."""
        stored, self._stored = self._stored, []
        if len(stored) == trainer.world_size:
            _set_random_state(stored[trainer.global_rank])
        elif stored:
            rank_zero_warn(
                f"the checkpoint is of {len(stored)} processes, this run has {trainer.world_size}: "
                f"it goes on with other random numbers than the run that was stopped"
            )


def _random_state() -> dict[str, Any]:
    numpy_state: Any = np.random.get_state(legacy=False)
    # weights_only loading takes tensors, not arrays
    numpy_state["state"]["key"] = torch.from_numpy(numpy_state["state"]["key"].astype(np.int64))
    return {
        "python": random.getstate(),
        "numpy": numpy_state,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: dict[str, Any]) -> None:
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    numpy_state = state["numpy"]
    numpy_state["state"]["key"] = numpy_state["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state(numpy_state)
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


class BestAndLast(ModelCheckpoint):
    """`best.ckpt` by the metric `monitor` and `last.ckpt`, both saved when an epoch ends.

    Of ranks the lowest is best, of all else the highest. Lightning's own `save_last` writes `last.ckpt`
    only in the epochs that bring a new best.
    """

    def __init__(self, folder: Path, *, monitor: str) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            mode="min" if monitor.endswith("_rank") else "max",
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        self.last = folder / LAST

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse what Lightning can't resume: with `max_steps` it skips the epoch after `last.ckpt`."""
        if trainer.max_steps != -1:
            raise ConfigError(
                f"trainer.max_steps={trainer.max_steps} can't be resumed from; use trainer.max_epochs"
            )
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on in this folder, wherever the run was when it was saved: Lightning would forget the best."""
        here = str(Path(self.dirpath or "") / "best.ckpt")
        best = state_dict["best_model_score"]
        moved = {
            **state_dict,
            "dirpath": self.dirpath,
            "best_model_path": here,
            "best_k_models": {here: best},
            "kth_best_model_path": here,
        }
        super().load_state_dict(state_dict if best is None else moved)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the best first: `last.ckpt` holds which one that is."""
        super().on_train_epoch_end(trainer, pl_module)
        trainer.save_checkpoint(self.last)


def load_checkpoint(path: Path | str) -> dict[str, Any]:
    """The content of an xmr checkpoint, on the CPU, without running code from the file (weights_only).

    Raises `MissingFilesError` when there is none, `DataError` when the file is not an xmr checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFilesError(
            f"no checkpoint at {path}; a run keeps them in checkpoints/best.ckpt and last.ckpt"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        raise DataError(
            f"{path} can't be read as a checkpoint ({type(error).__name__}); is it damaged?"
        ) from error
    if not isinstance(checkpoint, dict) or "xmr" not in checkpoint:
        raise DataError(f"{path} was not written by xmr; give a checkpoint of a run folder")
    return checkpoint
