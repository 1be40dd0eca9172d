"""Segments: the two files, vectors and rows, that each append leaves in an embedding store."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet
import torch

from xmr.core.errors import DataError, did_you_mean, problems_message
from xmr.core.types import Embeddings, Modality
from xmr.index.checked_files import FileRecord, sync
from xmr.index.manifest import EMBED_AGAIN, Dtype, Manifest, SegmentRecord

FOLDER = "segments"
METADATA = ("caption", "image_path", "label", "split")
COLUMNS = ("id", "item_id", "modality", *METADATA)
ROWS = pyarrow.schema([(name, pyarrow.string()) for name in COLUMNS])
ARRAY_TYPES: dict[str, np.dtype] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bits": np.dtype("u1"),
}


def stored_vectors(embeddings: Embeddings, dtype: Dtype, thresholds: np.ndarray | None) -> np.ndarray:
    """Vectors (N, D) as they are stored: of `dtype`, or for bits packed (N, ceil(D / 8)), value > threshold.

    Raises `DataError` that names the ids of vectors which are zero or not finite (in `dtype`).
    """
    vectors = embeddings.vectors.detach().float().cpu().numpy()
    if dtype == "float16":
        with np.errstate(over="ignore"):
            vectors = vectors.astype(ARRAY_TYPES[dtype])
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1))
    if len(bad):
        what = {True: "it is zero", False: "it has NaN or infinite values"}
        problems = [f"'{embeddings.ids[row]}': {what[bool(np.isfinite(vectors[row]).all())]}" for row in bad]
        remedy = "Look for a diverged run or a broken input; nothing was stored."
        raise DataError(problems_message("vectors that can't be stored", problems, remedy))
    if dtype == "bits":
        return np.packbits(vectors > thresholds, axis=1)
    return np.ascontiguousarray(vectors, dtype=ARRAY_TYPES[dtype])


def rows_table(embeddings: Embeddings, metadata: Mapping[str, Sequence[str]]) -> pyarrow.Table:
    """The rows (N) of `embeddings` with `metadata` columns, each (N,); a column that is not given is empty.

    Raises `DataError` for an unknown column, one of another length, and ids that appear twice.
    """
    n = len(embeddings)
    for name, values in metadata.items():
        if name not in METADATA:
            raise DataError(f"rows have no column '{name}'; {did_you_mean(name, METADATA)}")
        if len(values) != n:
            raise DataError(f"column '{name}' has {len(values)} values for {n} vectors; give one a vector")
    columns = {
        "id": embeddings.ids.astype(str),
        "item_id": embeddings.item_ids.astype(str),
        "modality": [str(embeddings.modality)] * n,
        **{name: list(map(str, metadata.get(name, [""] * n))) for name in METADATA},
    }
    return pyarrow.table(columns, schema=ROWS)


def check_new_ids(ids: Sequence[str], known: Set[str], folder: Path) -> None:
    """Raise `DataError` naming those of `ids` that come twice, or that the store in `folder` knows."""
    twice = [f"'{id_}'" for id_, count in Counter(ids).items() if count > 1 or id_ in known]
    if twice:
        remedy = f"Each id in {folder} names one vector; give these others, or leave them out."
        raise DataError(problems_message("ids that are stored already or given twice", twice, remedy))


def write_segment(folder: Path, vectors: Iterable[np.ndarray], rows: pyarrow.Table) -> SegmentRecord:
    """Write the next vectors (in pieces, by rows) and their rows to new files of the store in `folder`."""
    name = uuid4().hex[:16]
    (folder / FOLDER).mkdir(exist_ok=True)
    vectors_file, rows_file = (folder / FOLDER / f"{name}.{ending}" for ending in ("vectors", "parquet"))
    with vectors_file.open("wb") as file:
        for piece in vectors:
            file.write(np.ascontiguousarray(piece).data)
    pyarrow.parquet.write_table(rows, rows_file)
    sync(folder / FOLDER)
    counts = rows["modality"].value_counts().to_pylist()
    return SegmentRecord(
        FileRecord.of(vectors_file, folder=folder),
        FileRecord.of(rows_file, folder=folder),
        {str(count["values"]): count["counts"] for count in counts},
    )


@dataclass(frozen=True)
class Segment:
    """The vectors (N, D) of a segment as they are stored, memory-mapped, and their rows (N)."""

    vectors: np.ndarray
    rows: pyarrow.Table
    counts: Mapping[str, int]

    @classmethod
    def open(cls, folder: Path, manifest: Manifest, record: SegmentRecord) -> "Segment":
        """The segment that `record` names; raises `DataError` when its rows are not what it says."""
        path = folder / record.rows.file
        try:
            rows = pyarrow.parquet.read_table(path, schema=ROWS)
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{path} can't be read ({error}); {EMBED_AGAIN}") from error
        if len(rows) != record.count:
            raise DataError(f"{path} has {len(rows)} rows for {record.count} vectors; {EMBED_AGAIN}")
        dtype = ARRAY_TYPES[manifest.dtype]
        shape = (record.count, manifest.row_bytes // dtype.itemsize)
        # not mode "r": torch warns of arrays that can't be written to; what is written here stays in memory
        vectors = np.memmap(folder / record.vectors.file, dtype, mode="c", shape=shape)
        return cls(vectors, rows, record.counts)

    def of(self, modality: str) -> "Segment":
        """The part of `modality`; its vectors are not copied when they lie together."""
        count = self.counts.get(modality, 0)
        if count == len(self.vectors):
            return self
        at = np.flatnonzero(self.rows["modality"].to_numpy() == modality)
        together = count and at[-1] - at[0] + 1 == count
        vectors = self.vectors[at[0] : at[-1] + 1] if together else self.vectors[at]
        return Segment(vectors, self.rows.take(at), {modality: count})

    def column(self, name: str) -> np.ndarray:
        """One column of the rows (N,), strings."""
        return self.rows[name].to_numpy().astype(str)

    def embeddings(self) -> Embeddings:
        """The vectors with their ids, of a segment of one modality."""
        (modality,) = self.counts
        return Embeddings(
            torch.from_numpy(self.vectors), self.column("id"), self.column("item_id"), Modality(modality)
        )


def signs(bits: np.ndarray, dim: int) -> np.ndarray:
    """Packed bits (N, ceil(dim / 8)) -> 1 where set, -1 where not, over sqrt(dim): (N, dim) float16."""
    either = np.array([-1, 1], dtype=np.float16) / np.float16(np.sqrt(dim))
    return either[np.unpackbits(bits, axis=1, count=dim)]


def joined(segments: Sequence[Segment]) -> Segment:
    """Segments as one, in their order; a single one is not copied."""
    if len(segments) == 1:
        return segments[0]
    counts = Counter[str]()
    for segment in segments:
        counts.update(segment.counts)
    rows = pyarrow.concat_tables([segment.rows for segment in segments])
    return Segment(np.concatenate([segment.vectors for segment in segments]), rows, counts)


def rows_by_id(segments: Iterable[Segment], ids: Sequence[str], folder: Path) -> list[dict[str, str]]:
    """The row of each of `ids` as {column: value}; raises `DataError` for an id that no segment holds."""
    wanted = pyarrow.array(ids, pyarrow.string())
    found = [segment.rows.filter(pyarrow.compute.is_in(segment.rows["id"], wanted)) for segment in segments]
    rows = {row["id"]: row for table in found for row in table.to_pylist()}
    missing = [f"'{id_}'" for id_ in ids if id_ not in rows]
    if missing:
        raise DataError(problems_message(f"ids that {folder} does not hold", missing, "Embed them first."))
    return [rows[id_] for id_ in ids]
