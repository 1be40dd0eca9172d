"""Many at once: fifty clients search for a while without an error, and memory does not grow."""

import gc
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tests.explorer.worlds import World, explorer_of, served
from xmr.core.types import Embeddings, Modality
from xmr.explorer.content import Content, Rows

CLIENTS, SECONDS = 50, 20
GROWTH = 8 * 2**20
COUNT, DIM = 20_000, 64


class Large(World):
    """Random vectors in place of the pictures' own."""

    def load(self) -> Content:
        small = super().load()
        vectors = normalize(torch.randn(COUNT, DIM, generator=torch.Generator().manual_seed(0)), dim=1)
        ids = np.array([f"i{n}" for n in range(COUNT)])
        keys = np.array([f"{n % 24}/red" for n in range(COUNT)], object)
        empty = np.full(COUNT, "", object)
        rows = Rows(Embeddings(vectors, ids, ids, Modality.IMAGE), empty, empty, ids.astype(object), keys)
        return Content(
            rows={Modality.IMAGE: rows},
            searched={Modality.IMAGE: np.arange(COUNT)},
            directions={},
            read_image=small.read_image,
            name="large",
            data="large",
            vectors="large",
            relevance=None,
        )

    def load_encoder(self):
        encoder = super().load_encoder()
        turn = np.random.default_rng(0).normal(size=(5, DIM)).astype(np.float32)
        plain = encoder.encode_text
        encoder.encode_text = lambda texts: plain(texts) @ turn
        return encoder


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def ask(base: str, token: str, seconds: float) -> tuple[list[int], list[str]]:
    """What a process of fifty clients does: how often each was answered, and what went wrong."""
    answered, errors = [0] * CLIENTS, []
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=60) as client:
            while time.monotonic() < until:
                text = f"red {'x' * (answered[number] % 90)} {number}"
                body = {"query": {"text": text}, "columns": [{"source": "colours", "index": "exact"}]}
                search = client.post("/api/search", json=body)
                shown = {"source": "colours", "id": f"i{number}", "size": 96}
                picture = client.get("/api/picture", params=shown)
                if (search.status_code, picture.status_code) != (200, 200):
                    errors.append(search.text + picture.text)
                answered[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered, errors


@pytest.mark.slow
def test_fifty_clients_search_without_an_error_or_growth(tmp_path):
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process holds")
    spawn = multiprocessing.get_context("spawn")
    with served(explorer_of(Large(tmp_path))) as running, ProcessPoolExecutor(1, mp_context=spawn) as clients:
        held = []
        for _ in range(3):  # in the first round all is loaded, and every thread started
            asking = clients.submit(ask, running.base, running.access.token, SECONDS)
            answered, errors = asking.result()
            assert errors == []
            assert min(answered) > 0
            gc.collect()
            held.append(resident())
    assert held[2] - held[1] < GROWTH
