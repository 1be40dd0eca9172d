"""Scoring a split: the same pass for the untrained model, the trained one, and `evaluate.py`."""

from typing import Any

import pytorch_lightning as pl

from xmr.data.dataset import Split
from xmr.evaluation.evaluator import flat_metrics
from xmr.evaluation.protocol import RESULTS_SCHEMA, Protocol
from xmr.pipelines.build import Components
from xmr.training.evaluation import Evaluation, RetrievalEvaluation


def score(components: Components, split: Split) -> Evaluation:
    """Embed and evaluate `split` with the module as it stands."""
    config = components.config
    callback = RetrievalEvaluation(
        split, prefix=metric_prefix(components, split), ks=tuple(config.evaluation.ks)
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


def results_json(components: Components, split: Split, evaluation: Evaluation, **more: Any) -> dict[str, Any]:
    """The content of results.json: protocol, metrics with chance and tie bounds, model, and `more`."""
    config, model = components.config, components.module.model
    protocol = Protocol(
        data=components.dataset.name,
        data_fingerprint=components.dataset.fingerprint,
        split=split.name,
        relevance=components.dataset.relevance,
        ks=tuple(config.evaluation.ks),
    )
    results = evaluation.results
    return {
        "schema_version": RESULTS_SCHEMA,
        "protocol": protocol.to_json(),
        "metrics": flat_metrics(results),
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
