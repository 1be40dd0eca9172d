"""The composition root: from a run's config to its data, model, sources and modules."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.types import Modality
from xmr.data.datamodule import EMBED_ORDER, RetrievalDataModule
from xmr.data.dataset import RetrievalDataset, Split
from xmr.data.feature_cache import FeatureCache
from xmr.data.sources import Source
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.text.vocabulary import FitsVocabulary
from xmr.models.dual_encoder import DualEncoder
from xmr.pipelines.features import FeatureExtraction, sources_of
from xmr.pipelines.instantiate import instantiate
from xmr.training.module import RetrievalModule

FEATURE_MODES = ("cached", "live")


@dataclass(frozen=True)
class Components:
    """The data set of a run and the module that embeds it."""

    config: DictConfig
    dataset: RetrievalDataset
    module: RetrievalModule

    def sources(self, split: Split, modalities: Collection[Modality] = EMBED_ORDER) -> dict[Modality, Source]:
        """Sources of `modalities` of `split`, features cached where the module expects them so."""
        sources = sources_of(
            self.dataset,
            split,
            self.module.model,
            cached=self.module.cached.intersection(modalities),
            extraction=FeatureExtraction(
                cache=FeatureCache(Path(self.config.paths.cache) / "features"),
                device=self.device,
                workers=self.config.workers,
            ),
        )
        return {modality: sources[modality] for modality in modalities}

    @property
    def device(self) -> torch.device:
        """Where to embed, as `trainer.accelerator` says."""
        return _device(self.config.trainer.accelerator)

    def datamodule(self, train: Split | None, evaluation: Split) -> RetrievalDataModule:
        """Loaders of training pairs (unless None) and of all inputs of the evaluation split."""
        config = self.config
        return RetrievalDataModule(
            train=None if train is None else (train, self.sources(train)),
            evaluation=self.sources(evaluation),
            sampler=instantiate(config.sampler),
            batch_size=config.batch_size,
            eval_batch_size=config.eval_batch_size,
            workers=config.workers,
            seed=config.seed,
        )


def build(config: DictConfig) -> Components:
    """All that training and evaluation need; raises `XmrError` for a bad setting before any work is done."""
    if config.features not in FEATURE_MODES:
        raise ConfigError(f"features={config.features}; {did_you_mean(str(config.features), FEATURE_MODES)}")
    pl.seed_everything(config.seed, workers=True, verbose=False)
    loss = instantiate(config.loss)
    optimizer, scheduler = instantiate(config.optimizer), instantiate(config.scheduler)
    dataset: RetrievalDataset = instantiate(config.data)
    model = build_model(config, dataset)
    frozen = frozenset(modality for modality in EMBED_ORDER if model.has_frozen_encoder(modality))
    module = RetrievalModule(
        model=model,
        loss=loss,
        optimizer=optimizer,
        scheduler=scheduler,
        cached=frozen if config.features == "cached" else frozenset(),
        log_every_n_steps=config.trainer.log_every_n_steps,
        provenance={
            "config": OmegaConf.to_container(config, resolve=True),
            "encoders": {
                str(modality): encoder_fingerprint(model.encoder_module(modality))
                for modality in sorted(frozen)
            },
            "data": dataset.fingerprint,
        },
    )
    return Components(config, dataset, module)


def build_model(config: DictConfig, dataset: RetrievalDataset) -> DualEncoder:
    """The dual encoder that the config describes; a vocabulary is fitted to training texts alone."""
    parts: dict[str, Any] = {}
    for modality in EMBED_ORDER:
        encoder = instantiate(config.encoder[modality])
        if isinstance(encoder, FitsVocabulary):
            encoder.fit_vocabulary(dataset.split("train").texts)
        if getattr(encoder, "starts_random", False) and f"{modality}_encoder" in config.model.freeze:
            raise ConfigError(
                f"encoder/{modality} starts with random weights, which model.freeze would keep; "
                f"leave {modality}_encoder out of it"
            )
        parts[f"{modality}_encoder"] = encoder
        parts[f"{modality}_head"] = instantiate(
            config.head[modality], in_dim=encoder.dim, dim=config.model.dim
        )
    settings = {name: value for name, value in config.model.items() if name != "dim"}
    return instantiate(OmegaConf.create(settings), **parts)


def _device(accelerator: str) -> torch.device:
    cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")
