"""A source of the explorer: a run's checkpoint with a split of the run's data."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from xmr.core.types import Modality
from xmr.explorer.content import Content
from xmr.explorer.sources import About
from xmr.index.store import EmbeddingStore
from xmr.pipelines.explore.about import BOTH, DIRECTIONS, data_name, settings_of, slug, takes_of
from xmr.pipelines.instantiate import target_class
from xmr.pipelines.run_folder import RunFolder

if TYPE_CHECKING:
    from xmr.pipelines.build import Components
    from xmr.pipelines.encoding import QueryEncoder


class RunSource:
    """A checkpoint of a run, and what it makes of one split of the run's data.

    What it embeds is kept in `explorer/` of the run folder. `stores` may hold the same vectors.
    """

    def __init__(
        self, checkpoint: Path, *, split: str, where: str, stores: Sequence[EmbeddingStore] = ()
    ) -> None:
        self._checkpoint, self._split, self._stores = checkpoint, split, stores
        self._run = RunFolder(checkpoint.parent.parent)
        self._lock = Lock()
        self._restored: Components | None = None
        config = self._run.load_config()
        end = self._run.run_id.rpartition("-")[2]
        more = [] if checkpoint.stem == "best" else [checkpoint.stem]
        more += [] if split == "val" else [split]
        model = target_class(config.model)
        self.about = About(
            id=slug("-".join([config.name, end, *more])),
            name=config.name,
            title=" · ".join([config.name, end, *more]),
            kind="run",
            where=where,
            folder=self._run.path / "explorer",
            checkpoint=checkpoint.name,
            split=split,
            data=data_name(config),
            dim=config.model.dim,
            among=BOTH if model.SIDES == BOTH else (Modality.IMAGE,),
            takes=takes_of(model),
            composes=Modality.COMPOSED in model.SIDES,
            directions=DIRECTIONS[model.SIDES],
            settings=settings_of(config),
            run=self._run.path,
        )

    @property
    def _components(self) -> "Components":
        """Data and model, restored once, by whichever thread asks first."""
        # importing Lightning takes seconds, which the first page need not wait for
        from xmr.pipelines.explore.load import restored

        with self._lock:
            if self._restored is None:
                self._restored = restored(self._checkpoint)
            return self._restored

    def load_encoder(self) -> "QueryEncoder":
        """The trained model."""
        from xmr.pipelines.encoding import QueryEncoder

        return QueryEncoder(self._components.module.model)

    def load(self) -> Content:
        """The embeddings of the split; raises `XmrError` when the run's data or encoders are not here."""
        from xmr.pipelines.explore.load import run_content

        file = self.about.folder / f"{self._split}-{self._checkpoint.stem}.safetensors"
        return run_content(self._components, self._split, file, self._stores)
