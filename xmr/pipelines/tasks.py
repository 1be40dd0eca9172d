"""Tasks: what a model trains on and is evaluated by, told by the two sides of its training pairs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from xmr.core.errors import ConfigError
from xmr.core.files import fingerprint
from xmr.core.types import Modality
from xmr.data.composed import ComposedSplit, composed_split
from xmr.data.dataset import RetrievalDataset, Split
from xmr.data.sources import Composed, PairDataset, Rows, Source
from xmr.evaluation.plans import Plan, class_name_plan, composed_plan, image_image_plan, image_text_plan
from xmr.evaluation.protocol import Protocol as EvaluationProtocol
from xmr.evaluation.protocols import READY, ready_protocol
from xmr.pipelines.features import SourceMaker
from xmr.reporting.views import View

ViewOf = Callable[[str], View]
"""What the entry with an id looks like."""


@dataclass(frozen=True)
class Queries:
    """What queries say (those without words aside), and their classes (those without one aside), by id."""

    texts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class Task(Protocol):
    """Training pairs, evaluations and pictures of one data set."""

    @property
    def name(self) -> str:
        """`image_text`, `image_image` or `composed`."""

    @property
    def dataset(self) -> RetrievalDataset:
        """What is trained and evaluated on."""

    @property
    def data_fingerprint(self) -> str:
        """Changes with any id, text, label or split that training or evaluation sees."""

    def training(self, make: SourceMaker) -> tuple[Any, PairDataset]:
        """What the sampler pairs up, and the pairs, of the training split."""

    def training_items(self) -> int:
        """How many items (or classes) there are in training pairs: they are numbered from 0."""

    def default_protocol(self) -> str:
        """The ready protocol that runs of this data set are evaluated by."""

    def plan(self, split: str, protocol: EvaluationProtocol) -> Plan:
        """How `split` is evaluated; raises `ConfigError` for a protocol of another task."""

    def sources(self, split: str, make: SourceMaker) -> list[tuple[Modality, Source]]:
        """What the plan of `split` embeds, in the plan's order."""

    def views(self, split: str, direction: str) -> tuple[ViewOf, ViewOf]:
        """What the queries and the gallery of a direction look like."""

    def queries(self, split: str, direction: str) -> Queries:
        """What the queries of a direction say, and their classes, by id."""


@dataclass(frozen=True)
class ImageText:
    """Images and their texts, both directions; or class names as queries, where a protocol has prompts."""

    dataset: RetrievalDataset
    name: str = "image_text"

    @property
    def data_fingerprint(self) -> str:
        """Names what is trained and evaluated on."""
        return self.dataset.fingerprint

    def training(self, make: SourceMaker) -> tuple[Split, PairDataset]:
        """Pairs of an image and one of its texts."""
        split = self.dataset.split("train")
        images, texts = (source for _, source in self.sources("train", make))
        return split, PairDataset(images, texts, split.image_item_index)

    def training_items(self) -> int:
        """The items, or classes, of the training images."""
        return int(self.dataset.split("train").image_item_index.max()) + 1

    def default_protocol(self) -> str:
        """The standard one."""
        return "standard"

    def plan(self, split: str, protocol: EvaluationProtocol) -> Plan:
        """Both directions, or class names to images."""
        _check_task(protocol, self.name, "other modality")
        if not protocol.prompts:
            return image_text_plan(self.dataset.split(split), protocol)
        if self.dataset.relevance != "label":
            raise ConfigError(
                f"protocol={protocol.name} takes class names as queries, but data set '{self.dataset.name}' "
                f"has none (relevance 'item'); use protocol=standard"
            )
        prompts = tuple(sorted({text for item in self.dataset.items for text in item.texts}))
        return class_name_plan(self.dataset.split(split), replace(protocol, prompts=prompts))

    def sources(self, split: str, make: SourceMaker) -> list[tuple[Modality, Source]]:
        """The images, then the texts."""
        of = self.dataset.split(split)
        return [
            (Modality.IMAGE, make.images(of.image_keys.tolist(), what=split)),
            (Modality.TEXT, make.texts(of.texts, what=split)),
        ]

    def views(self, split: str, direction: str) -> tuple[ViewOf, ViewOf]:
        """Pictures and sentences."""
        of = self.dataset.split(split)
        image, text = _image_view(self.dataset, _rows(of)), _text_view(of)
        return (image, text) if direction == "image_to_text" else (text, image)

    def queries(self, split: str, direction: str) -> Queries:
        """Sentences with the class of their image, class names, or images."""
        of = self.dataset.split(split)
        if direction == "image_to_text":
            return Queries(labels=_labels(of))
        by_item = dict(zip(of.image_item_ids.tolist(), of.labels.tolist(), strict=True))
        items = dict(zip(of.text_ids.tolist(), of.text_item_ids.tolist(), strict=True))
        texts = dict(zip(of.text_ids.tolist(), of.texts, strict=True))
        # a query of a class has the class's name as its id
        names = {name: name for name in by_item}
        labels = {id_: by_item.get(item, "") for id_, item in {**items, **names}.items()}
        return Queries(names | texts, labels)


