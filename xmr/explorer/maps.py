"""Maps of sources: made in the background, kept beside the run or store, and sent as bare numbers."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import numpy as np

from xmr.core.errors import ConfigError, DataError, XmrError, did_you_mean
from xmr.core.files import fingerprint
from xmr.core.types import Modality
from xmr.explorer.judged import Judge
from xmr.explorer.pictures import Uploads
from xmr.explorer.planes import LIMITS, Plane, place, plane_of, sample
from xmr.explorer.queries import Asked, encoded, entry_json
from xmr.explorer.sources import Source
from xmr.explorer.waiting import awaited
from xmr.explorer.worker import Worker

Method = Literal["pca", "tsne", "umap"]
VERSION = 2
"""Changes when the same vectors would be drawn elsewhere."""
MOST_ROWS, MOST_KEYS = 500, 5000
NO_LABEL = "(none)"
BY_NEIGHBOURS = "at the mean of its 10 nearest points, weighted by similarity"


@dataclass(frozen=True, eq=False)
class Map:
    """N points of a source: what each one is, as its modality and its position among the searched rows.

    `labels` are the names that `label_codes` (N,) count through; `correct` (N,) is 1, 0, or -1 where the
    evaluation did not ask.
    """

    id: str
    plane: Plane
    modalities: tuple[Modality, ...]
    modality_codes: np.ndarray
    positions: np.ndarray
    labels: list[str]
    label_codes: np.ndarray
    correct: np.ndarray
    total: int
    seconds: float
    remark: str

    @property
    def data(self) -> bytes:
        """x, y, label, modality, correct, cluster: each (N,) little-endian float32, one after the other."""
        columns = (
            *self.plane.points.T,
            self.label_codes,
            self.modality_codes,
            self.correct,
            self.plane.clusters,
        )
        return np.concatenate([np.asarray(column, "<f4") for column in columns]).tobytes()


class Maps:
    """The maps of all sources, each made once, one at a time."""

    def __init__(self, judge: Judge) -> None:
        self._judge, self._worker, self._lock = judge, Worker("explorer-maps"), Lock()
        self._made: dict[tuple[str, str], Future[Map]] = {}

    def status(self, source: Source, method: str) -> dict[str, Any]:
        """What is known of a map; starts to make it when nobody has."""
        future = self._future(source, method)
        known = {"method": method, "methods": list(LIMITS), "message": None}
        if not future.done():
            return {**known, "state": "computing", "message": f"drawing {method} of {source.about.title}"}
        try:
            made = future.result()
        except XmrError as error:
            with self._lock:  # the next to ask tries again
                self._made.pop((source.about.id, method), None)
            return {**known, "state": "failed", "message": str(error)}
        return {**known, "state": "ready", **_map_json(made, source, method)}

    def get(self, source: Source, method: str) -> Map:
        """The map, once it is made."""
        return awaited((self, source.about.id, method), lambda: self._future(source, method))

    def _future(self, source: Source, method: str) -> Future[Map]:
        if method not in LIMITS:
            raise ConfigError(f"method={method}; {did_you_mean(method, LIMITS)}")
        key = (source.about.id, method)
        with self._lock:
            if key not in self._made:
                self._made[key] = self._worker.start(lambda: _drawn(source, method, self._judge))
            return self._made[key]


def _drawn(source: Source, method: str, judge: Judge) -> Map:
    """The map; raises `DataError` for what t-SNE or UMAP fails with."""
    try:
        return _made(source, method, judge)
    except (ValueError, RuntimeError, MemoryError, ArithmeticError) as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise DataError(f"{method} of {source.about.title} can't be drawn ({said})") from error


def _made(source: Source, method: str, judge: Judge) -> Map:
    started = time.monotonic()
    content = source.content
    modalities = tuple(sorted(content.searched))
    galleries = [source.gallery(modality) for modality in modalities]
    names = [f"{m}:{id_}" for m, g in zip(modalities, galleries, strict=True) for id_ in g.embeddings.ids]
    codes = np.repeat(np.arange(len(galleries)), [len(gallery) for gallery in galleries])
    positions = np.concatenate([np.arange(len(gallery)) for gallery in galleries])
    chosen = sample(names, limit=LIMITS[method])
    codes, positions = codes[chosen], positions[chosen]
    vectors = np.concatenate([g.vectors.numpy()[positions[codes == n]] for n, g in enumerate(galleries)])
    id_ = fingerprint(VERSION, content.vectors, source.about.split, method, len(chosen))
    plane, remark = _kept(source, method, id_, len(chosen), lambda: plane_of(vectors, method))
    labels = np.concatenate([g.rows.labels[positions[codes == n]] for n, g in enumerate(galleries)])
    found, label_codes = np.unique(labels.astype(str), return_inverse=True)
    correct = np.concatenate(
        [_correct(source, modality, positions[codes == n], judge) for n, modality in enumerate(modalities)]
    )
    return Map(
        id=id_,
        plane=plane,
        modalities=modalities,
        modality_codes=codes,
        positions=positions,
        labels=[name or NO_LABEL for name in found.tolist()],
        label_codes=label_codes,
        correct=correct,
        total=len(names),
        seconds=round(time.monotonic() - started, 2),
        remark=remark,
    )


def _kept(source: Source, method: str, id_: str, count: int, make: Callable[[], Plane]) -> tuple[Plane, str]:
    """The plane from its file, or made and written there; and what to say when that can't be."""
    file = source.about.folder / "maps" / f"{method}-{id_}.npz"
    if (plane := Plane.load(file, count)) is not None:
        return plane, ""
    plane = make()
    try:
        plane.save(file)
    except OSError as error:
        return plane, f"; it can't be kept in {file.parent} ({error.strerror})"
    return plane, ""


