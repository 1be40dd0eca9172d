"""What the queries of a comparison look like and what is correct: the data set of a run, built again."""

from collections.abc import Sequence

from omegaconf import DictConfig

from xmr.core.errors import XmrError
from xmr.core.types import Modality
from xmr.evaluation.plans import Plan
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.retrieved import Gallery
from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.instantiate import instantiate, target_class
from xmr.pipelines.run_folder import with_overrides
from xmr.pipelines.tasks import Task, ViewOf, task_of
from xmr.reporting.views import View


class TaskLooks:
    """The looks and the galleries of a task's split, by direction."""

    def __init__(self, task: Task, plan: Plan) -> None:
        self._task = task
        self._plan = plan
        self._views: dict[str, tuple[ViewOf, ViewOf]] = {}

    def query(self, direction: str, id_: str) -> View:
        """What the query with an id looks like."""
        return self._of(direction)[0](id_)

    def entry(self, direction: str, id_: str) -> View:
        """What the gallery entry with an id looks like."""
        return self._of(direction)[1](id_)

    def galleries(self) -> dict[str, Gallery]:
        """The item id of each gallery entry, by direction."""
        entries = {}
        for source in self._plan.entries:
            items = dict(zip(source.ids.tolist(), source.item_ids.tolist(), strict=True))
            # of two sets of images, the queries come first
            entries[source.modality] = Gallery(items)
        sides = {Modality.IMAGE: ("text", "image", "composed"), Modality.TEXT: ("image",)}
        return {
            f"{query}_to_{modality}": gallery
            for modality, gallery in entries.items()
            for query in sides.get(modality, ())
        }

    def _of(self, direction: str) -> tuple[ViewOf, ViewOf]:
        if direction not in self._views:
            self._views[direction] = self._task.views(self._plan.split, direction)
        return self._views[direction]


def looks_of(
    config: DictConfig, protocol: Protocol, overrides: Sequence[str]
) -> tuple[TaskLooks | None, list[str]]:
    """The looks of the data set in a run's `config`, or None and a note why there are none.

    Only the data set is built, no model. `overrides` (key=value) say where it lies now.
    """
    if "data" not in config or "model" not in config:
        return None, ["no pictures: the results come without the config of a run"]
    register_resolvers()
    config = with_overrides(config, overrides)
    try:
        task = task_of(target_class(config.model).SIDES, instantiate(config.data))
        if task.data_fingerprint == protocol.data_fingerprint:
            return TaskLooks(task, task.plan(protocol.split, protocol)), []
    except XmrError as error:
        return None, [f"no pictures: the data set is not here ({error})"]
    return None, [
        f"no pictures: the data set here is not the one evaluated on (fingerprint "
        f"{protocol.data_fingerprint}, now {task.data_fingerprint})"
    ]
