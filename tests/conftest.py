"""What every test may ask for: the real data, where it is, and a process without network or W&B."""

import os
from pathlib import Path

import pytest

# several test processes share the cores
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("WANDB_MODE", "disabled")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data sets (shared/data beside the checkout) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parents[1]


from tests.tiny_models import tiny_bert, tiny_clip, tiny_siglip  # noqa: E402, F401
