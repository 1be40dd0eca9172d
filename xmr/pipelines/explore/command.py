"""The explorer: from paths of runs, checkpoints and stores to a page at this machine's own address."""

import socket
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

from rich.console import Console

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.data.dataset import SPLITS
from xmr.index.manifest import MANIFEST, Manifest
from xmr.pipelines.early_checks import checkpoint_path

if TYPE_CHECKING:
    from xmr.explorer.service import Explorer

PORT = 8765
HOST = "127.0.0.1"
STOP_SECONDS = 2


def check_explore(paths: Sequence[Path], *, port: int, split: str | None) -> None:
    """Raise `XmrError` for what `scripts/explore.py` can't open, before anything is imported."""
    if not 0 <= port <= 65535:
        raise ConfigError(f"--port {port}, but a port is 1 to 65535 (0: any that is free)")
    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split {split}; use one of {', '.join(SPLITS)}")
    for path in paths:
        _checkpoints(path)
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingFilesError(f"{error.name} is not installed; pip install 'xmr[explorer]'") from error


def explore(paths: Sequence[Path], *, port: int = PORT, split: str | None = None, show: bool = True) -> None:
    """Serve runs, checkpoints and stores until Ctrl-C; `show` opens the page in a browser."""
    import uvicorn

    from xmr.explorer.app import create_app
    from xmr.explorer.safety import Access

    listening = _listen(port)
    access = Access(listening.getsockname()[1])
    console = Console()
    explorer = open_explorer(paths, split=split)
    for source in explorer.sources.values():
        about = source.about
        console.print(
            f"{about.kind:5} {about.where}: {about.data}, {about.split}", markup=False, highlight=False
        )
    console.print(f"open  {access.url}", markup=False, highlight=False, soft_wrap=True)
    console.print("      this address is for you alone; Ctrl-C ends the explorer", style="dim")
    config = uvicorn.Config(
        create_app(explorer, access),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    # the first query needs Lightning, which takes seconds to import
    Thread(target=import_module, args=["xmr.pipelines.explore.load"], daemon=True).start()
    if show:
        Timer(0.5, webbrowser.open, [access.url]).start()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    console.print("the explorer has ended")


def open_explorer(paths: Sequence[Path], *, split: str | None = None) -> "Explorer":
    """An `Explorer` of the runs, checkpoints and stores at `paths`; of runs the split is val by default."""
    from xmr.explorer.service import Explorer
    from xmr.explorer.sources import Loader, Source
    from xmr.index.store import EmbeddingStore
    from xmr.pipelines.cli import register_resolvers
    from xmr.pipelines.explore.run import RunSource
    from xmr.pipelines.explore.store import StoreSource

    register_resolvers()
    found = [(path, file) for path in paths for file in _checkpoints(path)]
    stores = {path: EmbeddingStore.open(path) for path, file in found if file is None}
    loaders: list[Loader] = []
    for path, file in found:
        if file is None:
            loaders.append(StoreSource(stores[path], split=split, where=str(path)))
        else:
            held = list(stores.values())
            loaders.append(RunSource(file, split=split or "val", where=_shown(file), stores=held))
    return Explorer([Source(loader) for loader in _told_apart(loaders)])


def _told_apart(loaders: Sequence[Any]) -> list[Any]:
    """The loaders with ids that differ; what was named twice comes once."""
    by_id: dict[str, Any] = {}
    for loader in loaders:
        about = loader.about
        same = [other for other in by_id.values() if other.about.folder == about.folder]
        number = 1
        while (id_ := about.id if number == 1 else f"{about.id}-{number}") in by_id:
            if by_id[id_] in same and by_id[id_].about.checkpoint == about.checkpoint:
                break
            number += 1
        loader.about = replace(about, id=id_)
        by_id.setdefault(id_, loader)
    return list(by_id.values())


def _checkpoints(path: Path) -> list[Path | None]:
    """The checkpoints that `path` names, None for a store.

    `path` is a store, a checkpoint, a run folder, or a folder with runs somewhere below it. Raises
    `XmrError` when it is none of these.
    """
    if (path / MANIFEST).is_file():
        Manifest.read(path)
        return [None]
    if path.is_file() or (path / "checkpoints").is_dir():
        return [checkpoint_path(path).resolve()]
    below = sorted(path.rglob("checkpoints/best.ckpt")) if path.is_dir() else []
    found = [file.resolve() for file in below if (file.parent.parent / "config.yaml").is_file()]
    if not found:
        raise MissingFilesError(
            f"{path} is no run, no checkpoint and no embedding store, and no run with a checkpoint is below "
            f"it; train one (python train.py experiment=emoji), or give the folder of one"
        )
    return list(dict.fromkeys(found))


def _shown(file: Path) -> str:
    """The run folder of a checkpoint, as short as it can be written."""
    run = file.parent.parent
    return str(run.relative_to(Path.cwd()) if run.is_relative_to(Path.cwd()) else run)


def _listen(port: int) -> socket.socket:
    """A socket of this machine's own address; raises `ConfigError` when the port is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"port {port} can't be used ({error.strerror}): another explorer may be open; "
            f"end it, or give another with --port N (0: any that is free)"
        ) from error
    return listening
