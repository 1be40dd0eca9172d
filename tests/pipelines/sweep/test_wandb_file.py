"""A sweep written for W&B means there what it means here."""

from pathlib import Path

import pytest
import yaml

from tests.pipelines.running import script_here
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.overrides import check_overrides
from xmr.pipelines.sweep.file import read_plan, sweep_names
from xmr.pipelines.sweep.wandb_file import wandb_sweep

# https://docs.wandb.ai/models/sweeps/sweep-config-keys
KEYS = {
    *(
        "program",
        "entity",
        "project",
        "description",
        "name",
        "method",
        "metric",
        "parameters",
        "early_terminate",
    ),
    *("command", "run_cap"),
}
DISTRIBUTIONS = {
    *("constant", "categorical", "int_uniform", "uniform", "q_uniform", "log_uniform_values"),
    *("q_log_uniform_values", "normal", "log_normal"),
}


@pytest.mark.parametrize("name", sweep_names())
def test_every_sweep_has_the_fields_that_wandb_documents(name: str) -> None:
    register_resolvers()
    plan = read_plan([f"sweep={name}"])
    content = wandb_sweep(plan, "emoji")
    assert set(content) <= KEYS
    assert {"program", "method", "metric", "parameters", "command"} <= set(content)
    assert content["method"] in ("grid", "random", "bayes")
    assert (CONF.parent / content["program"]).is_file()
    assert content["metric"] == {"name": f"val/emoji/{plan.metric}", "goal": plan.direction}
    for parameter in content["parameters"].values():
        if "values" in parameter:
            assert set(parameter) == {"values"}
            continue
        assert content["method"] != "grid"
        assert parameter["distribution"] in DISTRIBUTIONS
        assert parameter["min"] < parameter["max"]
        assert ("q" in parameter) == parameter["distribution"].startswith("q_") or "log" in parameter[
            "distribution"
        ]
    if "early_terminate" in content:
        assert content["early_terminate"]["type"] == "hyperband"
        assert content["early_terminate"]["min_iter"] >= 1


def test_what_an_agent_starts_is_a_run_of_the_sweep(tmp_path: Path) -> None:
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    file = tmp_path / "mine.yaml"
    file.write_text(
        "sampler: random\nn_trials: 3\noverrides: [experiment=shapes]\n"
        "space:\n  loss: [info_nce, siglip]\n  head.text.dropout: {low: 0.0, high: 0.5}\n  stages: [null]\n"
        "  optimizer.nesterov: [true, false]\n  model.freeze: [[], [text_encoder]]\n  optimizer: [sgd]\n"
    )
    outcome = script_here("scripts/sweep.py", f"sweep={file}", "--to-wandb", "out.yaml", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    assert "wandb sweep --project xmr out.yaml" in outcome.stdout
    assert "wandb agent" in outcome.stdout
    content = yaml.safe_load((tmp_path / "out.yaml").read_text())
    assert content["metric"]["name"] == "val/shapes/mean_recall"
    assert not (tmp_path / "runs").exists()
    # an agent fills the command in with the values that it was sent
    chosen = {
        key: of["values"][-1] if "values" in of else of["max"] for key, of in content["parameters"].items()
    }
    words = utils.create_sweep_command_args({"args": {key: {"value": v} for key, v in chosen.items()}})
    command = utils.create_sweep_command(content["command"])
    assert command[:3] == ["${env}", "${interpreter}", "${program}"]
    assert command[-1] == "${args_no_hyphens}"
    config = check_overrides(CONF, "train", [*command[3:-1], *words["args_no_hyphens"]])
    assert "SigLIP" in config.loss._target_
    assert config.head.text.dropout == 0.5
    assert config.stages is None
    assert config.optimizer.nesterov is False
    assert config.model.freeze == ["text_encoder"]
    assert config.name == "mine"


def test_a_sweep_over_data_sets_has_no_metric_in_common_there(tmp_path: Path) -> None:
    outcome = script_here(
        "scripts/sweep.py", "sweep=emoji_losses", "space.data=[emoji,shapes]", "--to-wandb", cwd=tmp_path
    )
    assert outcome.code == 1
    assert "leave data out" in outcome.stderr
    assert not list(tmp_path.iterdir())
