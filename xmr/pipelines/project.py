"""Projections of what a checkpoint makes of a split: pictures, and a page to explore."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from xmr.core.types import Embeddings, Modality
from xmr.data.dataset import RetrievalDataset
from xmr.pipelines.build import Components
from xmr.pipelines.early_checks import check_project, checkpoint_path, listed
from xmr.pipelines.evaluate import note_use, restore
from xmr.pipelines.scoring import plan_of, score
from xmr.pipelines.tasks import Task
from xmr.reporting.projections import Look, Plane, project_all, write_planes
from xmr.reporting.views import View


def project(config: DictConfig) -> None:
    """Embed `config.split` with each of `config.checkpoint`, and draw it by each of `config.methods`."""
    check_project(config)
    methods = list(dict.fromkeys(listed(config.methods)))
    paths = [checkpoint_path(path) for path in listed(config.checkpoint)]
    planes: dict[str, Plane] = {}
    look: Look | None = None
    names = []
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    for number, path in enumerate(paths, start=1):
        components, _ = restore(path, list(config.set))
        note_use(config.split, path, components.task.data_fingerprint, tell=say)
        embedded, own_look = embedded_split(components, config.split)
        look = look or own_look
        names.append(f"{components.config.name}, {path.stem}")
        labels = class_labels(components.dataset, levels=config.label_levels)
        drawn = project_all(embedded, labels, methods=methods, seed=config.seed, limit=config.points)
        for method, plane in zip(methods, drawn, strict=True):
            several = len(paths) > 1
            key = f"{number}-{method}" if several else method
            planes[key] = replace(plane, name=f"{number}: {plane.name}") if several else plane
    title = f"{components.dataset.name}, {config.split} split: {_told_apart(names)}"
    folder = Path(config.folder or _default_folder(paths[0], config.split))
    written = write_planes(planes, folder, title=title, look=look if config.pictures else None)
    for name, path in written.items():
        say(f"{name:9} {path}")


def embedded_split(components: Components, split: str) -> tuple[Sequence[Embeddings], Look]:
    """The embeddings of what an evaluation on `split` searches with and in, and what each one shows."""
    evaluation = score(components, plan_of(components, split))
    direction, sides = next(iter(evaluation.sides.items()))
    return sides, look_of(components.task, split, direction, sides)


def look_of(task: Task, split: str, direction: str, sides: Sequence[Embeddings]) -> Look:
    """What the query and gallery embeddings of a direction show."""
    query_view, gallery_view = task.views(split, direction)
    queries = {(sides[0].modality, str(id_)) for id_ in sides[0].ids}

    def look(modality: Modality, id_: str) -> View:
        return query_view(id_) if (modality, id_) in queries else gallery_view(id_)

    return look


def class_labels(dataset: RetrievalDataset, *, levels: int | None = None) -> dict[str, str]:
    """The label of each item id; of a label with levels (animals-nature/animal-bug) the first `levels`."""
    of_items = {item.item_id: item.label for item in dataset.items}
    if dataset.relevance == "label":  # the class is the item id of its images and texts
        of_items |= {label: label for label in of_items.values()}
    return {item: "/".join(label.split("/")[:levels]) for item, label in of_items.items()}


def _told_apart(names: Sequence[str]) -> str:
    """`emoji, best`, or `1: emoji, best · 2: shapes, best`."""
    return (
        names[0] if len(names) == 1 else " · ".join(f"{n}: {name}" for n, name in enumerate(names, start=1))
    )


def _default_folder(path: Path, split: str) -> str:
    run = os.path.relpath(path.parent.parent)
    return f"{run}/evaluations/{split}-{path.stem}/projections"
