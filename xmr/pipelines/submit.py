"""Submissions: embeddings made by any tool, scored under a protocol like those of xmr's own runs."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console

from xmr.core.errors import DataError, problems_message
from xmr.core.files import sha256_file
from xmr.core.types import Embeddings, Modality
from xmr.data.dataset import SPLITS
from xmr.evaluation.plans import Entries, Plan
from xmr.evaluation.protocols import ready_protocol
from xmr.pipelines.evaluation_files import write_evaluation
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.run_folder import RunFolder, environment
from xmr.pipelines.submission_file import Side, read_sides
from xmr.pipelines.tasks import Task, protocol_for, task_of
from xmr.reporting.summary import metrics_table
from xmr.training.evaluation import Evaluation

SUBMISSIONS = "submissions"

# what a protocol searches tells its task, by the two sides of a model's pairs, and the names in the file
TASKS = {
    "other modality": ((Modality.IMAGE, Modality.TEXT), ("image", "text")),
    "train": ((Modality.IMAGE, Modality.IMAGE), ("query", "gallery")),
    "images": ((Modality.IMAGE, Modality.COMPOSED), ("query", "gallery")),
}


def submit(
    file: Path,
    config: DictConfig,
    *,
    protocol: str,
    name: str,
    split: str | None = None,
    seed: int | None = None,
    into: Path = Path("runs"),
) -> None:
    """Score the embeddings in `file` and write the result to `into`/submissions/`name`/<time>-<id>/.

    `config` is what `check_submission` gave: its data set tells ids, relevance and fingerprint. The split is
    the protocol's, or test, whose uses are counted for each name. Raises `XmrError` for ids that are missing,
    unknown or repeated, and for vectors that can't be compared.
    """
    out = Console()
    say = partial(out.print, markup=False, highlight=False, soft_wrap=True)
    modalities, roles = TASKS[ready_protocol(protocol).gallery]
    sides = read_sides(file, roles)
    task = task_of(modalities, instantiate(config.data))
    plan = _plan(task, config, protocol, split)
    evaluation, seconds = _evaluate(task, plan, sides, say)
    sha256 = sha256_file(file)
    submitted = RunFolder(into / SUBMISSIONS / name)
    if plan.split == "test":
        times = _note_test(submitted, sha256, task.data_fingerprint)
        if times > 1:
            say(f"'{name}' has now used the test split {times} times: {submitted.test_touches_file}")
    run_id = f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    content = {
        "run": {"id": run_id, "name": name},
        "seed": seed,
        "submission": {"file": file.name, "sha256": sha256, "dim": sides[0].vectors.shape[1]},
        "cost": {"evaluation_seconds": seconds},
        "environment": environment(),
    }
    folder = submitted.path / run_id
    results = write_evaluation(folder, evaluation, task, content)
    title = f"{name}: {task.dataset.name}, {plan.split} split, protocol {protocol}"
    out.print(metrics_table(results["metrics"], chance=results["chance"], title=title))
    say(f"results   {folder / 'results.json'}")
    say(f"compare   python scripts/leaderboard.py {into}")


def _plan(task: Task, config: DictConfig, protocol: str, split: str | None) -> Plan:
    split = split or ready_protocol(protocol).split or "test"
    own = {"ks": config.evaluation.ks, "similarity": config.evaluation.similarity}
    changes = {key: value for key, value in own.items() if value is not None}
    return task.plan(split, protocol_for(task, task.dataset, split, name=protocol, **changes))


def _evaluate(
    task: Task, plan: Plan, sides: Sequence[Side], say: Callable[[str], None]
) -> tuple[Evaluation, float]:
    """The evaluation of the submitted sides, and the seconds that it took."""
    embedded = []
    data = f"{plan.split} split of '{task.dataset.name}'"
    for side, entries, elsewhere in zip(sides, plan.entries, _of_other_splits(task, plan), strict=True):
        vectors, unused = _matched(side, entries, elsewhere, data=data)
        embedded.append(entries.embeddings(_unit(vectors, plan), np.arange(len(entries.ids))))
        if unused:
            say(f"{unused:,} {side.role} vectors are of other splits, and were not used")
    _check_vectors(embedded, plan, [side.role for side in sides])
    started = time.monotonic()
    evaluation = Evaluation(plan.sides(embedded), plan.rank(embedded, False), {}, epoch=0, step=0)
    return evaluation, round(time.monotonic() - started, 3)


def _note_test(submitted: RunFolder, sha256: str, fingerprint: str) -> int:
    submitted.path.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return submitted.touch_test({"time": now, "file_sha256": sha256, "data_fingerprint": fingerprint})


def _of_other_splits(task: Task, plan: Plan) -> list[dict[str, str]]:
    """The split of each id that a side has in other splits of the data."""
    found: list[dict[str, str]] = [{} for _ in plan.entries]
    for name in SPLITS:
        if name == plan.split:
            continue
        try:
            other = task.plan(name, replace(plan.protocol, split=name))
        except DataError:  # it has no such split, or no queries there
            continue
        for splits, entries in zip(found, other.entries, strict=True):
            splits.update(dict.fromkeys(entries.ids.tolist(), name))
    return found


def _matched(
    side: Side, entries: Entries, elsewhere: Mapping[str, str], *, data: str
) -> tuple[np.ndarray, int]:
    """The vectors (N, D) of `entries`, in their order, and how many were of other splits.

    Raises `DataError` listing the ids that are repeated, unknown or missing, and item ids that are others.
    """
    ids = (_numbered(side.item_ids) if side.ids is None else side.ids).tolist()
    row_of = {id_: row for row, id_ in enumerate(ids)}
    wanted = entries.ids.tolist()
    known = set(wanted)
    problems = [
        *(f"'{id_}' comes {count} times" for id_, count in Counter(ids).items() if count > 1),
        *(f"'{id_}' is unknown" for id_ in row_of if id_ not in known and id_ not in elsewhere),
        *(f"'{id_}' is missing" for id_ in wanted if id_ not in row_of),
    ]
    if side.ids is not None and side.item_ids is not None:
        problems += _other_items(dict(zip(ids, side.item_ids.tolist(), strict=True)), entries)
    if problems:
        remedy = f"Its {len(wanted):,} ids are as '{wanted[0]}'; data=... chooses other data."
        others = {elsewhere[id_] for id_ in row_of if id_ not in known and id_ in elsewhere}
        if others:
            remedy += f" The file has vectors of other splits: --split {' or '.join(sorted(others))}."
        raise DataError(problems_message(f"{side.role} ids do not fit the {data}", problems, remedy))
    rows = np.array([row_of[id_] for id_ in wanted])
    return side.vectors[rows], len(ids) - len(rows)


def _numbered(item_ids: np.ndarray | None) -> np.ndarray:
    """The ids of texts of which only the item is known: the n-th of item `a` is `a#n`, from 0."""
    seen: Counter[str] = Counter()
    names = []
    for item in [] if item_ids is None else item_ids.tolist():
        names.append(f"{item}#{seen[item]}")
        seen[item] += 1
    return np.array(names, dtype=str)


def _other_items(given: dict[str, str], entries: Entries) -> Iterator[str]:
    """The entries whose item is another one in the data set than `given`."""
    for id_, item in zip(entries.ids.tolist(), entries.item_ids.tolist(), strict=True):
        if given.get(id_, item) != item:
            yield f"'{id_}' is of item '{item}', not '{given[id_]}'"


def _unit(vectors: np.ndarray, plan: Plan) -> torch.Tensor:
    """The vectors at unit norm where cosines are compared; zero stays zero."""
    if plan.protocol.similarity != "cosine":
        return torch.from_numpy(vectors)
    exact = vectors.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # what is not finite is told about below
        unit = np.divide(exact, norms, out=exact, where=norms != 0)
    return torch.from_numpy(unit.astype(np.float32))


def _check_vectors(embedded: Sequence[Embeddings], plan: Plan, roles: Sequence[str]) -> None:
    """Raise `DataError` naming the vectors that can't be compared: NaN, infinite, or zero for cosines."""
    problems = []
    for role, side in zip(roles, embedded, strict=True):
        finite = torch.isfinite(side.vectors).all(dim=1)
        zero = (side.vectors == 0).all(dim=1) & (plan.protocol.similarity == "cosine")
        for row in torch.nonzero(~finite | zero).flatten().tolist():
            what = "is all zeros" if finite[row] else "is not finite"
            problems.append(f"{role} '{side.ids[row]}' {what}")
    if problems:
        raise DataError(problems_message("vectors can't be compared", problems, "Embed these again."))
