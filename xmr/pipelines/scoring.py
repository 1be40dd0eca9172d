"""Scoring a split: the same pass for the untrained model, the trained one, and `evaluate.py`."""

from dataclasses import replace
from typing import Any

import pytorch_lightning as pl

from xmr.core.errors import ConfigError
from xmr.data.dataset import Split
from xmr.evaluation.evaluator import flat_metrics
from xmr.evaluation.protocol import RESULTS_SCHEMA, Protocol
from xmr.evaluation.protocols import ready_protocol
from xmr.pipelines.build import Components
from xmr.pipelines.instantiate import instantiate
from xmr.training.evaluation import Evaluation, RetrievalEvaluation


def score(components: Components, split: Split, *, protocol: str = "standard") -> Evaluation:
    """Embed and evaluate `split` with the module as it stands, by the ready protocol of that name."""
    config = components.config
    callback = RetrievalEvaluation(
        split,
        prefix=metric_prefix(components, split),
        protocol=protocol_of(components, split, name=protocol),
        index=instantiate(config.index),
    )
    trainer = pl.Trainer(
        accelerator=config.trainer.accelerator,
        devices=1,
        precision=config.trainer.precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    trainer.validate(components.module, datamodule=components.datamodule(None, split), verbose=False)
    return callback.latest  # type: ignore[return-value]  # set by the pass


def metric_prefix(components: Components, split: Split) -> str:
    """`val/emoji`: what the names of logged metrics begin with."""
    return f"{split.name}/{components.dataset.name}"


def protocol_of(components: Components, split: Split, *, name: str = "standard") -> Protocol:
    """The ready protocol of that name, for this data and split.

    Raises `ConfigError` for a protocol of another data set or split, or of other queries and galleries.
    """
    dataset, ready = components.dataset, ready_protocol(name)
    for field, actual in (("data", dataset.name), ("split", split.name)):
        if getattr(ready, field) not in ("", actual):
            raise ConfigError(
                f"protocol={name} is for {field}={getattr(ready, field)}, not {actual}; use protocol=standard"
            )
    if ready.gallery != "other modality" or ready.prompts:
        raise ConfigError(
            f"protocol={name} is not of images and their texts; use xmr.evaluation.evaluate with embeddings"
        )
    return replace(
        ready,
        data=dataset.name,
        data_fingerprint=dataset.fingerprint,
        split=split.name,
        relevance=dataset.relevance,
        ks=tuple(components.config.evaluation.ks),
    )


def results_json(components: Components, evaluation: Evaluation, **more: Any) -> dict[str, Any]:
    """The content of results.json: protocol, metrics with chance and tie bounds, model, and `more`."""
    config, model, results = components.config, components.module.model, evaluation.results
    return {
        "schema_version": RESULTS_SCHEMA,
        "protocol": results["text_to_image"].protocol.to_json(),
        "metrics": flat_metrics(results) | evaluation.index,
        "chance": flat_metrics(results, "chance"),
        "ties": {direction: result.ties for direction, result in results.items()},
        "queries": {direction: len(result.query_ids) for direction, result in results.items()},
        "excluded_queries": {d: len(result.excluded_queries) for d, result in results.items()},
        "gallery": {direction: result.gallery_size for direction, result in results.items()},
        "model": {
            "parameters": sum(p.numel() for p in model.parameters()),
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "frozen_encoders": components.module.provenance["encoders"],
        },
        "seed": config.seed,
        **more,
    }
