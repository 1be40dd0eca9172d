"""Indexes kept beside the vectors of a store: hashed when written, checked before they are loaded."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from xmr.core.errors import ConfigError, DataError, did_you_mean, problems_message
from xmr.core.protocols import Index
from xmr.core.types import Modality
from xmr.index.checked_files import FileRecord, check_files, exclusive, read_sealed, sync, write_sealed
from xmr.index.leftovers import INDEXES, RECORD, build_lock, remove_other_builds, remove_unfinished_builds
from xmr.index.store import EmbeddingStore

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class IndexRecord:
    """What `index.json` says of a saved index: how it was built, of which vectors, and its files.

    `settings` builds an index object of its kind, `options` are the words that `scripts/build_index.py`
    was called with, `build` is the folder of the files below that of the index.
    """

    name: str
    modality: str
    settings: dict[str, Any]
    options: tuple[str, ...]
    exact: bool
    count: int
    nbytes: int
    vectors_fingerprint: str
    build_seconds: float
    build: str
    files: tuple[FileRecord, ...]


def build_index(
    store: EmbeddingStore,
    index: Index,
    *,
    name: str,
    modality: Modality,
    settings: Mapping[str, Any],
    options: Sequence[str] = (),
) -> Path:
    """Fill `index` with the vectors of `modality` and keep it in the store's `indexes/<name>/`: that folder.

    An index of that name is replaced once the new one is whole. Raises `ConfigError` for a name that is
    none, `DataError` when the store holds no such vectors or another process builds the same index.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise ConfigError(f"name='{name}'; name an index with letters, digits, '_', '-' and '.'")
    folder = store.folder / INDEXES / name
    remove_unfinished_builds(store.folder)
    with exclusive(build_lock(folder), f"the index {folder}"):
        gallery = store.searchable(modality)
        build = folder / uuid4().hex[:16]
        build.mkdir(parents=True)
        started = time.monotonic()
        index.add(gallery)
        index.save(build)
        seconds = time.monotonic() - started
        files = [FileRecord.of(path, folder=build) for path in sorted(build.rglob("*")) if path.is_file()]
        sync(build)
        record = IndexRecord(
            name=name,
            modality=str(modality),
            settings=dict(settings),
            options=tuple(options),
            exact=index.exact,
            count=len(gallery),
            nbytes=index.nbytes,
            vectors_fingerprint=store.manifest.vectors_fingerprint(modality),
            build_seconds=round(seconds, 3),
            build=build.name,
            files=tuple(files),
        )
        write_sealed(folder / RECORD, asdict(record), schema_version=SCHEMA_VERSION)
        remove_other_builds(folder, build.name)
    return folder


def index_names(store: EmbeddingStore) -> list[str]:
    """The names of the store's saved indexes, sorted."""
    return sorted(path.parent.name for path in (store.folder / INDEXES).glob(f"*/{RECORD}"))


def read_index_record(store: EmbeddingStore, name: str) -> IndexRecord:
    """What is recorded of the saved index `name`; raises `DataError` when there is none, or it is damaged."""
    rebuild = f"python scripts/build_index.py store={store.folder} index=NAME"
    names = index_names(store)
    if name not in names:
        known = did_you_mean(name, names) if names else "it has none yet"
        raise DataError(f"{store.folder} has no index '{name}' ({known}); make one: {rebuild}")
    path = store.folder / INDEXES / name / RECORD
    value = read_sealed(
        path, schema_version=SCHEMA_VERSION, missing=f"{path} is gone", remedy=f"build it again: {rebuild}"
    )
    try:
        files, options = (FileRecord(**file) for file in value.pop("files")), value.pop("options")
        return IndexRecord(**value, files=tuple(files), options=tuple(options))
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is no record of an index ({error}); build it again: {rebuild}") from error


def check_index(store: EmbeddingStore, name: str, *, content: bool = True) -> IndexRecord:
    """The record of the saved index `name`, once it is as it was built, from vectors that are still the same.

    Raises `DataError` when a file of it is missing, has changed (with `content`, in any bit) or was not
    there when it was built, and when the store's vectors are no longer those it was built from.
    """
    record = read_index_record(store, name)
    folder = _build_folder(store, name, record)
    command = ["python scripts/build_index.py", f"store={store.folder}", *(record.options or ["index=NAME"])]
    rebuild = f"Build it again: {' '.join(command)}"
    modality = Modality(record.modality)
    if store.manifest.vectors_fingerprint(modality) != record.vectors_fingerprint:
        raise DataError(
            f"index '{name}' is stale: the {modality} vectors of {store.folder} have changed since it was "
            f"built, from {record.count:,} to {store.counts.get(modality, 0):,}. {rebuild}"
        )
    what = f"index '{name}' of {store.folder}"
    check_files(what, list(record.files), folder, content=content, remedy=rebuild)
    known = {file.file for file in record.files}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if strangers := sorted(found - known):
        raise DataError(problems_message(f"{what} has files it was not built with", strangers, rebuild))
    return record


def open_index(store: EmbeddingStore, index: Index, name: str) -> IndexRecord:
    """Load the saved index `name` into `index`, which was made from the record's settings: the record.

    Raises `DataError`, before anything is loaded, for what `check_index` finds wrong.
    """
    record = check_index(store, name)
    index.load(_build_folder(store, name, record), store.searchable(Modality(record.modality)))
    return record


def _build_folder(store: EmbeddingStore, name: str, record: IndexRecord) -> Path:
    return store.folder / INDEXES / name / record.build
