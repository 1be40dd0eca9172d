"""Hydra's launchers: which are installed, and how many jobs each starts side by side on this machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from xmr.core.errors import ConfigError, did_you_mean
from xmr.pipelines.overrides import settings_of
from xmr.pipelines.sweep.machine import cores

# the package and the extra of each
LAUNCHERS = {
    "basic": ("hydra-core", ""),
    "joblib": ("hydra-joblib-launcher", "sweep"),
    "submitit_local": ("hydra-submitit-launcher", "sweep"),
    "submitit_slurm": ("hydra-submitit-launcher", "sweep"),
    "ray": ("hydra-ray-launcher", "ray"),
    "ray_aws": ("hydra-ray-launcher", "ray"),
}
GROUP = "hydra/launcher"


@dataclass(frozen=True)
class JobsAsked:
    """The jobs of a multirun: how many, the settings in which they differ, and how many run side by side.

    `slots` is 1 where they run one after the other in this process, and None where others share them out.
    `folder` is where Hydra puts them.
    """

    number: int
    swept: tuple[str, ...]
    slots: int | None
    folder: Path


def check_launcher(arguments: Sequence[str]) -> None:
    """Raise `ConfigError` for a hydra/launcher that is unknown or not installed, and for sweep=."""
    for argument in arguments:
        key, _, name = argument.partition("=")
        if key == "sweep":
            raise ConfigError(f"{argument} is run by another script: python scripts/sweep.py {argument}")
        if key != GROUP:
            continue
        if name not in LAUNCHERS:
            raise ConfigError(f"{GROUP}={name}; {did_you_mean(name, LAUNCHERS)}")
        package, extra = LAUNCHERS[name]
        try:
            version(package)
        except PackageNotFoundError as error:
            raise ConfigError(
                f"{GROUP}={name} needs {package}, which is not installed; run: pip install -e '.[{extra}]'"
            ) from error


def jobs_asked(conf: Path, config_name: str, arguments: Sequence[str]) -> JobsAsked:
    """What the command line of a multirun asks for; raises `ConfigError` when it can't be composed."""
    overrides = OverridesParser.create().parse_overrides(settings_of(arguments))
    swept = {
        of.get_key_element(): len(list(of.sweep_string_iterator()))
        for of in overrides
        if of.is_sweep_override()
    }
    number = math.prod(swept.values())
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            plain = [of.input_line or "" for of in overrides if not of.is_sweep_override()]
            config = compose(config_name, overrides=plain, return_hydra_config=True)
        except HydraException as error:
            raise ConfigError(" ".join(str(error).split())) from error
    return JobsAsked(number, tuple(swept), _slots(config.hydra, number), Path(config.hydra.sweep.dir))


def _slots(hydra: DictConfig, jobs: int) -> int | None:
    launcher = hydra.launcher._target_.rpartition(".")[2]
    together = min(jobs, hydra.sweeper.get("max_batch_size") or jobs)
    if launcher == "BasicLauncher":
        return 1
    if launcher == "JoblibLauncher":
        n_jobs = hydra.launcher.n_jobs
        # as joblib counts: -1 is all cores, -2 all but one
        return max(1, min(together, n_jobs if n_jobs > 0 else cores() + 1 + n_jobs))
    # a cluster's own scheduler gives each job its cores and GPUs
    return together if launcher == "LocalLauncher" else None