@dataclass(frozen=True)
class ImageImage:
    """Images of a class: those of a split find those of the training split."""

    dataset: RetrievalDataset
    name: str = "image_image"

    def __post_init__(self) -> None:
        if self.dataset.relevance != "label":
            raise ConfigError(
                f"a single encoder learns classes, but the data set '{self.dataset.name}' has none "
                f"(relevance 'item'); use data=scenes or data=image_folder"
            )

    @property
    def data_fingerprint(self) -> str:
        """Names what is trained and evaluated on."""
        return self.dataset.fingerprint

    def training(self, make: SourceMaker) -> tuple[Split, PairDataset]:
        """Pairs of images of one class."""
        split = self.dataset.split("train")
        source = make.images(split.image_keys.tolist(), what="train")
        return split, PairDataset(source, source, split.image_item_index)

    def training_items(self) -> int:
        """The items, or classes, of the training images."""
        return int(self.dataset.split("train").image_item_index.max()) + 1

    def default_protocol(self) -> str:
        """Gallery = train."""
        return "scenes"

    def plan(self, split: str, protocol: EvaluationProtocol) -> Plan:
        """The images of `split` as queries, the training images as gallery."""
        _check_task(protocol, self.name, "train")
        return image_image_plan(self.dataset.split(split), self.dataset.split("train"), protocol)

    def sources(self, split: str, make: SourceMaker) -> list[tuple[Modality, Source]]:
        """The queries, then the gallery."""
        return [
            (Modality.IMAGE, make.images(self.dataset.split(name).image_keys.tolist(), what=name))
            for name in (split, "train")
        ]

    def views(self, split: str, direction: str) -> tuple[ViewOf, ViewOf]:  # noqa: ARG002  # there is one
        """Pictures."""
        queries, gallery = (_rows(self.dataset.split(name)) for name in (split, "train"))
        return _image_view(self.dataset, queries), _image_view(self.dataset, gallery)

    def queries(self, split: str, direction: str) -> Queries:  # noqa: ARG002  # there is one
        """The classes of the images."""
        return Queries(labels=_labels(self.dataset.split(split)))


@dataclass(frozen=True)
class ComposedQueries:
    """A reference image + text finds its target among the images of the split."""

    dataset: RetrievalDataset
    name: str = "composed"

    @property
    def data_fingerprint(self) -> str:
        """Names what is trained and evaluated on, composed queries included."""
        queries = [
            [q.query_id, q.reference_id, q.text, q.target_id, q.split, q.candidates, q.group]
            for q in self.dataset.composed_queries
        ]
        return fingerprint(self.dataset.fingerprint, queries)

    def training(self, make: SourceMaker) -> tuple[ComposedSplit, PairDataset]:
        """Pairs of a target image and the query that it answers."""
        split = composed_split(self.dataset, "train")
        composed, images = (source for _, source in self.sources("train", make))
        items = np.unique(split.gallery_item_ids, return_inverse=True)[1].astype(np.int64)
        return split, PairDataset(images, composed, items)

    def training_items(self) -> int:
        """The items, or classes, of the training gallery."""
        return len(np.unique(composed_split(self.dataset, "train").gallery_item_ids))

    def default_protocol(self) -> str:
        """That of the data set, where it has one of its own."""
        own = [name for name, protocol in READY.items() if protocol.data == self.dataset.name]
        return next((name for name in own if READY[name].gallery == "images"), "composed")

    def plan(self, split: str, protocol: EvaluationProtocol) -> Plan:
        """The composed queries of `split` over all of its images."""
        _check_task(protocol, self.name, "images")
        return composed_plan(composed_split(self.dataset, split), protocol)

    def sources(self, split: str, make: SourceMaker) -> list[tuple[Modality, Source]]:
        """The queries, then the gallery."""
        of = composed_split(self.dataset, split)
        texts = make.texts(of.texts, what=f"{split} queries")
        gallery = make.images(of.gallery_keys.tolist(), what=split)
        composed = Composed(Rows(gallery, of.reference_rows), texts)
        return [(Modality.COMPOSED, composed), (Modality.IMAGE, gallery)]

    def references(self, split: str) -> dict[str, str]:
        """The id of the reference image of each query."""
        of = composed_split(self.dataset, split)
        return dict(zip(of.query_ids.tolist(), of.reference_ids.tolist(), strict=True))

    def views(self, split: str, direction: str) -> tuple[ViewOf, ViewOf]:  # noqa: ARG002  # there is one
        """A picture with its text, and pictures."""
        of = composed_split(self.dataset, split)
        rows = {id_: n for n, id_ in enumerate(of.query_ids.tolist())}
        gallery = dict(zip(of.gallery_ids.tolist(), of.gallery_keys.tolist(), strict=True))

        def query(query_id: str) -> View:
            row = rows[query_id]
            return View(image=self.dataset.read_image(str(of.reference_keys[row])), text=of.texts[row])

        return query, lambda id_: View(image=self.dataset.read_image(gallery[id_]))

    def queries(self, split: str, direction: str) -> Queries:  # noqa: ARG002  # there is one
        """What is asked of the reference, and the group (FashionIQ's category)."""
        of = composed_split(self.dataset, split)
        ids = of.query_ids.tolist()
        groups = {} if of.groups is None else dict(zip(ids, map(str, of.groups), strict=True))
        return Queries(dict(zip(ids, of.texts, strict=True)), groups)


