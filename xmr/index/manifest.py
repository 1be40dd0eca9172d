"""The manifest of an embedding store: which files hold what, and which model and data they are of."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from xmr.core.errors import DataError
from xmr.core.files import atomic_path, fingerprint
from xmr.index.checked_files import FileRecord, read_sealed, write_sealed

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
THRESHOLDS = "thresholds.f32"
EMBED_AGAIN = "remove the folder and embed again: python scripts/embed.py checkpoint=PATH store=DIR"

Dtype = Literal["float32", "float16", "bits"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


@dataclass(frozen=True)
class ModelRecord:
    """The model that made the vectors: its fingerprint, and the checkpoint and settings that load it."""

    fingerprint: str
    checkpoint: str
    checkpoint_sha256: str
    config: dict[str, Any]


@dataclass(frozen=True)
class DataRecord:
    """The data set that the vectors are of, the settings that load it, and the splits stored so far."""

    name: str
    fingerprint: str
    config: dict[str, Any]
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class SegmentRecord:
    """Vectors that were appended together: their two files, and how many there are of each modality."""

    vectors: FileRecord
    rows: FileRecord
    counts: dict[str, int]

    @property
    def count(self) -> int:
        """How many vectors the segment has."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Manifest:
    """All that a store is besides its vectors and rows. `generation` counts the compactions."""

    dim: int
    dtype: Dtype
    model: ModelRecord
    data: DataRecord
    thresholds: FileRecord | None = None
    segments: tuple[SegmentRecord, ...] = ()
    generation: int = 0

    @property
    def files(self) -> list[FileRecord]:
        """Every file of the store, the manifest aside."""
        files = [file for segment in self.segments for file in (segment.vectors, segment.rows)]
        return files + ([self.thresholds] if self.thresholds else [])

    @property
    def row_bytes(self) -> int:
        """Bytes of one vector."""
        return -(-self.dim // 8) if self.dtype == "bits" else self.dim * (4 if self.dtype == "float32" else 2)

    def counts(self) -> dict[str, int]:
        """How many vectors there are of each modality."""
        counts: dict[str, int] = {}
        for segment in self.segments:
            for modality, count in segment.counts.items():
                counts[modality] = counts.get(modality, 0) + count
        return counts

    def held(self, folder: Path, modality: str | None) -> str:
        """`modality`, or the only one there is; raises `DataError` where the store in `folder` has none."""
        counts = self.counts()
        if modality is None and len(counts) > 1:
            raise DataError(f"{folder} holds {' and '.join(counts)} vectors; name one: modality=...")
        wanted = modality or next(iter(counts), None)
        if wanted is None or wanted not in counts:
            held = ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none at all"
            raise DataError(f"{folder} holds no {modality or ''} vectors ({held}); embed them first")
        return wanted

    def vectors_fingerprint(self, modality: str) -> str:
        """16 hex digits that change with the files that hold vectors of `modality`: their bytes and order."""
        holding = [segment for segment in self.segments if segment.counts.get(modality)]
        hashes = [[segment.vectors.sha256, segment.rows.sha256] for segment in holding]
        thresholds = self.thresholds.sha256 if self.thresholds else None
        return fingerprint(self.dim, self.dtype, modality, thresholds, hashes)

    def check_fits(self, folder: Path, model_fingerprint: str, dim: int) -> None:
        """Raise `DataError` when vectors of another model or dimension come to the store in `folder`."""
        own = self.model.fingerprint
        if model_fingerprint != own:
            raise DataError(
                f"{folder} holds vectors of the model {own}, these are of {model_fingerprint}; "
                f"vectors of two models can't be compared: use a store for each"
            )
        if dim != self.dim:
            raise DataError(f"vectors have dimension {dim}, {folder} holds {self.dim}; use one model")

    def write(self, folder: Path) -> None:
        """Put this manifest in the place of the one in `folder`, atomically."""
        value = {"count": sum(self.counts().values()), **asdict(self)}
        write_sealed(folder / MANIFEST, value, schema_version=SCHEMA_VERSION)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest in `folder`; raises `DataError` naming it, and what to do, when it can't be used."""
        path = folder / MANIFEST
        missing = (
            f"{folder} is no embedding store: it has no {MANIFEST}; "
            f"make one: python scripts/embed.py checkpoint=PATH store={folder}"
        )
        value = read_sealed(path, schema_version=SCHEMA_VERSION, missing=missing, remedy=EMBED_AGAIN)
        try:
            return cls(
                dim=value["dim"],
                dtype=value["dtype"],
                model=ModelRecord(**value["model"]),
                data=DataRecord(**{**value["data"], "splits": tuple(value["data"]["splits"])}),
                thresholds=FileRecord(**value["thresholds"]) if value["thresholds"] else None,
                segments=tuple(_segment(segment) for segment in value["segments"]),
                generation=value["generation"],
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"{path} is no manifest of a store ({error}); {EMBED_AGAIN}") from error


def _segment(value: dict[str, Any]) -> SegmentRecord:
    return SegmentRecord(FileRecord(**value["vectors"]), FileRecord(**value["rows"]), value["counts"])


def check_free(folder: Path) -> None:
    """Raise `DataError` when there is anything in the way of a new store in `folder`."""
    if (folder / MANIFEST).exists():
        raise DataError(f"{folder} is a store already; open it, or name a new folder")
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; name a new folder for the store")
    # what an interrupted `create` leaves is no obstacle
    foreign = [path.name for path in folder.glob("*") if not path.name.startswith((".", THRESHOLDS))]
    if foreign:
        raise DataError(f"{folder} is no store and not empty ({foreign[0]}...); name a new folder")


def write_thresholds(folder: Path, thresholds: np.ndarray, dim: int) -> FileRecord:
    """Write `thresholds` (dim,) as float32; raises `DataError` for others than that many finite numbers."""
    thresholds = np.asarray(thresholds, dtype="<f4")
    if thresholds.shape != (dim,) or not np.isfinite(thresholds).all():
        raise DataError(f"thresholds {thresholds.shape} must be finite, one for each of {dim} dimensions")
    with atomic_path(folder / THRESHOLDS) as beside:
        thresholds.tofile(beside)
    return FileRecord.of(folder / THRESHOLDS, folder=folder)
