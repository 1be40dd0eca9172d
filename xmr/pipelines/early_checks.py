"""Checks of a command's settings before torch and Lightning are imported, which takes seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from xmr.core.errors import ConfigError, DataError, MissingFilesError, check_whole, did_you_mean
from xmr.data.dataset import SPLITS
from xmr.evaluation.projection import METHODS
from xmr.evaluation.protocols import ready_protocol
from xmr.index.manifest import DTYPES, Manifest
from xmr.pipelines.ray_cluster import check_ray
from xmr.pipelines.run_folder import RunFolder, with_overrides

MODALITIES = ("image", "text")


def check_evaluate(config: DictConfig) -> None:
    """Raise `XmrError` for settings that `scripts/evaluate.py` can't work with."""
    if OmegaConf.is_missing(config, "checkpoint"):
        raise ConfigError("name a checkpoint: scripts/evaluate.py checkpoint=runs/.../checkpoints/best.ckpt")
    if isinstance(config.split, ListConfig):
        first = config.split[0] if config.split else "test"
        raise ConfigError(
            f"split={','.join(map(str, config.split))}, but one split is scored at a time; "
            f"use split={first}, then each of the others"
        )
    chosen(config.split, SPLITS, "split", all_of_them=False)
    if config.audit is not None:
        check_whole(1, audit=config.audit)
    if config.protocol is not None:
        protocol = ready_protocol(str(config.protocol))
        if config.audit is not None and protocol.folds > 1:
            raise ConfigError(
                f"audit= has no meaning for the mean of {protocol.folds} folds; use another protocol"
            )
    _check_run(config.checkpoint, config)


def check_embed(config: DictConfig) -> None:
    """Raise `XmrError` for settings that `scripts/embed.py` can't work with."""
    if OmegaConf.is_missing(config, "checkpoint") or OmegaConf.is_missing(config, "store"):
        raise ConfigError("name a checkpoint and a folder: scripts/embed.py checkpoint=PATH store=DIR")
    check_whole(1, rows_per_segment=config.rows_per_segment, shards=config.shards)
    if config.shards > 1:
        check_ray(f"shards={config.shards}")
    if config.dtype not in DTYPES:
        raise ConfigError(f"dtype={config.dtype}; {did_you_mean(str(config.dtype), DTYPES)}")
    chosen(config.split, SPLITS, "split")
    chosen(config.modality, MODALITIES, "modality")
    _check_run(config.checkpoint, config)


def check_project(config: DictConfig) -> None:
    """Raise `XmrError` for settings that `scripts/project.py` can't work with."""
    if OmegaConf.is_missing(config, "checkpoint"):
        raise ConfigError("name a checkpoint: scripts/project.py checkpoint=runs/.../checkpoints/best.ckpt")
    check_whole(3, points=config.points)
    check_whole(0, seed=config.seed)
    if config.label_levels is not None:
        check_whole(1, label_levels=config.label_levels)
    chosen(config.methods, list(METHODS), "methods", all_of_them=False)
    chosen(config.split, SPLITS, "split", all_of_them=False)
    for path in listed(config.checkpoint):
        _check_run(path, config)


def check_explain(config: DictConfig) -> None:
    """Raise `XmrError` for settings that `scripts/explain.py` can't work with."""
    if OmegaConf.is_missing(config, "checkpoint"):
        raise ConfigError("name a checkpoint: scripts/explain.py checkpoint=runs/.../checkpoints/best.ckpt")
    check_whole(1, queries=config.queries)
    check_whole(0, seed=config.seed)
    chosen(config.split, SPLITS, "split", all_of_them=False)
    _check_run(config.checkpoint, config)


def check_search(
    folder: Path,
    *,
    text: str | None,
    image: Path | None,
    k: int | None = None,
    among: str | None = None,
    index: str | None = None,
    panel: Path | None = None,
    checkpoint: Path | None = None,
) -> None:
    """Raise `XmrError` for arguments that `scripts/search.py` can't work with."""
    if text is None and image is None:
        raise ConfigError('search takes a text, a picture or both: --text "..." --image FILE')
    if text is not None and not text.strip():
        raise ConfigError("--text is empty; describe what to look for")
    if image is not None and not image.is_file():
        raise MissingFilesError(f"image {image} does not exist; give the path of a picture")
    if k is not None:
        check_whole(1, k=k)
    if among is not None and among not in MODALITIES:
        raise ConfigError(f"--among {among}; {did_you_mean(among, MODALITIES)}")
    if panel is not None and panel.is_dir():
        raise ConfigError(f"--panel {panel} is a folder; name a PNG file")
    manifest = Manifest.read(folder)
    path = Path(checkpoint or manifest.model.checkpoint)
    if not path.is_file():
        raise MissingFilesError(
            f"{folder} was made with the checkpoint {path}, which is gone; "
            f"give the file with --checkpoint, or embed again"
        )
    size = manifest.counts().get(among or "image", 0)
    if k is not None and index is None and 0 < size < k:
        raise DataError(f"k={k} > gallery size {size}; use k <= {size}")


def checkpoint_path(where: str | Path) -> Path:
    """The checkpoint file that `where` names: itself, or best.ckpt of a run folder.

    Raises `MissingFilesError` when there is none, or it is outside a run folder: results are written there.
    """
    path = Path(where)
    path = (path / "checkpoints" / "best.ckpt" if path.is_dir() else path).absolute()
    if not path.is_file():
        raise MissingFilesError(
            f"no checkpoint at {path}; a run keeps them in checkpoints/best.ckpt and last.ckpt"
        )
    if not (path.parent.parent / "config.yaml").is_file():
        raise MissingFilesError(
            f"{path} is in no run folder; put it in checkpoints/ of a folder with its config.yaml"
        )
    return path


def chosen(value: Any, known: Sequence[str], what: str, *, all_of_them: bool = True) -> list[str]:
    """`value` of the setting `what`, a name or a list of them, as a list without repetitions.

    Where `all_of_them` may be asked for, "all" is all of `known`. Raises `ConfigError` for an unknown name.
    """
    if value == "all" and all_of_them:
        return list(known)
    names = listed(value)
    for name in names:
        if name not in known:
            others = ["all"] if all_of_them else []
            raise ConfigError(f"{what}={name}; {did_you_mean(str(name), [*known, *others])}")
    return list(dict.fromkeys(names))


def listed(value: Any) -> list[Any]:
    """A setting that may be one value or a list of them, as a list."""
    return list(value) if isinstance(value, ListConfig) else [value]


def _check_run(where: str, config: DictConfig) -> None:
    """Check that `where` names a checkpoint, and that `config.set` changes settings that its run has."""
    path = checkpoint_path(where)
    with_overrides(RunFolder(path.parent.parent).load_config(), list(config.set))
