"""What takes long to import and to load: a run's model, and the content that it embedded of a split."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf.errors import OmegaConfBaseException

from xmr.core.errors import DataError
from xmr.explorer.content import Content
from xmr.index.store import EmbeddingStore
from xmr.pipelines.build import Components
from xmr.pipelines.evaluate import restore
from xmr.pipelines.explore.cache import embedded
from xmr.pipelines.explore.rows import directions_of, rows_of
from xmr.pipelines.scoring import plan_of


def restored(checkpoint: Path) -> Components:
    """Data and trained model of a checkpoint, on the CPU; raises `XmrError` when they are not here."""
    try:
        return restore(checkpoint, ["trainer.accelerator=cpu"])[0]
    except OmegaConfBaseException as error:
        raise DataError(
            f"{checkpoint} has not the settings of this release of xmr ({error.msg}); train the run again"
        ) from error


def run_content(components: Components, split: str, file: Path, stores: Sequence[EmbeddingStore]) -> Content:
    """What the model makes of `split`, kept in `file` or held by one of `stores`."""
    plan = plan_of(components, split)
    found, name = embedded(components, plan, file, stores)
    rows, searched = rows_of(components.task, plan, found)
    data = components.dataset
    return Content(
        rows=rows,
        searched=searched,
        directions=directions_of(components.task, plan, found, rows),
        read_image=data.read_image,
        name=data.name,
        data=data.fingerprint,
        vectors=name,
        relevance=data.relevance,
        metric="l2" if plan.protocol.similarity == "l2" else "ip",
    )
