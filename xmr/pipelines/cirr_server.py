"""Ranks CIRR's test split with a trained model, for the server that knows the targets."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from xmr.core.errors import ConfigError
from xmr.core.files import write_json
from xmr.core.types import Modality
from xmr.data.cirr import UnansweredQuery, read_cirr_test
from xmr.evaluation.cirr_submission import cirr_submission
from xmr.pipelines.features import progress_bar
from xmr.pipelines.load import LoadedRun, load

AT_ONCE = 32


def write_submission(run: str | Path, *, root: Path, images: str, out: Path | None = None) -> None:
    """Write recall.json and recall_subset.json of the run's best checkpoint into `out`, and say where.

    Raises `XmrError` for a model that takes no image + text queries, and for files of CIRR that are missing.
    """
    queries, paths = read_cirr_test(root=root, images=images)
    model = load(run)
    if Modality.COMPOSED not in model.modalities:
        raise ConfigError(f"{run} takes no image + text queries; give a run of experiment=tirg or the like")
    vectors, gallery = embed(model, queries, paths)
    everywhere, in_sets = rank(vectors, gallery, queries, list(paths))
    folder = out or Path(os.path.relpath(model.folder)) / "evaluations" / "cirr-test1"
    write_json(folder / "recall.json", cirr_submission(everywhere, "recall"))
    write_json(folder / "recall_subset.json", cirr_submission(in_sets, "recall_subset"))
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    say(f"recall    {folder / 'recall.json'}")
    say(f"subset    {folder / 'recall_subset.json'}")
    say("figures   by the server, https://cirr.cecs.anu.edu.au, which takes both files")


def embed(
    model: LoadedRun, queries: Sequence[UnansweredQuery], paths: dict[str, Path]
) -> tuple[np.ndarray, np.ndarray]:
    """Unit-norm embeddings of the queries (Q, D) and of the photographs (N, D), under a progress bar."""
    photographs = list(paths.values())
    starts = range(0, len(photographs), AT_ONCE), range(0, len(queries), AT_ONCE)
    with progress_bar() as progress:
        gallery = [
            model.encode_image(photographs[start : start + AT_ONCE])
            for start in progress.track(starts[0], description="photographs, batches")
        ]
        vectors = [
            model.encode_composed(
                [paths[query.reference] for query in queries[start : start + AT_ONCE]],
                [query.text for query in queries[start : start + AT_ONCE]],
            )
            for start in progress.track(starts[1], description="queries, batches")
        ]
    return np.concatenate(vectors), np.concatenate(gallery)


def rank(
    vectors: np.ndarray, gallery: np.ndarray, queries: Sequence[UnansweredQuery], names: Sequence[str]
) -> tuple[dict[int | str, list[str]], dict[int | str, list[str]]]:
    """By pair id all photographs, nearest first, and those of the query's set alone; never its reference.

    `vectors` (Q, D) and `gallery` (N, D) have unit norm; `names` are the photographs'. Of equal similarities
    the first in `names` comes first.
    """
    everywhere: dict[int | str, list[str]] = {}
    in_sets: dict[int | str, list[str]] = {}
    for query, similarities in zip(queries, vectors @ gallery.T, strict=True):
        order = np.argsort(-similarities, kind="stable")
        found = [names[row] for row in order if names[row] != query.reference]
        members = set(query.members)
        everywhere[query.pair_id] = found
        in_sets[query.pair_id] = [name for name in found if name in members]
    return everywhere, in_sets
