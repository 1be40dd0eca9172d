"""The entry of Hydra commands: overrides checked first, one clear error, exit codes."""

import logging
import os
import sys
import uuid
import warnings
from collections.abc import Callable, Collection
from datetime import datetime
from importlib import import_module
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import ConfigError, XmrError
from xmr.pipelines.overrides import asks_to_be_told, check_overrides, with_lists

CONF = Path(__file__).resolve().parents[2] / "conf"


def register_resolvers() -> None:
    """What configs may compute: the working folder, the run folder and its id."""
    OmegaConf.register_new_resolver("cwd", lambda: str(Path.cwd()), replace=True)
    OmegaConf.register_new_resolver("run_id", lambda: uuid.uuid4().hex[:6], use_cache=True, replace=True)
    OmegaConf.register_new_resolver("run_dir", _run_dir, use_cache=True, replace=True)


def _run_dir(runs: str, name: str) -> str:
    return f"{runs}/{name}/{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def run(
    task: str,
    *,
    config_name: str,
    lists: Collection[str] = (),
    check: Callable[[DictConfig], None] | None = None,
) -> None:
    """Compose `config_name` with the command line and call `task`; a user's error ends in one message.

    `task` is "module:function", imported after the settings are checked, by `check`, too: a typo answers at
    once. Settings named in `lists` may be written a,b for [a,b].
    """

    def main() -> None:
        sys.argv[1:] = with_lists(sys.argv[1:], lists)
        config = check_overrides(CONF, config_name, sys.argv[1:])
        if check is not None and not asks_to_be_told(sys.argv[1:]):
            check(config)
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(_guarded(task))()

    register_resolvers()
    guarded_main(main)


def run_resumed(task: str) -> None:
    """Call `task` with the folder of `resume=FOLDER` and the other settings of the command line.

    Hydra composes nothing here: the settings are those of the run.
    """

    def main() -> None:
        folders = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("resume=")]
        overrides = [word for word in sys.argv[1:] if not word.startswith("resume=")]
        flags = [word for word in overrides if word.startswith("-")]
        if len(folders) != 1 or flags:
            raise ConfigError(
                "resume= takes one run folder and settings, and no flags: resume=FOLDER key=value"
            )
        _imported(task)(folders[0], overrides)

    register_resolvers()
    guarded_main(main)


def guarded_main(main: Callable[[], None]) -> None:
    """Call `main`: `XmrError` becomes one message and exit code 1, Ctrl-C 130.

    `--debug` (or HYDRA_FULL_ERROR=1) shows tracebacks instead.
    """
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ["HYDRA_FULL_ERROR"] = "1"
    _quiet_libraries()
    try:
        main()
    except XmrError as error:
        if _debug():
            raise
        fail(str(error))
    except KeyboardInterrupt:
        print_error("interrupted; what was finished is kept: run the same command again to go on")
        sys.exit(130)


def _debug() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


def fail(message: str) -> None:
    """Print one error and exit with code 1."""
    print_error(message)
    sys.exit(1)


def print_error(message: str) -> None:
    """`error: message` on stderr, as it stands: no wrapping, no markup."""
    console = Console(stderr=True)
    console.print("[bold red]error:[/bold red]", end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def _guarded(task: str) -> Callable[[DictConfig], None]:
    """`task`, such that a user's error ends a single run at once; in a sweep Hydra collects it."""

    def guarded(config: DictConfig) -> None:
        try:
            _imported(task)(config)
        except XmrError as error:
            if HydraConfig.get().mode is not RunMode.RUN:
                print_error(f"job {HydraConfig.get().job.override_dirname}: {error}")
                raise
            if _debug():
                raise
            fail(str(error))

    return guarded


def _imported(task: str) -> Callable[..., None]:
    module, _, function = task.partition(":")
    return getattr(import_module(module), function)


def _quiet_libraries() -> None:
    """Turn off what libraries tell their own developers on each start."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    for name in ("pytorch_lightning.utilities.rank_zero", "faiss.loader"):
        logging.getLogger(name).setLevel(logging.WARNING)
