"""Embeddings of a data set, kept in a store: what is there already is skipped, so that it can be resumed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import ConfigError, DataError
from xmr.core.files import sha256_file
from xmr.core.types import Embeddings, Modality
from xmr.data.dataset import SPLITS, RetrievalDataset, Split
from xmr.data.sources import EmbedDataset, batch_loader
from xmr.index.manifest import MANIFEST, DataRecord, ModelRecord
from xmr.index.saved_index import index_names
from xmr.index.store import EmbeddingStore
from xmr.pipelines.build import Components
from xmr.pipelines.early_checks import MODALITIES, check_embed, checkpoint_path, chosen
from xmr.pipelines.encoding import model_fingerprint
from xmr.pipelines.evaluate import restore
from xmr.pipelines.features import progress_bar, to_device
from xmr.pipelines.instantiate import instantiate

FILES = ("path", "root", "image_root")
"""Settings of data sets that name a file or folder."""

VectorsOf = Callable[[int, np.ndarray], Iterator[tuple[np.ndarray, torch.Tensor]]]


class Part(NamedTuple):
    """What a store keeps of one modality of a split beside the vectors: N ids, item ids and metadata."""

    split: Split
    modality: Modality
    ids: np.ndarray
    item_ids: np.ndarray
    metadata: dict[str, np.ndarray]

    def take(self, positions: np.ndarray, vectors: torch.Tensor) -> tuple[Embeddings, dict[str, Any]]:
        """Embeddings of `positions` (B,), whose vectors are given, with their metadata."""
        metadata = {name: values[positions].tolist() for name, values in self.metadata.items()}
        embeddings = Embeddings(vectors, self.ids[positions], self.item_ids[positions], self.modality)
        return embeddings, metadata


def embed(config: DictConfig) -> None:
    """Embed the chosen splits of the checkpoint's data, or of `config.data`, into `config.store`."""
    check_embed(config)
    components, parts = prepare(config)
    store = _store(config, components, checkpoint_path(config.checkpoint))
    added, skipped = 0, 0
    # from here on, so that a second command is refused before it has embedded anything
    with store.writing(), _embedder(config, components, parts) as vectors:
        for number, part in enumerate(parts):
            stored = set(store.ids(part.modality).tolist())
            missing = np.flatnonzero([id_ not in stored for id_ in part.ids.tolist()])
            if len(missing):
                _embed_missing(store, part, missing, vectors(number, missing), config.rows_per_segment)
            added, skipped = added + len(missing), skipped + len(part.ids) - len(missing)
        if len(store.manifest.segments) > 1 and added:
            store.rebuild()
    _report(store, added, skipped)


def prepare(config: DictConfig) -> tuple[Components, list[Part]]:
    """The model with the data, and the parts of it to be embedded, in order."""
    splits = chosen(config.split, SPLITS, "split")
    components, _ = restore(checkpoint_path(config.checkpoint), list(config.set))
    modalities = _modalities(config, components)
    if "data" in config:
        components = replace(components, dataset=instantiate(config.data))
    if config.split == "all":
        filled = {item.split for item in components.dataset.items}
        splits = [name for name in splits if name in filled]
    parts = [
        part_of(components.dataset, components.dataset.split(name), modality)
        for name in splits
        for modality in modalities
    ]
    return components, parts


@contextmanager
def _embedder(config: DictConfig, components: Components, parts: list[Part]) -> Iterator[VectorsOf]:
    """What embeds positions (N,) of a part, by its number: this process, or several workers of Ray."""
    if config.shards == 1:
        yield lambda number, positions: vectors_of(components, parts[number], positions)
        return
    from xmr.pipelines.embed_ray import RayShards  # which needs what is defined here

    with RayShards(config) as shards:
        yield shards.vectors_of


def _modalities(config: DictConfig, components: Components) -> list[Modality]:
    """The chosen modalities, of all those that the model embeds; `ConfigError` for one that it does not."""
    has = components.module.model.modalities()
    wanted = [Modality(name) for name in chosen(config.modality, MODALITIES, "modality")]
    missing = [modality for modality in wanted if modality not in has]
    if missing and config.modality != "all":
        raise ConfigError(f"modality={missing[0]}, but the model embeds {' and '.join(has)} alone; use that")
    return [modality for modality in wanted if modality in has]


def part_of(dataset: RetrievalDataset, split: Split, modality: Modality) -> Part:
    """The rows of one modality of a split.

    The caption of an image is its first text; the picture of a text is its item's. Texts of classes
    (relevance "label") are numbered anew in each split, so their ids begin with its name.
    """
    by_item = dataset.relevance == "item"
    if modality is Modality.IMAGE:
        ids, item_ids, labels, keys = split.image_ids, split.image_item_ids, split.labels, split.image_keys
        captions = [""] * len(ids)
        if split.texts:  # data sets of composed queries alone have none
            captions = [split.texts[at] for at in split.flat_texts[split.first_text]]
    else:
        image_of = {item: n for n, item in enumerate(split.image_item_ids)}
        images = [image_of[item] for item in split.text_item_ids]
        ids = split.text_ids if by_item else np.array([f"{split.name}/{id_}" for id_ in split.text_ids])
        item_ids, labels, captions = split.text_item_ids, split.labels[images], list(split.texts)
        keys = split.image_keys[images] if by_item else np.full(len(ids), "")
    metadata: dict[str, Iterable[Any]] = {
        "caption": captions,
        "image_path": keys,
        "label": labels,
        "split": [split.name] * len(ids),
    }
    columns = {name: _objects(values) for name, values in metadata.items()}
    return Part(split, modality, ids, item_ids, columns)


