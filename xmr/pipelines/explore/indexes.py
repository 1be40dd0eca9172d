"""The saved indexes of an embedding store, as the explorer offers them."""

from functools import partial

from hydra.errors import InstantiationException
from omegaconf import OmegaConf

from xmr.core.errors import DataError, XmrError
from xmr.core.protocols import Index
from xmr.core.types import Modality
from xmr.explorer.sources import SavedIndex
from xmr.index.saved_index import check_index, index_names, open_index, read_index_record
from xmr.index.store import EmbeddingStore
from xmr.pipelines.instantiate import instantiate


def saved_indexes(store: EmbeddingStore, split: str | None) -> tuple[SavedIndex, ...]:
    """All saved indexes of the store, with what is wrong with those that can't be searched.

    What is in their files is compared when one is opened: hashing gigabytes would delay the first page.
    """
    return tuple(_described(store, name, split) for name in index_names(store))


def _described(store: EmbeddingStore, name: str, split: str | None) -> SavedIndex:
    opened = partial(_opened, store, name)
    try:
        record = check_index(store, name, content=False)
        modality = Modality(record.modality)
    except (XmrError, ValueError) as error:
        return SavedIndex(name, opened, error=str(error))
    if split is not None:
        whole = (
            f"index '{name}' is of the whole store, but the split {split} alone is open; leave --split out"
        )
        return SavedIndex(name, opened, modality, error=whole)
    kind = "exact" if record.exact else "approximate"
    about = f"{kind}, of {record.count:,} {modality} vectors, {record.nbytes:,} bytes"
    return SavedIndex(name, opened, modality, f"{about} ({' '.join(record.options)})")


def _opened(store: EmbeddingStore, name: str) -> Index:
    settings = OmegaConf.create(read_index_record(store, name).settings)
    try:
        index: Index = instantiate(settings)
    except InstantiationException as error:
        raise DataError(
            f"index '{name}' of {store.folder} can't be made from its settings: {error}"
        ) from error
    open_index(store, index, name)
    return index
