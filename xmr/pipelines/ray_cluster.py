"""Ray, where one machine is outgrown: the cluster at RAY_ADDRESS, or one of this machine alone."""

import os
from importlib.util import find_spec
from typing import Any

from xmr.core.errors import ConfigError, XmrError
from xmr.pipelines.sweep.machine import cores, visible_gpus

# little travels through it: the commands write files
OBJECT_STORE_BYTES = 128 * 2**20


def check_ray(what: str) -> None:
    """Raise `ConfigError` when Ray, which the setting `what` needs, is not installed."""
    if find_spec("ray") is None:
        raise ConfigError(f"{what} needs Ray, which is not installed; run: pip install -e '.[ray]'")


def start_ray(slots: int) -> tuple[Any, dict[str, float]]:
    """Join the cluster or start one; the module, and what each of `slots` tasks side by side may use.

    That is 1 / `slots` of the machine's cores, or one CPU of a cluster, and where there are GPUs one, or a
    part of one when they are fewer than slots. Raises `XmrError` when Ray does not come up.
    """
    import ray

    about: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    cpus = 1
    if not os.environ.get("RAY_ADDRESS"):
        cpus = max(1, cores() // slots)
        about |= {"address": "local", "num_cpus": max(cores(), slots), "num_gpus": len(visible_gpus())}
        about |= {"object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(**about)
    except (RuntimeError, ConnectionError) as error:
        told = " ".join(str(error).split())
        raise XmrError(f"Ray can't be started or reached ({told}); try again, or go without") from error
    gpus = ray.cluster_resources().get("GPU", 0)
    return ray, {"num_cpus": cpus, "num_gpus": min(1.0, gpus / slots)}
