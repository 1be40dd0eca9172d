"""Embedding by several workers of Ray: each has the model and the data and embeds chunks; one writes."""

import os
from collections import deque
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import XmrError
from xmr.pipelines.cli import quiet_libraries, register_resolvers
from xmr.pipelines.embed import prepare, vectors_of
from xmr.pipelines.ray_cluster import start_ray

# rows that a worker embeds at a time, in batches; and how many times that much waits for it
CHUNK_ROWS = 2048
IN_FLIGHT = 2


class RayShards:
    """Embeds the parts of `config` by `config.shards` workers; chunks arrive in the order of the positions.

    The workers may be on other machines that see the checkpoint, the data and the working folder under the
    same paths. The store is written by this process alone.
    """

    def __init__(self, config: DictConfig) -> None:
        self._ray, share = start_ray(config.shards)
        worker = self._ray.remote(**share)(Worker)
        about = OmegaConf.to_container(config, resolve=True)
        self._workers = [worker.remote(about, str(Path.cwd())) for _ in range(config.shards)]
        self._chunk = max(1, CHUNK_ROWS // config.shards)

    def __enter__(self) -> "RayShards":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def vectors_of(self, part: int, positions: np.ndarray) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
        """Positions (B,) of a part, by its number, with their embeddings (B, D), chunk by chunk."""
        waiting: deque[tuple[np.ndarray, Any]] = deque()
        workers = cycle(self._workers)
        for chunk in np.split(positions, range(self._chunk, len(positions), self._chunk)):
            waiting.append((chunk, next(workers).embed.remote(part, chunk)))
            if len(waiting) >= IN_FLIGHT * len(self._workers):
                yield self._next(waiting)
        while waiting:
            yield self._next(waiting)

    def _next(self, waiting: deque[tuple[np.ndarray, Any]]) -> tuple[np.ndarray, torch.Tensor]:
        chunk, reference = waiting.popleft()
        try:
            # Ray's arrays can't be written to, which torch warns of
            return chunk, torch.from_numpy(self._ray.get(reference).copy())
        except self._ray.exceptions.RayError as error:
            told = str(error).strip().splitlines()[-1]
            raise XmrError(
                f"a worker of Ray failed ({told}); what was embedded is kept: run the same command again"
            ) from error


class Worker:
    """The model and the data, in a process of Ray."""

    def __init__(self, config: dict[str, Any], cwd: str) -> None:
        os.chdir(cwd)
        register_resolvers()
        quiet_libraries()
        self._components, self._parts = prepare(OmegaConf.create(config))

    def embed(self, part: int, positions: np.ndarray) -> np.ndarray:
        """Embeddings (B, D), float32, of positions (B,) of a part, by its number."""
        found = vectors_of(self._components, self._parts[part], positions)
        return torch.cat([vectors for _, vectors in found]).numpy()
