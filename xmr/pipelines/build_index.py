"""An index of a store's vectors, built by the settings of conf/index and kept beside them."""

import shlex
from functools import partial

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.protocols import Index
from xmr.core.types import Modality
from xmr.index import saved_index
from xmr.index.exact import Exact
from xmr.index.overlap import overlap
from xmr.index.store import EmbeddingStore
from xmr.pipelines.instantiate import instantiate

K, QUERIES = 10, 100
"""How an approximate index is compared with the exact one: its top K, for as many queries at most."""


def build_index(config: DictConfig) -> None:
    """Build `config.index` over the vectors of `config.modality` of the store, and say where it is."""
    if OmegaConf.is_missing(config, "store"):
        raise ConfigError("name a store: scripts/build_index.py store=DIR index=NAME")
    if config.modality not in ("image", "text"):
        raise ConfigError(
            f"modality={config.modality}; {did_you_mean(str(config.modality), ('image', 'text'))}"
        )
    index = instantiate(config.index)
    store = EmbeddingStore.open(config.store)
    words = HydraConfig.get().overrides.task
    folder = saved_index.build_index(
        store,
        index,
        name=config.name,
        modality=Modality(config.modality),
        settings=OmegaConf.to_container(config.index, resolve=True),  # type: ignore[arg-type]
        options=[shlex.quote(word) for word in words if not word.startswith("store=")],
    )
    record = saved_index.read_index_record(store, config.name)
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    kind = "exact" if record.exact else "approximate"
    say(
        f"index   {folder}: {kind}, {record.count:,} {record.modality} vectors, {record.nbytes:,} bytes "
        f"({record.nbytes / record.count:.1f} a vector), built in {record.build_seconds:.2f} s"
    )
    if not record.exact:
        say(f"overlap {_overlap(store, index, Modality(config.modality))}")
    say(f'search  python scripts/search.py {store.folder} --index {record.name} --text "..."')


def _overlap(store: EmbeddingStore, index: Index, modality: Modality) -> str:
    """How much of the exact top 10 an approximate index finds, for vectors of the other modality if any."""
    asked = next((name for name in store.counts if name != modality), modality)
    vectors, gallery = store.searchable(Modality(asked)), store.searchable(modality)
    drawn = np.random.default_rng(0).choice(len(vectors), min(QUERIES, len(vectors)), replace=False)
    queries, k = vectors.take(np.sort(drawn)), min(K, len(gallery))
    exact = Exact()
    exact.add(gallery)
    # some more than k: of entries that tie with the k-th, any will do
    found = overlap(index.search(queries, k=k), exact.search(queries, k=min(2 * k, len(gallery)))).mean()
    return f"{100 * found:.1f} % of the exact top {k} found, for {len(queries)} stored {asked} vectors"