def _objects(values: Iterable[Any]) -> np.ndarray:
    # not of one width: a long caption would make all long
    return np.array(list(map(str, values)), dtype=object)


def _store(config: DictConfig, components: Components, checkpoint: Path) -> EmbeddingStore:
    """The store to embed into: a new one, or one of this model and this data."""
    folder, dataset, model = Path(config.store), components.dataset, components.module.model
    fingerprint = model_fingerprint(model)
    if not (folder / MANIFEST).exists():
        data = config.data if "data" in config else components.config.data
        return EmbeddingStore.create(
            folder,
            dim=components.config.model.dim,
            dtype=config.dtype,
            model=ModelRecord(
                fingerprint, str(checkpoint), sha256_file(checkpoint), _settings(components.config)
            ),
            data=DataRecord(dataset.name, dataset.fingerprint, _settings(data)),
        )
    store = EmbeddingStore.open(folder)
    manifest = store.manifest
    manifest.check_fits(folder, fingerprint, components.config.model.dim)
    if manifest.data.fingerprint != dataset.fingerprint:
        raise DataError(
            f"{folder} holds vectors of the data set '{manifest.data.name}' ({manifest.data.fingerprint}), "
            f"this is '{dataset.name}' ({dataset.fingerprint}); use a store for each"
        )
    if manifest.dtype != config.dtype:
        raise ConfigError(
            f"{folder} holds {manifest.dtype}, not dtype={config.dtype}; use dtype={manifest.dtype}, "
            f"or another store"
        )
    return store


def _settings(config: DictConfig) -> dict[str, Any]:
    """`config` as plain values; its files are named in full, as a store is searched from any folder."""
    values: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    for data in (values, values.get("data", {})):
        for name in FILES:
            if isinstance(data.get(name), str):
                data[name] = str(Path(data[name]).resolve())
    return values


def _embed_missing(
    store: EmbeddingStore,
    part: Part,
    missing: np.ndarray,
    embedded: Iterator[tuple[np.ndarray, torch.Tensor]],
    rows_per_segment: int,
) -> None:
    """Append the rows `missing` (N,) of `part`, which arrive batch by batch, segment by segment."""
    positions, vectors, waiting = [], [], 0
    with progress_bar() as progress:
        name = f"{part.modality} embeddings, {part.split.name}"
        task = progress.add_task(name, total=len(part.ids), completed=len(part.ids) - len(missing))
        for at, batch in embedded:
            progress.advance(task, len(at))
            positions.append(at)
            vectors.append(batch)
            waiting += len(at)
            if waiting >= rows_per_segment:
                _append(store, part, positions, vectors)
                positions, vectors, waiting = [], [], 0
    if waiting:
        _append(store, part, positions, vectors)


def _append(
    store: EmbeddingStore, part: Part, positions: list[np.ndarray], vectors: list[torch.Tensor]
) -> None:
    embeddings, metadata = part.take(np.concatenate(positions), torch.cat(vectors))
    store.append(embeddings, metadata, model_fingerprint=store.manifest.model.fingerprint)


def vectors_of(
    components: Components, part: Part, positions: np.ndarray
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Embeddings (B, D) of the `positions` (N,) of a part, batch by batch, with their positions (B,)."""
    config, module, modality = components.config, components.module.eval(), part.modality
    source = components.sources(part.split, [modality])[modality]
    chunks = np.split(positions, range(config.eval_batch_size, len(positions), config.eval_batch_size))
    loader = batch_loader(EmbedDataset(source, modality), chunks, workers=config.workers)
    module.to(components.device)
    with torch.inference_mode():
        for batch in loader:
            vectors = module.embed(modality, to_device(batch.inputs, components.device))
            yield batch.position.numpy(), vectors.float().cpu()


def _report(store: EmbeddingStore, added: int, skipped: int) -> None:
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    manifest = store.manifest
    counts = ", ".join(f"{count:,} {modality}" for modality, count in store.counts.items())
    say(f"added   {added:,} embeddings; {skipped:,} were there already and were skipped")
    say(f"store   {store.folder}: {counts}; {manifest.dim}-d {manifest.dtype}, {store.nbytes:,} bytes")
    if added and (names := index_names(store)):
        say(f"stale   the indexes {', '.join(names)} are of the vectors before: build them again")
    say(f'search  python scripts/search.py {store.folder} --text "..."')
    say(f"index   python scripts/build_index.py store={store.folder} index=NAME")
