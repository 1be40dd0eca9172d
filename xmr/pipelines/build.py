"""The composition root: from a run's config to its data, model, task, stages and modules."""

import copy
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from xmr.core.errors import ConfigError, did_you_mean
from xmr.core.protocols import NeedsClasses
from xmr.core.types import Modality
from xmr.data.datamodule import RetrievalDataModule
from xmr.data.dataset import RetrievalDataset, Split
from xmr.data.feature_cache import FeatureCache
from xmr.data.sources import Source
from xmr.encoders.fingerprint import encoder_fingerprint
from xmr.encoders.image.sift_bovw import FitsImages
from xmr.encoders.precomputed import PrecomputedFeatures
from xmr.encoders.text.vocabulary import FitsVocabulary
from xmr.models.dual_encoder import DualEncoder
from xmr.pipelines.features import FeatureExtraction, SourceMaker
from xmr.pipelines.instantiate import instantiate, target_class
from xmr.pipelines.tasks import Task, task_of
from xmr.training.module import RetrievalModule
from xmr.training.stages import Stage, Stages

FEATURE_MODES = ("cached", "live")


@dataclass(frozen=True)
class Components:
    """The data set of a run, what it is trained and evaluated on, and the module that embeds it."""

    config: DictConfig
    dataset: RetrievalDataset
    task: Task
    module: RetrievalModule
    stages: Stages

    @cached_property
    def maker(self) -> SourceMaker:
        """What makes sources, with features cached where the module may expect them so."""
        return SourceMaker(
            self.dataset,
            self.module.model,
            FeatureExtraction(
                cache=FeatureCache(Path(self.config.paths.cache) / "features"),
                device=self.device,
                workers=self.config.workers,
            ),
            cached=self.module.cached.union(self.stages.live),
            live=self.stages.live,
        )

    def sources(self, split: Split, modalities: Collection[Modality]) -> dict[Modality, Source]:
        """Sources of the images and texts of `split`."""
        make = {
            Modality.IMAGE: lambda: self.maker.images(split.image_keys.tolist(), what=split.name),
            Modality.TEXT: lambda: self.maker.texts(split.texts, what=split.name),
        }
        return {modality: make[modality]() for modality in modalities}

    @property
    def device(self) -> torch.device:
        """Where to embed, as `trainer.accelerator` says."""
        return _device(self.config.trainer.accelerator)

    def datamodule(self, evaluation: str, *, train: bool) -> RetrievalDataModule:
        """Loaders of training pairs (if `train`) and of all that an evaluation of that split embeds."""
        config = self.config
        return RetrievalDataModule(
            train=self.task.training(self.maker) if train else None,
            evaluation=self.task.sources(evaluation, self.maker),
            sampler=instantiate(config.sampler),
            batch_size=config.batch_size,
            eval_batch_size=config.eval_batch_size,
            workers=config.workers,
            seed=config.seed,
        )


def build(config: DictConfig, *, training: bool = True) -> Components:
    """All that training and evaluation need; raises `XmrError` for a bad setting before any work is done.

    Without `training` no classifier is made and no visual words are found: a checkpoint holds what is needed.
    """
    if config.features not in FEATURE_MODES:
        raise ConfigError(f"features={config.features}; {did_you_mean(str(config.features), FEATURE_MODES)}")
    pl.seed_everything(config.seed, workers=True, verbose=False)
    loss = instantiate(config.loss)
    optimizer, scheduler = instantiate(config.optimizer), instantiate(config.scheduler)
    dataset: RetrievalDataset = instantiate(config.data)
    model = build_model(config, dataset, training=training)
    task = task_of(model.SIDES, dataset)
    stages = build_stages(config, model)
    _check_weights(stages, loss)
    if (
        stages.epochs
        and not model.normalize
        and loss.on == "embeddings"
        and not getattr(loss, "any_norm", False)
    ):
        raise ConfigError(
            f"model.normalize=false, but {type(loss).__name__} is of cosines; use model.normalize=true, "
            f"or a loss of distances (loss=triplet_l2, loss=contrastive)"
        )
    if training and isinstance(loss, NeedsClasses):
        loss.set_classes(classes=task.training_items(), dim=model_dim(config, model))
    frozen = frozenset(modality for modality in model.modalities() if model.has_frozen_encoder(modality))
    module = RetrievalModule(
        model=model,
        loss=loss,
        optimizer=optimizer,
        scheduler=scheduler,
        cached=stages.cached[0] if stages.cached else frozenset(),
        stages=stages,
        log_every_n_steps=config.trainer.log_every_n_steps,
        provenance={
            "config": OmegaConf.to_container(config, resolve=True),
            "encoders": {
                str(modality): encoder_fingerprint(model.encoder_module(modality))
                for modality in sorted(frozen)
                if not isinstance(model.encoder_module(modality), FitsImages)
            },
            "data": task.data_fingerprint,
        },
    )
    return Components(config, dataset, task, module, stages)