def task_of(sides: tuple[Modality, Modality], dataset: RetrievalDataset) -> Task:
    """The task of models that train on pairs of these modalities."""
    tasks: dict[tuple[Modality, Modality], Callable[[RetrievalDataset], Task]] = {
        (Modality.IMAGE, Modality.TEXT): ImageText,
        (Modality.IMAGE, Modality.IMAGE): ImageImage,
        (Modality.IMAGE, Modality.COMPOSED): ComposedQueries,
    }
    return tasks[sides](dataset)


def protocol_for(
    task: Task, dataset: RetrievalDataset, split: str, *, name: str | None, **changes: Any
) -> EvaluationProtocol:
    """The ready protocol `name` (None: the task's own) for this data and split, with `changes`.

    Raises `ConfigError` for a protocol of another data set or split.
    """
    ready = ready_protocol(name or task.default_protocol())
    for key, actual in (("data", dataset.name), ("split", split)):
        if getattr(ready, key) not in ("", actual):
            raise ConfigError(
                f"protocol={ready.name} is for {key}={getattr(ready, key)}, not {actual}; "
                f"use protocol={task.default_protocol()}"
            )
    return replace(
        ready,
        data=dataset.name,
        data_fingerprint=task.data_fingerprint,
        split=split,
        relevance=dataset.relevance,
        **changes,
    )


def _check_task(protocol: EvaluationProtocol, task: str, gallery: str) -> None:
    if protocol.gallery != gallery:
        of_task = ", ".join(name for name, ready in READY.items() if ready.gallery == gallery)
        raise ConfigError(
            f"protocol={protocol.name} searches '{protocol.gallery}', which is no evaluation of a model "
            f"of the task {task}; use one of {of_task}"
        )


def _rows(split: Split) -> dict[str, tuple[str, str]]:
    """Key and label of each image by its id."""
    columns = (split.image_ids.tolist(), split.image_keys.tolist(), split.labels.tolist())
    return {id_: (key, label) for id_, key, label in zip(*columns, strict=True)}


def _labels(split: Split) -> dict[str, str]:
    return dict(zip(split.image_ids.tolist(), split.labels.tolist(), strict=True))


def _image_view(dataset: RetrievalDataset, rows: dict[str, tuple[str, str]]) -> ViewOf:
    def view(image_id: str) -> View:
        key, label = rows[image_id]
        # of a label with levels (animals-nature/animal-bug) there is room for the last alone
        return View(image=dataset.read_image(key), label=label.rpartition("/")[2])

    return view


def _text_view(split: Split) -> ViewOf:
    text = dict(zip(split.text_ids.tolist(), split.texts, strict=True))
    label = dict(zip(split.text_item_ids.tolist(), split.texts, strict=True))
    # a query of a class has the class's name as its id
    return lambda id_: View(text=text.get(id_) or label[id_])
