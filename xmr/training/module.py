"""The LightningModule: one training step, and embeddings for evaluation; all else is a component."""

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from xmr.core.distributed import gather_shards, gather_with_gradient, own_rows, rank_and_world_size
from xmr.core.errors import ConfigError, DataError, XmrError
from xmr.core.protocols import Inputs, Loss
from xmr.core.types import Modality
from xmr.data.sources import EmbedBatch, PairBatch
from xmr.encoders.image.sift_bovw import FitsImages
from xmr.models.dual_encoder import DualEncoder
from xmr.training.optimizers import OptimizerFactory
from xmr.training.schedulers import Schedule
from xmr.training.stages import Stages


class RetrievalModule(pl.LightningModule):
    """Trains a model with a loss on matching pairs, those of all processes together.

    Batches of the modalities in `cached` hold encoder features instead of inputs. `stages` change over the
    run what learns. `provenance` (plain containers) is stored in every checkpoint: the config, and the
    fingerprints of the frozen encoders, whose weights are left out of it.
    """

    def __init__(
        self,
        *,
        model: DualEncoder,
        loss: Loss,
        optimizer: OptimizerFactory,
        scheduler: Schedule,
        cached: frozenset[Modality] = frozenset(),
        stages: Stages | None = None,
        log_every_n_steps: int = 50,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.cached = cached
        self.stages = stages
        self.log_every_n_steps = log_every_n_steps
        self.provenance = dict(provenance or {})
        self.always_frozen = model.frozen
        # frozen encoders come from their own files: a checkpoint of heads is small and quick to write
        self.left_out = tuple(
            f"model.{part}."
            for part in model.frozen
            # one that was fitted to training images has no file of its own
            if part.endswith("_encoder") and not isinstance(getattr(model, part), FitsImages)
        )
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def last_batch(self) -> tuple[Tensor, Tensor] | None:
        """Both sides of the last training step at unit norm, (B, D) each, without a gradient."""
        if self._last is None:
            return None
        return normalize(self._last[0].float(), dim=1), normalize(self._last[1].float(), dim=1)

    def setup(self, stage: str) -> None:
        """Give each process its share of a sharded classifier, and keep that out of DDP's averages."""
        if hasattr(self.loss, "shard"):
            self.loss.shard()
        local = [f"loss.{name}" for name in getattr(self.loss, "local_parameters", ())]
        if local and self.trainer.gradient_clip_val:
            raise ConfigError(
                f"trainer.gradient_clip_val={self.trainer.gradient_clip_val} with a sharded classifier: each "
                f"process would clip by a norm of its own; use trainer.gradient_clip_val=null"
            )
        if local:
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, local)

    def project(self, modality: Modality, inputs: Inputs) -> Tensor:
        """Inputs, or features where `modality` is cached, of B items -> projections (B, D)."""
        return self.model.project_features(modality, self._features(modality, inputs))

    def _features(self, modality: Modality, inputs: Inputs) -> Any:
        if modality is Modality.COMPOSED:
            return {part: self._features(Modality(part), of) for part, of in inputs.items()}  # type: ignore[union-attr]
        if modality in self.cached and isinstance(inputs, Tensor):
            return inputs
        return self.model.encoder(modality)(inputs)

    def embed(self, modality: Modality, inputs: Inputs) -> Tensor:
        """Inputs, or features where `modality` is cached, of B items -> embeddings (B, D)."""
        return self.model.as_embeddings(self.project(modality, inputs))

    def on_train_epoch_start(self) -> None:
        """Tell the batches which epoch it is."""
        self.trainer.datamodule.batches.set_epoch(self.current_epoch)  # type: ignore[attr-defined]

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """The loss of one batch, in float32; raises `XmrError` when a logged one is not finite."""
        first, second = self.model.SIDES
        image, text = self.project(first, batch.image), self.project(second, batch.text)
        if self.loss.on == "embeddings":
            image, text = self.model.as_embeddings(image), self.model.as_embeddings(text)
        item_id = batch.item_id
        if rank_and_world_size()[1] > 1:
            image, text = gather_with_gradient(image), gather_with_gradient(text)
            item_id = gather_with_gradient(item_id)
        self._last = image.detach(), text.detach()
        with torch.autocast(self.device.type, enabled=False):
            loss = self.loss(image.float(), text.float(), item_id)
        if batch_idx % self.log_every_n_steps == 0:
            self._log_step(loss)
        return loss

    def _log_step(self, loss: Tensor) -> None:
        """Write to the loggers directly: `self.log` on every step costs more than a small step itself."""
        value = loss.item()
        if not value < float("inf"):
            raise XmrError(
                f"the loss is {value} at step {self.global_step + 1}; lower optimizer.lr, "
                f"or use trainer.precision=32-true"
            )
        lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        metrics = {"train/loss": value, "train/lr": lr, "epoch": self.current_epoch + 1}
        metrics |= {f"train/{name}": value for name, value in self.loss.diagnostics().items()}
        for logger in self.loggers:
            logger.log_metrics(metrics, step=self.global_step + 1)

    def validation_step(self, batch: EmbedBatch, batch_idx: int, dataloader_idx: int = 0) -> Tensor:
        """Embeddings (B, D) of one batch."""
        return self.embed(batch.modality, batch.inputs)

    def configure_optimizers(self) -> Any:
        """The optimizer with its schedule over all steps of the run."""
        total = int(self.trainer.estimated_stepping_batches)
        optimizer = self.build_optimizer()
        rates: Any = lambda step: self.scheduler.factor(step, total)  # noqa: E731
        if self.stages is not None:
            factors = [group["stage_lr"] for group in optimizer.param_groups]
            rates = [self.stages.rate(own, self.scheduler, total) for own in factors]
        schedule = LambdaLR(optimizer, rates)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def build_optimizer(self) -> Optimizer:
        """The optimizer over all that learns in any stage."""
        if self.stages is None:
            return self.optimizer.build(self.named_parameters())
        learning = [name for name, parameter in self.named_parameters() if parameter.requires_grad]
        self.stages.check_patterns(learning)
        return self.optimizer.build(self.named_parameters(), stage_lr=self.stages.factors)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the frozen encoders out and put the provenance in."""
        checkpoint["state_dict"] = {
            name: value
            for name, value in checkpoint["state_dict"].items()
            if not name.startswith(self.left_out)
        }
        checkpoint["xmr"] = self.provenance
        self._gather_local_state(checkpoint)

    def _gather_local_state(self, checkpoint: dict[str, Any]) -> None:
        """Put the rows of all processes of what the optimizer keeps for a sharded classifier in."""
        local = getattr(self.loss, "local_parameters", {})
        if not local or not checkpoint.get("optimizer_states"):
            return
        of_loss = {id(parameter): name for name, parameter in self.loss.named_parameters()}  # type: ignore[attr-defined]
        groups = self.trainer.optimizers[0].param_groups
        names = [of_loss.get(id(parameter)) for group in groups for parameter in group["params"]]
        rows = {index: local[name] for index, name in enumerate(names) if name in local}
        _change_state(checkpoint, rows, gather_shards)
        checkpoint["xmr_sharded"] = rows

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Take over the model of a checkpoint; raises `XmrError` when its frozen encoders are others."""
        state = self._with_frozen_encoders(checkpoint)
        self.model.load_state_dict(
            {name.removeprefix("model."): v for name, v in state.items() if name.startswith("model.")}
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Prepare a checkpoint to go on with; raises `XmrError` when encoders or data are others."""
        stored, own = (provenance.get("data") for provenance in (checkpoint["xmr"], self.provenance))
        if stored != own:
            raise DataError(
                f"the data has changed since the checkpoint was written (fingerprint {stored}, now {own}); "
                f"put the old data back, or start a new run"
            )
        checkpoint["state_dict"] = self._with_frozen_encoders(checkpoint)
        _change_state(checkpoint, checkpoint.get("xmr_sharded", {}), lambda of, total: of[own_rows(total)])

    def _with_frozen_encoders(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """The state of the checkpoint with this module's own frozen encoders, once they are found equal."""
        stored, own = (provenance.get("encoders", {}) for provenance in (checkpoint["xmr"], self.provenance))
        for modality, fingerprint in stored.items():
            if own.get(modality) != fingerprint:
                raise XmrError(
                    f"the checkpoint was trained on a frozen {modality} encoder with fingerprint "
                    f"{fingerprint}, but the one at hand has {own.get(modality)}; install its weights"
                )
        kept = {name: v for name, v in self.state_dict().items() if name.startswith(self.left_out)}
        return {**kept, **checkpoint["state_dict"]}


def _change_state(
    checkpoint: dict[str, Any], rows: Mapping[int, int], change: Callable[[Tensor, int], Tensor]
) -> None:
    """Change the matrices that the optimizer keeps for the parameters at the indexes in `rows`."""
    state = checkpoint["optimizer_states"][0]["state"] if rows else {}
    for index, total in rows.items():
        # a copy: the optimizer goes on with its own
        state[index] = {
            name: change(value, total) if isinstance(value, Tensor) and value.ndim else value
            for name, value in state.get(index, {}).items()
        }
