"""Loads a folder of images sorted by class, each class described by one sentence."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from xmr.core.errors import ConfigError, DataError, MissingFilesError, problems_message
from xmr.data.dataset import SPLITS, Item, RetrievalDataset
from xmr.data.images import FolderImages
from xmr.data.splitting import assign_splits, check_fractions

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}

log = logging.getLogger(__name__)


def load_image_folder(
    *,
    root: Path | str,
    template: str | Sequence[str] = "a photo of a {label}.",
    fractions: Mapping[str, float] = FRACTIONS,
    val_fraction: float = 0.1,
    seed: int = 0,
    name: str | None = None,
) -> RetrievalDataset:
    """Load `root/<split>/<class>/*` (train, val, test), or `root/<class>/*` split by `fractions`.

    The text of a class is `template` with the folder's name for {label}, "_" read as a space (of several
    templates, several texts); an image matches the texts of its class (relevance "label"). Where there is a
    train folder but none for val,
    `val_fraction` in [0, 1) of each class in train becomes val. Fractions hold class by class, so that
    each split has its share of every class.

    Raises `ConfigError` for settings, `MissingFilesError` when there is no folder, `DataError` when it
    isn't laid out so. Files that are no images are left out and counted in a warning.
    """
    root = Path(root)
    templates = [template] if isinstance(template, str) else list(template)
    for one in templates or [""]:
        if "{label}" not in one:
            raise ConfigError(f"template='{one}' has no {{label}}; write it where the class belongs")
    if not 0 <= val_fraction < 1:
        raise ConfigError(f"val_fraction={val_fraction} is outside [0, 1); give a share of train")
    check_fractions(fractions)
    if not root.is_dir():
        raise MissingFilesError(
            f"root {root} is not a folder; it must hold train/<class>/ or <class>/ folders"
        )
    folders = _folders(root)
    given = [folder.name for folder in folders if folder.name in SPLITS]
    if given:
        unknown = [folder.name for folder in folders if folder.name not in SPLITS]
        if unknown:
            raise DataError(
                f"{root} has {', '.join(given)} and also {', '.join(unknown)}; "
                f"split folders are named {', '.join(SPLITS)}: rename or move the others"
            )
        keys = {split: _keys_by_class(root, root / split) for split in given}
        if "train" in given and "val" not in given:
            carve = {"train": 1 - val_fraction, "val": val_fraction}
            dealt = _deal(keys["train"], carve, seed)
            keys |= {"train": dealt["train"], "val": dealt["val"]}
    else:
        keys = _deal(_keys_by_class(root, root), fractions, seed)
    return RetrievalDataset(
        name=name or root.resolve().name,
        items=tuple(_items(templates, keys)),
        read_image=FolderImages(root),
        relevance="label",
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _keys_by_class(root: Path, folder: Path) -> dict[str, list[str]]:
    """List the images in the class folders of `folder`, as paths relative to `root`."""
    problems = []
    left_out: Counter[str] = Counter()
    keys = {}
    for class_folder in _folders(folder):
        paths = sorted(path for path in class_folder.iterdir() if not path.name.startswith("."))
        images = [path for path in paths if path.suffix.lower() in SUFFIXES]
        left_out.update(
            path.suffix for path in paths if path.is_file() and path.suffix.lower() not in SUFFIXES
        )
        problems += [f"{path} is a folder inside a class folder" for path in paths if path.is_dir()]
        if not images:
            problems.append(f"{class_folder} has no image")
        keys[class_folder.name] = [path.relative_to(root).as_posix() for path in images]
    if not keys:
        problems.append("it has no class folder")
    if problems:
        remedy = f"Images belong into <class>/ folders; endings read: {', '.join(sorted(SUFFIXES))}."
        raise DataError(problems_message(f"image folder {folder}", problems, remedy))
    if left_out:
        endings = ", ".join(f"{count} '{suffix}'" for suffix, count in sorted(left_out.items()))
        log.warning("%s: left out files that are no images: %s", folder, endings)
    return keys


def _deal(
    keys_by_class: Mapping[str, Sequence[str]], fractions: Mapping[str, float], seed: int
) -> dict[str, dict[str, list[str]]]:
    """Deal the images of each class into splits."""
    dealt: dict[str, dict[str, list[str]]] = {split: {} for split in SPLITS}
    for label, keys in keys_by_class.items():
        for key, split in zip(keys, assign_splits(keys, fractions=fractions, seed=seed), strict=True):
            dealt[split].setdefault(label, []).append(key)
    return dealt


def _items(templates: Sequence[str], keys: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[Item]:
    for split in SPLITS:
        for label, keys_of_class in keys.get(split, {}).items():
            texts = tuple(template.replace("{label}", label.replace("_", " ")) for template in templates)
            for key in keys_of_class:
                yield Item(item_id=key, image=key, texts=texts, split=split, label=label)
