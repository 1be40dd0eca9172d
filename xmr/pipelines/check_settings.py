"""Checks of the settings that no component checks, before any work is done."""

from importlib.util import find_spec

from omegaconf import DictConfig, ListConfig

from xmr.core.errors import ConfigError, check_whole, did_you_mean
from xmr.evaluation.projection import METHODS

WANDB_MODES = ("auto", "online", "offline", "disabled")


def check_settings(config: DictConfig) -> None:
    """Raise `ConfigError` for a setting that no component checks, before any work is done."""
    trainer, evaluation = config.trainer, config.evaluation
    check_whole(0, seed=config.seed, workers=config.workers)
    check_whole(1, batch_size=config.batch_size, eval_batch_size=config.eval_batch_size)
    check_whole(0, **{"trainer.max_epochs": trainer.max_epochs})
    for name in ("check_val_every_n_epoch", "log_every_n_steps"):
        check_whole(1, **{f"trainer.{name}": trainer[name]})
    if evaluation.ks is not None and (not isinstance(evaluation.ks, ListConfig) or not evaluation.ks):
        raise ConfigError(
            f"evaluation.ks={evaluation.ks}; give a list of numbers, as in evaluation.ks=[1,5,10]"
        )
    for k in evaluation.ks or ():
        check_whole(1, **{"evaluation.ks": k})
    if trainer.get("max_steps", -1) != -1:
        raise ConfigError(
            f"trainer.max_steps={trainer.max_steps} can't be resumed from; use trainer.max_epochs"
        )
    check_whole(
        1,
        **{
            "evaluation.panels.queries": evaluation.panels.queries,
            "evaluation.panels.k": evaluation.panels.k,
        },
    )
    if config.stages:
        if not isinstance(config.stages, ListConfig):
            raise ConfigError(
                "stages is a list: stages=[{name: I, epochs: 10, freeze: [image_encoder]}, ...]"
            )
    elif trainer.max_epochs and trainer.check_val_every_n_epoch > trainer.max_epochs:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={trainer.check_val_every_n_epoch} > max_epochs="
            f"{trainer.max_epochs}: the run would never be evaluated; use a smaller number"
        )
    _check_projections(config)
    if config.logger.wandb.mode not in WANDB_MODES:
        raise ConfigError(
            f"logger.wandb.mode={config.logger.wandb.mode}; use one of {', '.join(WANDB_MODES)}"
        )


def _check_projections(config: DictConfig) -> None:
    methods = config.evaluation.get("projections") or []
    if not isinstance(methods, ListConfig | list):
        raise ConfigError(
            f"evaluation.projections={methods}; give a list, as in evaluation.projections=[pca]"
        )
    for method in methods:
        if method not in METHODS:
            raise ConfigError(f"evaluation.projections={method}; {did_you_mean(str(method), METHODS)}")
    if "fc2" in methods and config.model.dim != 2:
        raise ConfigError(f"evaluation.projections=fc2 needs model.dim=2, not {config.model.dim}")
    if "umap" in methods and find_spec("umap") is None:
        raise ConfigError("evaluation.projections=umap needs umap-learn: pip install 'xmr[projection]'")
