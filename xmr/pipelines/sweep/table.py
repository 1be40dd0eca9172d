"""What a sweep shows: its trials so far as a table, the best, and what is running."""

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from xmr.pipelines.sweep.plan import SweepPlan
from xmr.pipelines.sweep.space import shown

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "[red]failed[/red]",
    TrialState.RUNNING: "[cyan]runs[/cyan]",
    TrialState.WAITING: "waits",
}


def value_shown(value: float | None, metric: str) -> str:
    """A metric for people: per cent, or a rank."""
    if value is None:
        return "–"
    return f"{value:.1f}" if metric.endswith("_rank") else f"{100 * value:.2f} %"


def counts(trials: Sequence[FrozenTrial], plan: SweepPlan) -> str:
    """`7 of 12 trials finished, 1 failed, 2 run`."""
    number = {state: sum(trial.state is state for trial in trials) for state in STATES}
    parts = [f"{number[TrialState.COMPLETE]} of {max(plan.n_trials, len(trials))} trials finished"]
    words = {TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed", TrialState.RUNNING: "running"}
    return ", ".join([*parts, *(f"{number[state]} {word}" for state, word in words.items() if number[state])])


def trial_table(
    plan: SweepPlan,
    trials: Sequence[FrozenTrial],
    best: FrozenTrial | None,
    *,
    notes: Mapping[int, str],
    rows: int | None = None,
) -> Table:
    """A row a trial with its state, its value and its settings; of more than `rows`, those of most interest.

    `notes` say by number how far running trials are. Kept are the running ones, the best, and the last.
    """
    kept, left_out = _kept(trials, best, rows)
    caption = counts(trials, plan) + (f"; {left_out} not shown" if left_out else "")
    table = Table(title=f"sweep {plan.name}", caption=caption, title_justify="left", caption_justify="left")
    table.add_column("trial", justify="right")
    table.add_column("state", no_wrap=True)
    table.add_column(plan.metric, justify="right", no_wrap=True)
    for key in plan.space:
        table.add_column(key, overflow="fold")
    for trial in kept:
        is_best = best is not None and trial.number == best.number
        value = trial.value
        if value is None and trial.intermediate_values:
            value = trial.intermediate_values[max(trial.intermediate_values)]
        state = STATES[trial.state]
        if trial.state is TrialState.RUNNING:
            state = f"[cyan]{notes.get(trial.number, 'in another process')}[/cyan]"
        settings = (shown(trial.params[key]) if key in trial.params else "" for key in plan.space)
        number = f"{trial.number}{' ★' if is_best else ''}"
        table.add_row(
            number, state, value_shown(value, plan.metric), *settings, style="bold green" if is_best else None
        )
    return table


def _kept(
    trials: Sequence[FrozenTrial], best: FrozenTrial | None, rows: int | None
) -> tuple[list[FrozenTrial], int]:
    if rows is None or len(trials) <= rows:
        return list(trials), 0
    wanted = {trial.number for trial in trials if trial.state is TrialState.RUNNING}
    wanted |= {best.number} if best is not None else set()
    for trial in reversed(trials):
        if len(wanted) >= rows:
            break
        wanted.add(trial.number)
    return [trial for trial in trials if trial.number in wanted], len(trials) - len(wanted)