def build_model(config: DictConfig, dataset: RetrievalDataset, *, training: bool = True) -> DualEncoder:
    """The model that the config describes; vocabularies are fitted to training texts and images alone."""
    model_class: type[DualEncoder] = target_class(config.model)
    parts: dict[str, Any] = {}
    for modality in model_class.modalities():
        encoder = instantiate(config.encoder[modality])
        if isinstance(encoder, FitsVocabulary):
            encoder.fit_vocabulary(training_texts(dataset))
        if training and isinstance(encoder, FitsImages):
            encoder.fit_images(_training_images(dataset))
        if getattr(encoder, "starts_random", False) and f"{modality}_encoder" in config.model.freeze:
            raise ConfigError(
                f"encoder/{modality} starts with random weights, which model.freeze would keep; "
                f"leave {modality}_encoder out of it"
            )
        parts[f"{modality}_encoder"] = encoder
    dim = config.model.dim or parts["image_encoder"].dim
    for modality in model_class.modalities():
        encoder = parts[f"{modality}_encoder"]
        parts[f"{modality}_head"] = instantiate(config.head[modality], in_dim=encoder.dim, dim=dim)
    if "fusion" in model_class.PARTS:
        image, text = parts["image_encoder"], parts["text_encoder"]
        parts["fusion"] = instantiate(
            config.fusion,
            dim=dim,
            image_dim=image.dim,
            text_dim=text.dim,
            image_tokens=getattr(image, "tokens", 1),
            text_tokens=getattr(text, "tokens", 1),
        )
    settings = {name: value for name, value in config.model.items() if name != "dim"}
    return instantiate(OmegaConf.create(settings), **parts)


def model_dim(config: DictConfig, model: DualEncoder) -> int:
    """D, of the embeddings."""
    return config.model.dim or model.encoder(Modality.IMAGE).dim


def training_texts(dataset: RetrievalDataset) -> list[str]:
    """All texts of the training split, those of composed queries included: what vocabularies may see."""
    texts = [text for item in dataset.items if item.split == "train" for text in item.texts]
    return texts + [query.text for query in dataset.composed_queries if query.split == "train"]


def _training_images(dataset: RetrievalDataset) -> Iterator[Any]:
    return (dataset.read_image(item.image) for item in dataset.items if item.split == "train")


def build_stages(config: DictConfig, model: DualEncoder) -> Stages:
    """The stages of the run, which may be one, and in which of them features come from the cache."""
    listed = OmegaConf.to_container(config.stages) if config.stages else None
    if listed is None:
        stages = [Stage(name="training", epochs=config.trainer.max_epochs)]
    else:
        try:
            stages = [Stage(**stage) for stage in listed]  # type: ignore[arg-type]
        except TypeError as error:
            raise ConfigError(
                f"stages: {error}; a stage has name, epochs, and may have freeze, lr, loss, patience"
            ) from error
    always = model.frozen
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    _check_stages(stages, model, always)
    cached = []
    rests = frozenset(model.modalities())
    for stage in stages:
        frozen = always.union(stage.freeze)
        # features of an encoder that has learned are stale
        rests = frozenset(m for m in rests if f"{m}_encoder" in frozen)
        cached.append(rests if config.features == "cached" else frozenset())
    precomputed = frozenset(
        m for m in model.modalities() if isinstance(model.encoder(m), PrecomputedFeatures)
    )
    cached = [of_stage | precomputed for of_stage in cached]
    if listed is not None and not learning:
        raise ConfigError("stages: no parameter learns, as all is in model.freeze; thaw a part")
    if listed is not None and config.trainer.check_val_every_n_epoch > sum(s.epochs for s in stages):
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={config.trainer.check_val_every_n_epoch}, but the stages have "
            f"{sum(s.epochs for s in stages)} epochs: the run would never be evaluated; use a smaller number"
        )
    return Stages(
        stages,
        monitor=f"val/{config.evaluation.monitor}",
        cached=cached,
        live={m: torch.zeros(1).share_memory_() for m in cached[0] - cached[-1]},
    )


def _check_stages(stages: list[Stage], model: DualEncoder, always: frozenset[str]) -> None:
    """Raise `ConfigError` for a part that no model has, and for a stage in which nothing learns."""
    try:
        for stage in stages:
            model.set_frozen(always.union(stage.freeze))
            if stage.freeze and not any(p.requires_grad for p in model.parameters()):
                raise ConfigError(f"stages.{stage.name}.freeze leaves nothing to learn; thaw a part")
    finally:
        model.set_frozen(always)


def _check_weights(stages: Stages, loss: Any) -> None:
    """Raise `ConfigError` for weights that the loss does not have, in whatever stage."""
    for stage in stages.stages:
        if stage.loss and not hasattr(loss, "set_weights"):
            raise ConfigError(
                f"stages.{stage.name}.loss weighs terms, but {type(loss).__name__} has none; use a loss with "
                f"terms (loss=instance_ranking), or leave it out"
            )
        if stage.loss:
            copy.deepcopy(loss).set_weights(dict(stage.loss))


def _device(accelerator: str) -> torch.device:
    cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.device("cuda" if cuda else "cpu")
