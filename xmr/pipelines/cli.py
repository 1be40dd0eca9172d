"""The entry of Hydra commands: overrides checked first, one clear error, exit codes."""

import logging
import os
import signal
import sys
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import FrameType

import hydra
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import ConfigError, XmrError
from xmr.pipelines.overrides import SWEEP, asks_to_be_told, check_overrides, with_lists
from xmr.pipelines.sweep.launchers import check_launcher

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
        check_launcher(sys.argv[1:])
        config = check_overrides(CONF, config_name, sys.argv[1:])
        runs = not asks_to_be_told(sys.argv[1:])
        if check is not None and runs:
            check(config)
        if runs and any(flag in sys.argv[1:] for flag in SWEEP):
            from xmr.pipelines.sweep.jobs import run_jobs  # which needs what is defined here

            run_jobs(task, config_name, config, sys.argv[1:])
            return
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
        imported(task)(folders[0], overrides)

    register_resolvers()
    guarded_main(main)


def guarded_main(main: Callable[[], None]) -> None:
    """Call `main`: `XmrError` becomes one message and exit code 1, Ctrl-C 130.

    `--debug` (or HYDRA_FULL_ERROR=1) shows tracebacks instead.
    """
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ["HYDRA_FULL_ERROR"] = "1"
    quiet_libraries()
    try:
        main()
    except XmrError as error:
        if _debug():
            raise
        fail(str(error))
    except KeyboardInterrupt:
        print_error("interrupted; what was finished is kept: run the same command again to go on")
        sys.exit(130)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Have a signal that would end this process at once end it as Ctrl-C does: by an exception."""

    def stop(signum: int, _: FrameType | None) -> None:
        sys.exit(128 + signum)

    # one that is ignored stays so: nohup means it
    ending = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    before = {signum: signal.signal(signum, stop) for signum in ending}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


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
    """`task`, such that a user's error ends it at once, before Hydra sees it."""

    def guarded(config: DictConfig) -> None:
        try:
            imported(task)(config)
        except XmrError as error:
            if _debug():
                raise
            fail(str(error))

    return guarded


def imported(task: str) -> Callable[..., None]:
    """The function that `module:function` names."""
    module, _, function = task.partition(":")
    return getattr(import_module(module), function)


def quiet_libraries() -> None:
    """Turn off what libraries tell their own developers on each start."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    for name in ("pytorch_lightning.utilities.rank_zero", "faiss.loader"):
        logging.getLogger(name).setLevel(logging.WARNING)
