"""How far a run is and how long it has taken: one progress bar, redrawn rarely, and a stopwatch."""

import time
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

REDRAW_SECONDS = 0.5


class RunProgress(pl.Callback):
    """Shows the epoch, the steps done, the time left, and the monitored metric of the last evaluation."""

    def __init__(self, *, monitor: str, console: Console | None = None) -> None:
        self.monitor = monitor
        self.console = console or Console(stderr=True)
        self._progress: Progress | None = None
        self._drawn = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        if not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metric]}"),
            console=self.console,
            auto_refresh=False,
        )
        self._progress.start()
        total = int(trainer.estimated_stepping_batches)
        self._task = self._progress.add_task(
            "training", total=total, completed=trainer.global_step, metric=""
        )

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Move the bar, when the last time is long enough ago."""
        if self._progress is not None and time.monotonic() - self._drawn > REDRAW_SECONDS:
            self._draw(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the metric of the epoch."""
        if self._progress is not None:
            self._draw(trainer)

    def _draw(self, trainer: pl.Trainer) -> None:
        assert self._progress is not None  # noqa: S101  # both callers have checked
        value = trainer.callback_metrics.get(self.monitor)
        self._progress.update(
            self._task,
            completed=trainer.global_step,
            description=f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            metric="" if value is None else self._shown(float(value)),
        )
        self._progress.refresh()
        self._drawn = time.monotonic()

    def _shown(self, value: float) -> str:
        is_rank = self.monitor.endswith("_rank")
        return f"{self.monitor} {value:.1f}" if is_rank else f"{self.monitor} {100 * value:.1f} %"

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class Stopwatch(pl.Callback):
    """Seconds of training, over all the sessions of a run."""

    def __init__(self) -> None:
        self._before = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + (0.0 if self._started is None else time.monotonic() - self._started)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start."""
        self._started = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop."""
        self._before, self._started = self.seconds, None

    def state_dict(self) -> dict[str, float]:
        """What a resumed run goes on from."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from what was saved."""
        self._before = state_dict["seconds"]
