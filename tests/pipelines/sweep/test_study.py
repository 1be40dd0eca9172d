"""A study hands out each trial to one process at a time, and loses none."""

import os
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="sweeps need Optuna: pip install -e '.[sweep]'")

from optuna.trial import TrialState

from xmr.core.errors import ConfigError
from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.sweep.file import read_plan
from xmr.pipelines.sweep.plan import SweepPlan
from xmr.pipelines.sweep.study import SweepStudy


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPlan:
    """Six combinations of a grid."""
    monkeypatch.chdir(tmp_path)
    register_resolvers()
    return read_plan(["sweep=emoji_losses", "space.loss=[info_nce,siglip,triplet]", "space.seed=[0,1]"])


def ranges(*words: str) -> SweepPlan:
    register_resolvers()
    return read_plan(["sweep=lr_temperature", *words])


def test_two_processes_cover_a_grid_once(plan: SweepPlan) -> None:
    one, other = SweepStudy(plan), SweepStudy(plan)
    claimed = [study.claim() for study in (one, other, one, other, other, other)]
    assert all(trial is not None for trial in claimed)
    assert sorted(tuple(trial.params.values()) for trial in claimed if trial) == sorted(
        tuple(point.values()) for point in plan.grid
    )
    assert one.claim() is None
    assert not one.done
    for trial in claimed:
        assert trial is not None
        trial.tell_value(0.1 * trial.number)
    assert one.done
    assert other.claim() is None
    best = other.best()
    assert best is not None
    assert best.number == 5


def test_a_trial_left_behind_is_claimed_again_with_its_number_and_folder(plan: SweepPlan) -> None:
    study = SweepStudy(plan)
    first = study.claim()
    assert first is not None
    run = first.lock.share()  # what the run's own process holds
    first.report({1: 0.2, 2: 0.3})
    first.release()
    second = SweepStudy(plan).claim()
    assert second is not None
    assert second.number != first.number, "its run still goes on"
    os.close(run)
    again = SweepStudy(plan).claim()
    assert again is not None
    assert (again.number, again.params, again.folder) == (first.number, first.params, first.folder)
    again.report({1: 0.2, 2: 0.3, 3: 0.4})
    again.tell_value(0.4)
    assert study.trial(first.number).intermediate_values == {1: 0.2, 2: 0.3, 3: 0.4}
    assert len(study.trials()) == 2


def test_a_trial_that_was_drawn_but_never_begun_costs_nothing(plan: SweepPlan) -> None:
    study = SweepStudy(plan)
    study._enqueue_next_of_grid()
    study._study.ask()  # its process dies here, before any value is known
    drawn = []
    while (trial := SweepStudy(plan).claim()) is not None:
        drawn.append(tuple(trial.params.values()))
        trial.tell_value(0.5)
    assert sorted(drawn) == sorted(tuple(point.values()) for point in plan.grid)
    assert study.done
    assert len(study.trials()) == 6


def test_failed_trials_are_run_again_when_asked_for_and_counted_once(plan: SweepPlan) -> None:
    study = SweepStudy(plan)
    folders = {}
    for outcome in ("fails", "works", "fails", "works", "works", "works"):
        trial = study.claim()
        assert trial is not None
        if outcome == "fails":
            trial.tell_failed("no luck")
            folders[tuple(trial.params.values())] = trial.folder
        else:
            trial.tell_value(0.5)
    assert study.done
    assert study.retry_failed() == 2
    assert not study.done
    again = [study.claim(), study.claim()]
    assert study.claim() is None
    assert {tuple(t.params.values()): t.folder for t in again if t} == folders
    for trial in again:
        assert trial is not None
        trial.tell_value(0.6)
    assert [trial.state for trial in study.trials()] == [TrialState.COMPLETE] * 6
    assert study.retry_failed() == 0


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "random"])
def test_a_sampler_goes_on_where_it_was_in_another_process(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    monkeypatch.chdir(tmp_path)
    plan = ranges(
        f"sampler={sampler}", "pruner=none", "n_trials=14", "space.head.image.dropout={low: 0.0, high: 0.5}"
    )
    seen = set()
    while (trial := SweepStudy(plan).claim()) is not None:  # a process for each trial
        lr, temperature = trial.params["optimizer.lr"], trial.params["loss.temperature"]
        assert 1e-4 <= lr <= 1e-2
        assert 0.02 <= temperature <= 0.2
        seen.add((lr, temperature))
        trial.tell_value(-abs(lr - 1e-3))
    assert len(seen) == 14


def test_a_study_grows_but_does_not_change(plan: SweepPlan, tmp_path: Path) -> None:
    few, more = ranges("n_trials=1", "name=grows"), ranges("n_trials=2", "name=grows")
    first = SweepStudy(few).claim()
    assert first is not None
    first.tell_pruned()
    assert SweepStudy(few).done
    assert SweepStudy(few).best() is None
    assert SweepStudy(more).claim() is not None
    with pytest.raises(ConfigError, match=r"pruner.*median.*none.*name=ANOTHER"):
        SweepStudy(ranges("n_trials=2", "name=grows", "pruner=none"))
