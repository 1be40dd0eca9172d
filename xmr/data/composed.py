"""The composed queries of one split and the gallery that they search, as arrays."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xmr.core.errors import DataError, did_you_mean
from xmr.core.files import fingerprint
from xmr.data.dataset import SPLITS, ComposedQuery, RetrievalDataset


@dataclass(frozen=True)
class ComposedSplit:
    """Q composed queries (reference image + text -> target image) over a gallery of G images.

    Query q starts from image `reference_ids[q]`, which stands at `reference_rows[q]` of the gallery, and
    looks for `target_ids[q]` at `target_rows[q]`; its text is `texts[q]`. A gallery image is relevant to it
    where `gallery_item_ids` equals `query_item_ids[q]`: labels where the data set's relevance is "label",
    ids of images otherwise. `gallery_labels` has the items' labels ("" of what is no item). `candidates` are
    the images that each query also ranks alone and `groups` what means are taken over; None where the data
    set has none. Keys are those of the data set's image reader.
    """

    name: str
    query_ids: np.ndarray
    texts: tuple[str, ...]
    reference_ids: np.ndarray
    reference_keys: np.ndarray
    reference_rows: np.ndarray
    target_ids: np.ndarray
    target_rows: np.ndarray
    query_item_ids: np.ndarray
    gallery_ids: np.ndarray
    gallery_keys: np.ndarray
    gallery_item_ids: np.ndarray
    gallery_labels: np.ndarray
    candidates: tuple[tuple[str, ...], ...] | None
    groups: np.ndarray | None

    @cached_property
    def target_index(self) -> np.ndarray:
        """The item id that each query looks for as an integer (Q,): 0 to one less than there are."""
        return np.unique(self.query_item_ids, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """Names the queries and the gallery (not the pixels), which the data set's own leaves out in part."""
        arrays = (
            self.query_ids,
            self.reference_ids,
            self.target_ids,
            self.gallery_ids,
            self.gallery_item_ids,
        )
        lists = [array.tolist() for array in arrays]
        groups = None if self.groups is None else self.groups.tolist()
        return fingerprint(self.texts, *lists, self.candidates, groups)


def composed_split(dataset: RetrievalDataset, name: str) -> ComposedSplit:
    """The composed queries of split `name` and their gallery, each image once.

    The gallery is the images of the split's items, in their order, then those references and targets that
    are no items. Raises `DataError` when the split is unknown or has no composed query.
    """
    if name not in SPLITS:
        raise DataError(f"unknown split '{name}'; {did_you_mean(name, SPLITS)}")
    queries = [query for query in dataset.composed_queries if query.split == name]
    if not queries:
        raise DataError(_no_query(dataset, name))
    gallery = _gallery(dataset, queries, name)
    row_of = {image_id: row for row, image_id in enumerate(gallery)}
    labels = {item.item_id: item.label for item in dataset.items}
    label_of = labels if dataset.relevance == "label" else {}
    return ComposedSplit(
        name=name,
        query_ids=np.array([query.query_id for query in queries]),
        texts=tuple(query.text for query in queries),
        reference_ids=np.array([query.reference_id for query in queries]),
        reference_keys=np.array([query.reference for query in queries]),
        reference_rows=np.array([row_of[query.reference_id] for query in queries], np.int64),
        target_ids=np.array([query.target_id for query in queries]),
        target_rows=np.array([row_of[query.target_id] for query in queries], np.int64),
        query_item_ids=np.array([label_of.get(query.target_id, query.target_id) for query in queries]),
        gallery_ids=np.array(list(gallery)),
        gallery_keys=np.array(list(gallery.values())),
        gallery_item_ids=np.array([label_of.get(image_id, image_id) for image_id in gallery]),
        gallery_labels=np.array([labels.get(image_id, "") for image_id in gallery]),
        candidates=tuple(q.candidates for q in queries) if any(q.candidates for q in queries) else None,
        groups=np.array([q.group for q in queries]) if any(q.group for q in queries) else None,
    )


def _gallery(dataset: RetrievalDataset, queries: list[ComposedQuery], name: str) -> dict[str, str]:
    """The key of each image of the gallery by its id; `RetrievalDataset` has checked that each id has one."""
    gallery = {item.item_id: item.image for item in dataset.items if item.split == name}
    for query in queries:
        gallery.setdefault(query.reference_id, query.reference)
        gallery.setdefault(query.target_id, query.target)
    return gallery


def _no_query(dataset: RetrievalDataset, name: str) -> str:
    if not dataset.composed_queries:
        return (
            f"data set '{dataset.name}' has no composed query (reference image + text -> target image); "
            "use one that has, as data=shapes, or train on its images and texts"
        )
    counts = ", ".join(f"{s} {sum(q.split == s for q in dataset.composed_queries)}" for s in SPLITS)
    return f"data set '{dataset.name}': split '{name}' has no composed query ({counts}); use another split"
