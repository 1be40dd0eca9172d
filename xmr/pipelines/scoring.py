"""Scoring a split: the same pass for the untrained model, the trained one, and `evaluate.py`."""

from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from xmr.core.distributed import rank_and_world_size
from xmr.core.protocols import Index
from xmr.evaluation.plans import Plan
from xmr.pipelines.build import Components
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.run_folder import RunFolder
from xmr.pipelines.tasks import protocol_for
from xmr.training.evaluation import Evaluation, RetrievalEvaluation


def score(components: Components, plan: Plan) -> Evaluation:
    """Embed and evaluate by `plan` with the module as it stands."""
    config = components.config
    callback = RetrievalEvaluation(
        plan, prefix=metric_prefix(components, plan.split), index=index_of(config, plan)
    )
    cuda = components.device.type == "cuda" and rank_and_world_size()[1] > 1
    trainer = pl.Trainer(
        accelerator=config.trainer.accelerator,
        # in a distributed run each process on its own device
        devices=[torch.cuda.current_device()] if cuda else 1,
        precision=config.trainer.precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    data = components.datamodule(plan.split, train=False)
    trainer.validate(components.module, datamodule=data, verbose=False)
    return callback.latest  # type: ignore[return-value]  # set by the pass


def index_of(config: DictConfig, plan: Plan) -> Index:
    """The configured index, measuring as the plan's protocol does where it can choose."""
    own = config.index
    if plan.protocol.similarity == "l2" and own.get("metric") == "ip":
        own = OmegaConf.merge(own, {"metric": "l2"})
    return instantiate(own)


def metric_prefix(components: Components, split: str) -> str:
    """`val/emoji`: what the names of logged metrics begin with."""
    return f"{split}/{components.dataset.name}"


def plan_of(components: Components, split: str, *, protocol: str | None = None) -> Plan:
    """How `split` is evaluated: by the ready protocol of that name, or by that of the run.

    Raises `ConfigError` for a protocol of another data set, split or task.
    """
    settings = components.config.evaluation
    changes: dict[str, Any] = {} if settings.ks is None else {"ks": tuple(settings.ks)}
    if settings.similarity is not None:
        changes["similarity"] = settings.similarity
    named = protocol or settings.protocol
    return components.task.plan(
        split, protocol_for(components.task, components.dataset, split, name=named, **changes)
    )


def about_run(components: Components, folder: RunFolder) -> dict[str, Any]:
    """What results.json says of the model and of the run that it comes from."""
    config, model = components.config, components.module.model
    return {
        "model": {
            "parameters": sum(p.numel() for p in model.parameters()),
            "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "frozen_encoders": components.module.provenance["encoders"],
        },
        "seed": config.seed,
        "run": {"id": folder.run_id, "name": config.name},
    }
