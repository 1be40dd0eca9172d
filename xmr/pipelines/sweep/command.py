"""What scripts/sweep.py asks for: checked first, then the sweep is run, or written for W&B."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from xmr.core.errors import ConfigError, check_whole, did_you_mean
from xmr.pipelines.cli import register_resolvers
from xmr.pipelines.ray_cluster import check_ray
from xmr.pipelines.sweep.file import HOW, read_plan
from xmr.pipelines.sweep.plan import SweepPlan

ENGINES = ("local", "ray")


def sweep(settings: Sequence[str], *, retry_failed: bool = False, to_wandb: Path | None = None) -> None:
    """Run the sweep that `settings` (key=value) describe, or write it as the W&B sweep file `to_wandb`.

    `workers=N` runs that many trials at a time, `engine=ray` as tasks of Ray; the others are those of
    `read_plan`. Raises `ConfigError` for what can't work, before anything is run or written.
    """
    register_resolvers()
    how = dict(zip(HOW, ("1", "local"), strict=True))
    words = []
    for word in settings:
        key, equals, value = word.partition("=")
        if equals and key in how:
            how[key] = value
        else:
            words.append(word)
    if not how["workers"].isdecimal():
        raise ConfigError(f"workers={how['workers']}, but it must be a whole number of at least 1")
    check_whole(1, workers=int(how["workers"]))
    if how["engine"] not in ENGINES:
        raise ConfigError(f"engine={how['engine']}; {did_you_mean(how['engine'], ENGINES)}")
    plan = read_plan(words)
    if to_wandb is not None:
        from xmr.pipelines.sweep.wandb_file import write_wandb_sweep

        write_wandb_sweep(plan, to_wandb)
        return
    _check_installed(plan, how["engine"])
    from xmr.pipelines.sweep.loop import run_sweep

    run_sweep(plan, workers=int(how["workers"]), engine=how["engine"], retry_failed=retry_failed)


def _check_installed(plan: SweepPlan, engine: str) -> None:
    if engine == "ray":
        check_ray("engine=ray")
    needs = [("optuna", "Optuna", "sweep")]
    needs += [("cmaes", "cmaes, which sampler=cmaes needs,", "sweep")] if plan.sampler.name == "cmaes" else []
    for module, what, extra in needs:
        if find_spec(module) is None:
            raise ConfigError(f"{what} is not installed; run: pip install -e '.[{extra}]'")
