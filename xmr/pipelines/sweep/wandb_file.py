"""A sweep as a file for `wandb sweep`: its agents start train.py with the settings that W&B chooses."""

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from xmr.core.errors import ConfigError
from xmr.core.files import write_text
from xmr.data.dataset import RetrievalDataset
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.sweep.plan import SweepPlan

# W&B has one method that learns from the runs so far, and one way to stop runs early
METHODS = {"grid": "grid", "random": "random", "tpe": "bayes", "cmaes": "bayes"}


def wandb_sweep(plan: SweepPlan, dataset: str) -> dict[str, Any]:
    """What the sweep file says: https://docs.wandb.ai/models/sweeps/sweep-config-keys.

    `dataset` is the name of the data set, which the names of logged metrics hold.
    """
    goal = plan.direction
    content: dict[str, Any] = {
        "name": plan.name,
        "project": plan.config.logger.wandb.get("project", "xmr"),
        "program": "train.py",
        "method": METHODS[plan.sampler.name],
        "metric": {"name": f"val/{dataset}/{plan.metric}", "goal": goal},
        "run_cap": plan.n_trials,
        "parameters": {key: parameter.wandb() for key, parameter in plan.space.items()},
    }
    options = plan.pruner.options
    if plan.pruner.name == "median":
        content["early_terminate"] = {"type": "hyperband", "min_iter": max(1, options["warmup_epochs"])}
    if plan.pruner.name == "successive_halving":
        content["early_terminate"] = {
            "type": "hyperband",
            "min_iter": options["min_epochs"],
            "eta": options["reduction_factor"],
        }
    own = [f"name={plan.name}", f"evaluation.monitor={plan.metric}"]
    command = ["${env}", "${interpreter}", "${program}", *plan.overrides, *own, "${args_no_hyphens}"]
    return {**content, "command": command}


def write_wandb_sweep(plan: SweepPlan, file: Path) -> None:
    """Write the sweep to `file`, or for `Path()` into the folder of the sweep, and say how to start it.

    Loads the data set, for its name; raises `XmrError` when it is not there.
    """
    if "data" in {key.split(".")[0] for key in plan.space}:
        raise ConfigError("W&B's sweeps compare by one metric, whose name holds the data set; leave data out")
    dataset: RetrievalDataset = instantiate(plan.config.data)
    file = plan.folder / "wandb.yaml" if file == Path() else file
    content = wandb_sweep(plan, dataset.name)
    project = content["project"]
    header = f"# from sweep={plan.name}; start it with: wandb sweep {file}\n"
    write_text(file, header + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    say(f"sweep   {file}: {content['method']}, {plan.n_trials} runs, {content['metric']['name']}")
    if plan.sampler.name == "cmaes":
        say("note    W&B has no CMA-ES: its own method bayes stands in")
    if plan.pruner.name != "none":
        say("note    W&B stops runs early by hyperband alone; it counts the values logged of the metric")
    say(f"start   wandb sweep --project {project} {shlex.quote(str(file))}")
    say(f"agent   wandb agent ENTITY/{project}/SWEEP_ID      here, in the folder of train.py, on any machine")