def _correct(source: Source, modality: Modality, positions: np.ndarray, judge: Judge) -> np.ndarray:
    """Whether each entry, as a query, finds a correct one first (N,): 1, 0, or -1 where none knows."""
    known = np.full(len(positions), -1)
    asking = [name for name, of in source.content.directions.items() if of.queries is modality]
    if not asking:
        return known
    judged = judge(source, asking[0])
    right = dict(zip(judged.results.query_ids.tolist(), (judged.first_rank <= 1).tolist(), strict=True))
    ids = source.gallery(modality).embeddings.ids[positions].tolist()
    return np.array([int(right[id_]) if id_ in right else -1 for id_ in ids])


def _map_json(made: Map, source: Source, method: str) -> dict[str, Any]:
    points = made.plane.points
    count, low, high = len(points), points.min(axis=0), points.max(axis=0)
    said = (
        f"{made.total:,} embeddings"
        if count == made.total
        else f"{count:,} of {made.total:,} embeddings, drawn at random"
    )
    per = np.bincount(made.modality_codes, minlength=len(made.modalities)).tolist()
    axes = made.plane.axes
    return {
        "id": made.id,
        "count": count,
        "total": made.total,
        "limit": LIMITS[method],
        "said": said + made.remark,
        "counts": {str(modality): n for modality, n in zip(made.modalities, per, strict=True)},
        "labels": made.labels,
        "modalities": [str(modality) for modality in made.modalities],
        "clusters": int(made.plane.clusters.max()) + 1,
        "bounds": [float(value) for value in (*low, *high)],
        "correct": {
            "known": bool((made.correct >= 0).any()),
            "said": "the first entry that it finds is correct",
        },
        "points": f"/api/map/points?source={source.about.id}&method={method}",
        "seconds": made.seconds,
        "variance": None if axes is None else [round(float(share), 4) for share in axes.shares],
    }


def entries_json(source: Source, made: Map, rows: Sequence[int]) -> dict[str, Any]:
    """What the points at `rows` are."""
    if len(rows) > MOST_ROWS:
        raise ConfigError(f"{len(rows)} rows; ask for at most {MOST_ROWS} at a time")
    found = []
    for row in rows:
        if not 0 <= row < len(made.positions):
            raise ConfigError(f"row {row}, but the map has the rows 0 to {len(made.positions) - 1}")
        modality = made.modalities[made.modality_codes[row]]
        entry = entry_json(source, modality, source.gallery(modality).rows, int(made.positions[row]))
        found.append({**entry, "row": row, "cluster": int(made.plane.clusters[row])})
    return {"entries": found}


def rows_json(source: Source, made: Map, keys: Sequence[str]) -> dict[str, Any]:
    """Where the entries of these keys lie in the map; null for those that it does not show."""
    if len(keys) > MOST_KEYS:
        raise ConfigError(f"{len(keys)} keys; ask for at most {MOST_KEYS} at a time")
    data = source.content.data
    rows = {}
    for number, modality in enumerate(made.modalities):
        at = np.flatnonzero(made.modality_codes == number)
        ids = source.gallery(modality).embeddings.ids[made.positions[at]]
        rows.update({f"{data}:{modality}:{id_}": int(row) for row, id_ in zip(at, ids, strict=True)})
    return {"rows": [rows.get(key) for key in keys]}


def position_json(question: Asked, source: Source, made: Map, uploads: Uploads) -> dict[str, Any]:
    """Where a query lies on the map, and the points nearest to it."""
    galleries = [source.gallery(modality) for modality in made.modalities]
    vector = galleries[0].prepared(encoded(question, source, uploads).vector)
    similarities = np.concatenate(
        [
            gallery.similarities(vector)[made.positions[made.modality_codes == number]]
            for number, gallery in enumerate(galleries)
        ]
    )
    at, exact, nearest = place(made.plane, vector, similarities)
    return {
        "x": float(at[0]),
        "y": float(at[1]),
        "exact": exact,
        "said": "projected exactly" if exact else BY_NEIGHBOURS,
        "nearest": nearest.tolist(),
    }
