"""What a model embeds of a split for the explorer: from a store, from a file beside the run, or made."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xmr.core.errors import DataError
from xmr.core.files import atomic_path, fingerprint
from xmr.core.types import Embeddings, Modality
from xmr.data.composed import composed_split
from xmr.data.sources import EmbedDataset, Source, batch_loader
from xmr.evaluation.plans import Entries, Plan
from xmr.index.store import EmbeddingStore
from xmr.pipelines.build import Components
from xmr.pipelines.encoding import model_fingerprint
from xmr.pipelines.features import progress_bar, to_device
from xmr.pipelines.tasks import Task

log = logging.getLogger(__name__)
NAME = "xmr"
"""Under which the file keeps what its vectors are of."""


def embedded(
    components: Components, plan: Plan, file: Path, stores: Sequence[EmbeddingStore]
) -> tuple[list[Embeddings], str]:
    """The embeddings of each of the plan's entries, and what changes with any of them.

    Those that one of `stores` holds, by the same model of the same data, are read from there; all others
    from `file`, which is made when it is missing or of another model, other data or pictures (a store knows
    not which pictures it embedded). Where `file` can't be written, the vectors are kept in memory alone.

    Raises `MissingFilesError` for pictures that are gone, unless a store holds their vectors.
    """
    model = model_fingerprint(components.module.model)
    entries = plan.entries
    ids = [[str(of.modality), of.ids.astype(str).tolist()] for of in entries]
    name = fingerprint(model, components.task.data_fingerprint, ids)
    found = _from_stores(components, entries, model, stores)
    if found is None:
        pictures = components.dataset.read_image.fingerprint(_image_keys(components.task, plan.split))
        name = fingerprint(name, pictures)
        found = _from_file(file, name, len(entries))
    if found is None:
        sources = components.task.sources(plan.split, components.maker)
        found = [_embed(components, *source, what=plan.split) for source in sources]
        _save(found, file, name)
    return [
        of.embeddings(vectors, np.arange(len(vectors))) for of, vectors in zip(entries, found, strict=True)
    ], name


def _image_keys(task: Task, split: str) -> list[str]:
    """The keys of all images that an evaluation on `split` embeds."""
    if task.name == "composed":
        return composed_split(task.dataset, split).gallery_keys.tolist()
    names = (split, "train") if task.name == "image_image" else (split,)
    return [key for name in names for key in task.dataset.split(name).image_keys.tolist()]


def _save(found: Sequence[torch.Tensor], file: Path, name: str) -> None:
    """Write the vectors to `file`; where that can't be, warn: the next start embeds again."""
    try:
        with atomic_path(file) as beside:
            save_file({str(n): vectors for n, vectors in enumerate(found)}, beside, metadata={NAME: name})
    except (OSError, SafetensorError) as error:
        log.warning("the vectors can't be kept in %s (%s); the next start embeds again", file, error)


def _from_file(file: Path, name: str, count: int) -> list[torch.Tensor] | None:
    """The vectors of each entry, memory-mapped; None when the file is not there, or not of this `name`."""
    if not file.is_file():
        return None
    try:
        with safe_open(file, framework="pt") as opened:
            if (opened.metadata() or {}).get(NAME) != name:
                return None
            return [opened.get_tensor(str(n)) for n in range(count)]
    except (SafetensorError, OSError) as error:
        raise DataError(f"{file} is damaged ({error}); remove it, and it is made again") from error


def _from_stores(
    components: Components, entries: Sequence[Entries], model: str, stores: Sequence[EmbeddingStore]
) -> list[torch.Tensor] | None:
    """The vectors of all entries from one store; None when none holds all of them as floats."""
    for store in stores:
        manifest = store.manifest
        same = manifest.model.fingerprint == model
        same = same and manifest.data.fingerprint == components.dataset.fingerprint
        # texts of classes have ids of their own in a store
        if not same or manifest.dtype == "bits" or components.dataset.relevance != "item":
            continue
        found = [_of_store(store, of) for of in entries]
        if all(vectors is not None for vectors in found):
            return [vectors for vectors in found if vectors is not None]
    return None


def _of_store(store: EmbeddingStore, entries: Entries) -> torch.Tensor | None:
    if not store.counts.get(entries.modality):
        return None
    of = store.embeddings(entries.modality)
    rows = {str(id_): row for row, id_ in enumerate(of.ids)}
    wanted = [rows.get(str(id_)) for id_ in entries.ids]
    return None if None in wanted else of.vectors[torch.tensor(wanted)].float()


def _embed(components: Components, modality: Modality, source: Source, *, what: str) -> torch.Tensor:
    """The embeddings (N, D) of a source, under a progress bar."""
    config, module = components.config, components.module.eval()
    size = config.eval_batch_size
    chunks = [np.arange(begin, min(begin + size, len(source))) for begin in range(0, len(source), size)]
    loader = batch_loader(EmbedDataset(source, modality), chunks, workers=0)
    module.to(components.device)
    parts = []
    with progress_bar() as progress, torch.inference_mode():
        task = progress.add_task(f"{modality} embeddings, {what}", total=len(source))
        for batch in loader:
            vectors = module.embed(modality, to_device(batch.inputs, components.device))
            parts.append(vectors.float().cpu())
            progress.advance(task, len(batch.position))
    return torch.cat(parts)
