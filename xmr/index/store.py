"""The embedding store: a folder of vectors with their ids, that grows by whole segments or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
from filelock import FileLock

from xmr.core.errors import ConfigError, DataError, did_you_mean
from xmr.core.types import Embeddings, Modality
from xmr.index.checked_files import check_files, exclusive
from xmr.index.leftovers import remove_unfinished_builds, remove_unnamed_segments
from xmr.index.manifest import (
    DTYPES,
    EMBED_AGAIN,
    THRESHOLDS,
    DataRecord,
    Dtype,
    Manifest,
    ModelRecord,
    check_free,
    write_thresholds,
)
from xmr.index.segments import (
    ROWS,
    Segment,
    check_new_ids,
    joined,
    rows_by_id,
    rows_table,
    signs,
    stored_vectors,
    write_segment,
)

LOCK = ".lock"


class EmbeddingStore:
    """Vectors (N, D) on disk, memory-mapped, each with an id, its item, its modality and what it shows.

    `manifest.json` names the files of each segment with their SHA-256. Files are written first, the
    manifest is replaced last: whatever interrupts a writer, the store holds the old or the new content.
    Made by `create` and `open`.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, verify: bool) -> None:
        self.folder = folder
        self._lock = FileLock(folder / LOCK)
        self._load(manifest, verify=verify)

    def _load(self, manifest: Manifest, *, verify: bool) -> None:
        folder, remedy = self.folder, f"To mend it, {EMBED_AGAIN}."
        check_files(f"embedding store {folder}", manifest.files, folder, content=verify, remedy=remedy)
        self.manifest = manifest
        self._segments = [Segment.open(folder, manifest, record) for record in manifest.segments]
        self._ids: set[str] | None = None

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        dim: int,
        model: ModelRecord,
        data: DataRecord,
        dtype: Dtype = "float32",
        thresholds: np.ndarray | None = None,
    ) -> "EmbeddingStore":
        """An empty store in `folder`, which must be new or empty.

        With dtype "bits" a vector is stored as D bits: which of its values are above `thresholds` (D,),
        zero by default. Raises `ConfigError` and `DataError`.
        """
        folder = Path(folder)
        if dtype not in DTYPES:
            raise ConfigError(f"dtype={dtype}; {did_you_mean(str(dtype), DTYPES)}")
        if thresholds is not None and dtype != "bits":
            raise ConfigError(f"dtype={dtype} takes no thresholds; use dtype=bits, or leave them out")
        check_free(folder)
        with exclusive(folder / LOCK, str(folder)):
            check_free(folder)
            record = None
            if dtype == "bits":
                record = write_thresholds(folder, np.zeros(dim) if thresholds is None else thresholds, dim)
            manifest = Manifest(dim=dim, dtype=dtype, model=model, data=data, thresholds=record)
            manifest.write(folder)
            return cls(folder, manifest, verify=False)

    @classmethod
    def open(cls, folder: Path | str, *, verify: bool = True) -> "EmbeddingStore":
        """The store in `folder`, its vectors memory-mapped; `verify` checks the SHA-256 of every file.

        Raises `MissingFilesError` when it is no store, `DataError` naming the files that are missing,
        half-written or changed, and what to do.
        """
        folder = Path(folder)
        manifest = Manifest.read(folder)
        while True:
            try:
                return cls(folder, manifest, verify=verify)
            except DataError:
                newer = Manifest.read(folder)
                if newer == manifest:
                    raise
                manifest = newer  # another process has compacted the store in between

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many vectors there are of each modality."""
        return self.manifest.counts()

    @property
    def nbytes(self) -> int:
        """Bytes of all vectors."""
        return len(self) * self.manifest.row_bytes

    @property
    def metadata(self) -> dict[str, np.ndarray]:
        """The rows as columns (N,) of strings: id, item_id, modality, caption, image_path, label, split."""
        rows = pyarrow.concat_tables([ROWS.empty_table(), *(segment.rows for segment in self._segments)])
        return {name: rows[name].to_numpy() for name in ROWS.names}

    @property
    def thresholds(self) -> np.ndarray | None:
        """What a value must be above for its bit to be set, (D,) float32; None in a store of floats."""
        return None if self.manifest.thresholds is None else np.fromfile(self.folder / THRESHOLDS, "<f4")

    def ids(self, modality: Modality) -> np.ndarray:
        """The ids (N,) of the vectors of `modality`, in the order of `embeddings` and `bits`; may be none."""
        found = [segment.of(modality).column("id") for segment in self._segments]
        return np.concatenate([np.empty(0, dtype=str), *found])

    def embeddings(self, modality: Modality | None = None) -> Embeddings:
        """The vectors of `modality` (needed where there are several), float32 or float16.

        Nothing is copied or read from the disk yet when they lie in one piece, as after `rebuild`.
        Raises `DataError` when there are none, and for a store of bits.
        """
        if self.manifest.dtype == "bits":
            raise DataError(
                f"{self.folder} holds packed bits, from which vectors can't be had back; searchable() gives "
                f"their signs (search them with index=binary), or embed again with dtype=float32"
            )
        return self._part(modality).embeddings()

    def searchable(self, modality: Modality | None = None) -> Embeddings:
        """What an index is built of: `embeddings`, or for bits their signs, unit-norm float16, in memory.

        To the signs belong queries less `thresholds`.
        """
        if self.manifest.dtype != "bits":
            return self.embeddings(modality)
        part = self._part(modality)
        return replace(part, vectors=signs(part.vectors, self.manifest.dim)).embeddings()

    def bits(self, modality: Modality | None = None) -> np.ndarray:
        """The packed bits (N, ceil(D / 8)) uint8 of `modality`, as of `numpy.packbits`.

        Raises `DataError` for a store of floats.
        """
        if self.manifest.dtype != "bits":
            raise DataError(
                f"{self.folder} holds {self.manifest.dtype} vectors, not bits; use embeddings(), "
                f"or embed again with dtype=bits"
            )
        return self._part(modality).vectors

    def describe(self, ids: Sequence[str]) -> list[dict[str, str]]:
        """The row of each of `ids` as {column: value}; raises `DataError` for an id that is not stored."""
        return rows_by_id(self._segments, list(map(str, ids)), self.folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer until the end, on the newest content, with no leftovers of an interrupted one.

        For work that ends in several appends: a second writer is refused before it begins. Raises
        `DataError` when another process, or another object of this one, is writing.
        """
        with exclusive(self._lock, str(self.folder)):
            if self._lock.lock_counter == 1:
                manifest = Manifest.read(self.folder)
                if manifest != self.manifest:
                    self._load(manifest, verify=False)
                remove_unnamed_segments(self.folder, manifest)
                remove_unfinished_builds(self.folder)
            yield

    def append(
        self, embeddings: Embeddings, metadata: Mapping[str, Sequence[str]], *, model_fingerprint: str
    ) -> None:
        """Add vectors (N, D) with their `metadata` (columns of N strings: caption, image_path, label, split).

        All or nothing. Raises `DataError` for vectors of another model or dimension, ids that are stored
        already, zero or non-finite vectors, and when another process is writing.
        """
        with self.writing():
            self.manifest.check_fits(self.folder, model_fingerprint, embeddings.dim)
            check_new_ids(embeddings.ids.astype(str).tolist(), self._known_ids(), self.folder)
            vectors = stored_vectors(embeddings, self.manifest.dtype, self.thresholds)
            rows = rows_table(embeddings, metadata)
            if not len(embeddings):
                return
            record = write_segment(self.folder, [vectors], rows)
            splits = dict.fromkeys([*self.manifest.data.splits, *filter(None, rows["split"].to_pylist())])
            manifest = replace(
                self.manifest,
                data=replace(self.manifest.data, splits=tuple(splits)),
                segments=(*self.manifest.segments, record),
            )
            manifest.write(self.folder)
            self.manifest = manifest
            self._segments.append(Segment.open(self.folder, manifest, record))
            self._known_ids().update(rows["id"].to_pylist())

    def rebuild(self) -> None:
        """Compact all segments into one, modality by modality, so that `embeddings` needs no copy.

        All or nothing. Saved indexes are of the old files: build them again.
        """
        with self.writing():
            if not len(self):
                return
            parts = [segment.of(modality) for modality in Modality for segment in self._segments]
            rows = pyarrow.concat_tables([part.rows for part in parts])
            segment = write_segment(self.folder, [part.vectors for part in parts], rows)
            generation = self.manifest.generation + 1
            manifest = replace(self.manifest, segments=(segment,), generation=generation)
            manifest.write(self.folder)
            remove_unnamed_segments(self.folder, manifest)
            self._load(manifest, verify=False)

    def _known_ids(self) -> set[str]:
        """The ids of the store; kept, so that each of many appends looks only at its own."""
        if self._ids is None:
            self._ids = {id_ for segment in self._segments for id_ in segment.rows["id"].to_pylist()}
        return self._ids

    def _part(self, modality: Modality | None) -> Segment:
        name = self.manifest.held(self.folder, modality)
        return joined([segment.of(name) for segment in self._segments if segment.counts.get(name)])
