"""A run that was stopped or killed and then resumed is, bit for bit, the run that never stopped."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.processes import join, start
from tests.training.fits import Fit, run_in_process, run_in_two_processes
from xmr.training.checkpoints import load_checkpoint

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
EXIT = {TERM: 143, INT: 130, KILL: -9}

VARIANTS = {
    "plain": {},
    "accumulated": {"trainer": {"accumulate_grad_batches": 2}},
    "rarely validated": {"trainer": {"check_val_every_n_epoch": 3}},
    "validated twice an epoch": {"trainer": {"val_check_interval": 0.5}},  # after batch 2
    "short epochs": {"trainer": {"limit_train_batches": 3}},
    "frozen encoders": {"freeze": ("image_encoder", "text_encoder")},
    "data workers": {"workers": 1},
}
STOPS = {
    "mid epoch": [((1, 2), TERM)],
    "last batch": [((1, 5), TERM)],
    "validation": [((0, None), TERM)],
    "killed": [((1, 3), KILL)],
    "killed in validation": [((1, None), KILL)],
    "twice": [((0, 2), TERM), ((1, 1), KILL)],
    "again and again": [((0, 0), TERM), ((1, 0), INT), ((1, 5), TERM), ((2, 1), TERM), ((2, 3), KILL)],
}
CASES = [
    *(("plain", stop) for stop in STOPS if stop != "twice"),
    *(("accumulated", stop) for stop in ("mid epoch", "again and again")),
    *((variant, "twice") for variant in VARIANTS if variant not in ("plain", "accumulated")),
]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the runs that never stopped, by variant, as they are asked for."""

    class Runs(dict[str, Path]):
        def __missing__(self, variant: str) -> Path:
            self[variant] = tmp_path_factory.mktemp("run")
            assert run_in_process(Fit(self[variant], **VARIANTS[variant])) == 0
            return self[variant]

    return Runs()


def flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf of nested dicts and lists, by its path."""
    if isinstance(value, dict | list | tuple):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from flat(inner, f"{name}/{key}")
    else:
        yield name, value


def differences(first: object, second: object) -> list[str]:
    """The paths at which two nested states are not equal to the last bit."""
    first, second = dict(flat(first)), dict(flat(second))
    return [
        path
        for path in first.keys() | second.keys()
        if not (
            torch.equal(first[path], second[path])
            if isinstance(first.get(path), torch.Tensor) and isinstance(second.get(path), torch.Tensor)
            else path in first and path in second and first[path] == second[path]
        )
    ]


def check_equal(resumed: Path, whole: Path) -> None:
    assert differences(torch.load(resumed / "final.pt"), torch.load(whole / "final.pt")) == []
    assert (resumed / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    for name in ("best.ckpt", "last.ckpt"):
        here, there = load_checkpoint(resumed / name), load_checkpoint(whole / name)
        assert (here["epoch"], here["global_step"]) == (there["epoch"], there["global_step"])
        for part in ("state_dict", "optimizer_states", "lr_schedulers"):
            assert differences(here[part], there[part]) == []


@pytest.mark.parametrize(("variant", "stop"), CASES, ids=[" - ".join(case) for case in CASES])
def test_resumed_equals_uninterrupted(uninterrupted, tmp_path, variant, stop):
    fit, codes = Fit(tmp_path, **VARIANTS[variant]), []
    for place, signum in STOPS[stop]:
        codes.append(run_in_process(replace(fit, signals={place: signum}, resume=bool(codes))))
    assert codes == [EXIT[signum] for _, signum in STOPS[stop]]
    assert run_in_process(replace(fit, resume=True)) == 0
    check_equal(tmp_path, uninterrupted[variant])


def test_a_signal_from_outside_stops_with_a_checkpoint(uninterrupted, tmp_path):
    process = start(Fit(tmp_path, trainer={"max_epochs": 10_000}).run)
    while not (tmp_path / "last.ckpt").exists():
        assert process.is_alive()
        process.join(0.01)
    process.terminate()
    assert join(process) == 143
    checkpoint = load_checkpoint(tmp_path / "last.ckpt")
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert int(rows[-1].split(",")[0]) == checkpoint["global_step"] > 0


def test_a_signal_in_the_last_epoch_s_validation_lets_the_run_finish(uninterrupted, tmp_path):
    assert run_in_process(Fit(tmp_path, signals={(2, None): TERM})) == 0
    check_equal(tmp_path, uninterrupted["plain"])


def test_a_second_signal_stops_at_once(tmp_path):
    """One in the last batch of an epoch waits for its end; the next does not."""
    assert run_in_process(Fit(tmp_path, signals={(1, 5): TERM, (1, None): INT})) == 130
    assert load_checkpoint(tmp_path / "last.ckpt")["epoch"] == 0


@pytest.mark.parametrize(
    ("monitor", "best"),
    [("val/text_to_image/recall@24", 0), ("val/text_to_image/mean_rank", 2)],
    ids=["never better than at first", "better each time"],
)
def test_last_is_of_the_last_epoch_and_best_of_the_best(tmp_path, monitor, best):
    """The recall among all 24 is always 1; the mean rank falls."""

    def epochs() -> list[int]:
        return [load_checkpoint(tmp_path / name)["epoch"] for name in ("best.ckpt", "last.ckpt")]

    fit = Fit(tmp_path, monitor=monitor)
    assert run_in_process(replace(fit, signals={(1, 1): KILL})) == -9
    assert epochs() == [0, 0]
    assert run_in_process(replace(fit, resume=True)) == 0
    assert epochs() == [best, 2]


def test_a_run_whose_folder_was_moved_still_knows_its_best(tmp_path):
    fit = Fit(tmp_path / "before", monitor="val/text_to_image/recall@24")
    assert run_in_process(replace(fit, signals={(1, 1): KILL})) == -9
    moved = replace(fit, folder=fit.folder.rename(tmp_path / "after"), resume=True)
    assert run_in_process(moved) == 0
    epochs = [load_checkpoint(moved.folder / name)["epoch"] for name in ("best.ckpt", "last.ckpt")]
    assert epochs == [0, 2]
    assert not fit.folder.exists()


def test_max_steps_is_refused(tmp_path):
    assert run_in_process(Fit(tmp_path, trainer={"max_steps": 9})) == 1
    output = (tmp_path / "output.txt").read_text()
    assert "max_steps=9 can't be resumed from; use trainer.max_epochs" in output


@pytest.mark.parametrize("sharded", [False, True], ids=["", "sharded classifier"])
def test_two_processes_stop_together_and_resume(tmp_path, sharded):
    """The signal reaches one of them alone."""
    # a norm of gradients over all processes is not what clipping sees of a shard
    trainer = {"strategy": "ddp", "devices": 2} | ({"gradient_clip_val": None} if sharded else {})
    fit = Fit(tmp_path / "stopped", trainer=trainer, sharded=sharded)
    whole = replace(fit, folder=tmp_path / "whole")
    assert run_in_two_processes(replace(fit, signals={(0, 2): TERM}), signalled=1) == [143, 143]
    last_batch = replace(fit, signals={(1, 5): INT}, resume=True)
    assert run_in_two_processes(last_batch, signalled=0) == [130, 130]
    assert run_in_two_processes(replace(fit, resume=True), signalled=0) == [0, 0]
    assert run_in_two_processes(whole, signalled=0) == [0, 0]
    check_equal(fit.folder, whole.folder)


def test_clipping_by_the_norm_of_a_shard_is_refused(tmp_path):
    fit = Fit(tmp_path, trainer={"strategy": "ddp", "devices": 2}, sharded=True)
    assert run_in_two_processes(fit, signalled=0) == [1, 1]
    assert "trainer.gradient_clip_val=null" in (tmp_path / "output.txt").read_text()
