"""Small stores, and the real processes that are killed while they write to them."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality
from xmr.index.manifest import DataRecord, ModelRecord
from xmr.index.store import EmbeddingStore

MODEL = ModelRecord("model-1", "best.ckpt", "0" * 64, {"model": {"dim": 12}})
DATA = DataRecord("toy", "data-1", {})
DIM = 12


def embeddings(n: int, prefix: str, *, modality: Modality = Modality.IMAGE, seed: int = 0) -> Embeddings:
    generator = torch.Generator().manual_seed(seed)
    vectors = normalize(torch.randn(n, DIM, generator=generator), dim=1)
    numbers = [str(number) for number in range(n)]
    return Embeddings(vectors, np.array([prefix + n for n in numbers]), np.array(numbers), modality)


def new_store(folder: Path, **settings: Any) -> EmbeddingStore:
    return EmbeddingStore.create(folder, **{"dim": DIM, "model": MODEL, "data": DATA, **settings})


def add(store: EmbeddingStore, new: Embeddings, **metadata: list[str]) -> None:
    store.append(new, metadata, model_fingerprint=MODEL.fingerprint)


def kill_at_every_step(work: Callable[..., None], *arguments: Any, check: Callable[[], None]) -> int:
    """Run `work` in a new process that is killed (SIGKILL) before its 1st, 2nd... step on the file system.

    `check` is called after each kill; ends when `work` got through: how often it was killed.
    """
    for step in range(1000):
        process = multiprocessing.get_context("fork").Process(target=_die_at, args=(step, work, arguments))
        process.start()
        process.join(60)
        if process.exitcode == 0:
            return step
        assert process.exitcode == -signal.SIGKILL
        check()
    raise AssertionError("the work never got through")


def _die_at(step: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    left = step

    def hook(event: str, _: tuple[Any, ...]) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)
    work(*arguments)
