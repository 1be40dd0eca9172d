"""A sweep's file and command line become runs of train.py, or one clear error before the first of them."""

import math
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from xmr.core.errors import ConfigError, XmrError
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.overrides import check_overrides
from xmr.pipelines.sweep.file import read_plan, sweep_names
from xmr.pipelines.sweep.metric import epoch_values
from xmr.pipelines.sweep.space import Choices, Range, grid_of, hydra_text, parse_space


@pytest.fixture(autouse=True)
def _resolvers() -> None:
    register_resolvers()


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs", "Cc"])),
        st.sampled_from(
            ["null", "True", "1e-3", "it's", "a\\", "a\\'b", "a,b", "[x]", "${seed}", " a ", "nan", "A²"]
        ),
        st.lists(st.one_of(st.integers(), st.sampled_from(["image_encoder", "a b"])), max_size=3),
    )
)
def test_any_value_arrives_at_hydra_as_it_was(value: object) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"key={hydra_text(value)}"])
    arrived = override.value()
    plain = (
        [getattr(v, "text", v) for v in arrived]
        if isinstance(arrived, list)
        else getattr(arrived, "text", arrived)
    )
    assert plain == value
    assert type(plain) is type(value)


def test_a_grid_has_every_combination_once_and_steps_reach_the_end() -> None:
    space = parse_space({"loss": ["a", "b"], "lr": {"low": 0.1, "high": 0.3, "step": 0.1}, "n": [1]}, "")
    grid = grid_of(space, "")
    assert [(point["loss"], point["lr"]) for point in grid] == [
        ("a", 0.1), ("a", 0.2), ("a", 0.3), ("b", 0.1), ("b", 0.2), ("b", 0.3)
    ]  # fmt: skip
    assert Range(1, 9, step=4).values() == (1, 5, 9)
    assert Range(1, 8, step=4).values() == (1, 5)
    with pytest.raises(ConfigError, match=r"space\.lr is a range; give it a step"):
        grid_of({"lr": Range(0.1, 0.3)}, "")


@pytest.mark.parametrize("plus", ["", "+"])
def test_the_command_line_adds_to_the_space(plus: str) -> None:
    plan = read_plan(["sweep=emoji_losses", f"{plus}space.head=[linear,mlp]"])
    assert set(plan.space) == {"loss", "seed", "head"}
    assert len(plan.grid) == 4 * 3 * 2


def test_ranges_of_whole_numbers_stay_whole() -> None:
    pytest.importorskip("optuna")
    space = parse_space({"n": {"low": 1, "high": 1024, "log": True}, "lr": {"low": 1, "high": 2.5}}, "")
    whole, real = (of.distribution() for of in space.values())
    assert type(whole).__name__ == "IntDistribution"
    assert whole.log
    assert type(real).__name__ == "FloatDistribution"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a sweep"),
        (["sweep=emoji_loss"], "did you mean 'emoji_losses'"),
        (["sweep=none.yaml"], "no such file"),
        (["emoji_losses"], "key=value"),
        (["n_trial=3"], "did you mean 'n_trials'"),
        (["worker=3"], "did you mean 'workers'"),
        (["sampler=one_text"], "space.sampler=[one_text]"),
        (["n_trials=0"], "n_trials=0"),
        (["n_trials=two"], "n_trials=two"),
        (["n_trials=13"], "the 12 combinations"),
        (["sampler=tpee"], "did you mean 'tpe'"),
        (["sampler=tpe"], "n_trials=30"),
        (["sampler={name: tpe, startup: 3}"], "did you mean 'startup_trials'"),
        (["sampler=cmaes", "n_trials=3"], "space.loss is a list"),
        (["pruner={name: median, warmup_epochs: -1}"], "warmup_epochs=-1"),
        (["pruner={name: successive_halving, reduction_factor: 1}"], "reduction_factor=1"),
        (["direction=up"], "direction=up"),
        (["direction=minimize"], "a higher mean_recall is better"),
        (["metric=mean_recal"], "did you mean 'mean_recall'"),
        (["metric=text_to_image/recall@7"], "did you mean 'text_to_image/recall@5'"),
        (["space.loss=[info_nce,siglipp]"], "did you mean 'siglip'"),
        (["space.los=[info_nce]"], "did you mean 'loss'"),
        (["space.loss=siglip"], "one value"),
        (["space.loss=[siglip,siglip]"], "each once"),
        (["space.seed={low: 3, high: 1}"], "low=3 is not below high=1"),
        (["space.seed={low: 0, high: 9, log: true}"], "low > 0"),
        (["space.seed={low: 0, high: 9, step: 0}"], "step=0"),
        (["space.seed={lo: 0, high: 9}"], "did you mean 'low'"),
        (["space.seed={low: a, high: 9}"], "must be numbers"),
        (["space.loss.temperature=[0.1,0.2]"], "with loss="),
        (["loss=siglip"], "use space.loss"),
        (["head=linear,mlp"], "use space.head=[linear,mlp]"),
        (["optimizr.lr=1"], "did you mean 'optimizer.lr'"),
        (["head=linar"], "did you mean 'linear'"),
        (["evaluation.monitor=mrr"], "the sweep itself sets"),
        (["name=a/b"], "names a folder"),
    ],
)
def test_mistakes_are_told_with_a_remedy(words: list[str], said: str) -> None:
    named = not words or any(word.startswith("sweep=") for word in words) or "=" not in words[0]
    with pytest.raises(XmrError) as caught:
        read_plan(words if named else ["sweep=emoji_losses", *words])
    assert said in str(caught.value)


@pytest.mark.parametrize("content", ["- a list", "space: [", "spaces: {seed: [1]}", "overrides: data=shapes"])
def test_a_file_that_is_no_sweep_is_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match="mine"):
        read_plan([f"sweep={file}"])


def test_the_words_of_a_run_are_what_train_takes(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "metric: text_to_image/median_rank\nsampler: random\nn_trials: 2\n"
        "overrides: [data=shapes, batch_size=6]\n"
        "space:\n  head: [linear, mlp]\n  optimizer.lr: {low: 1e-5, high: 1e-3, log: true}\n"
        "  model.freeze: [[], [text_encoder]]\n"
    )
    plan = read_plan([f"sweep={file}", "batch_size=8", "seed=3"])
    assert plan.direction == "minimize"
    assert plan.folder == Path("runs/sweeps/mine")
    params = {"head": "mlp", "optimizer.lr": 2e-5, "model.freeze": plan.space["model.freeze"].labels[1]}
    config = check_overrides(CONF, "train", plan.words(params, tmp_path / "it's, a folder"))
    assert "MLP" in config.head.image._target_
    assert config.optimizer.lr == 2e-5
    assert config.model.freeze == ["text_encoder"]
    assert (config.batch_size, config.seed) == (8, 3)
    assert config.name == config.logger.wandb.group == "mine"
    assert config.logger.wandb.name.startswith("head=mlp optimizer.lr=2e-05")
    assert config.evaluation.monitor == "text_to_image/median_rank"


def test_a_group_that_is_set_is_kept() -> None:
    plan = read_plan(["sweep=emoji_losses", "logger.wandb.group=mine", "name=other"])
    words = plan.words({"loss": "siglip", "seed": 1}, Path("x"))
    assert "logger.wandb.group=mine" in words
    assert not any(word.startswith("logger.wandb.group=other") for word in words)
    assert plan.folder.name == "other"


def test_what_has_changed_since_a_study_was_begun_is_told() -> None:
    plan = read_plan(["sweep=emoji_losses", "space.seed=[0,1]"])
    plan.check_same(read_plan(["sweep=emoji_losses", "space.seed=[0,1]", "n_trials=3"]).fixed())
    with pytest.raises(ConfigError, match=r"space\.seed: \[0, 1, 2\], now \[0, 1\].*name=ANOTHER"):
        plan.check_same(read_plan(["sweep=emoji_losses"]).fixed())


@pytest.mark.parametrize("name", sweep_names())
def test_every_sweep_of_conf_can_be_run(name: str) -> None:
    plan = read_plan([f"sweep={name}"])
    assert plan.n_trials > 0
    assert not any(isinstance(of, Choices) and len(of.values) < 2 for of in plan.space.values())
    assert f"sweep={name}" in (CONF / "sweep" / f"{name}.yaml").read_text(), "its comment shows the command"


def test_values_by_epoch_are_those_of_whole_rows_after_training_has_begun(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    assert epoch_values(file, "mean_recall") == {}
    header = "step,epoch,val/my.data/mean_recall,val/my.data/text_to_image/recall@1,train/loss\n"
    file.write_text(header + "0,0.0,0.1,0.2,\n4,1.0,0.5,0.6,\n5,2.0,,,1.5\n8,2.0,0.7,0.8,\n12,3.0,0.9")
    assert epoch_values(file, "mean_recall") == {1: 0.5, 2: 0.7}
    assert epoch_values(file, "text_to_image/recall@1") == {1: 0.6, 2: 0.8}
    assert epoch_values(file, "recall@1") == {}
    file.write_text(header + "4,1.0,0.5,0.6,\n8,2.0,damaged,0.8,\n12,,0.7,0.8,\n13,3.0\n")
    assert epoch_values(file, "mean_recall") == {1: 0.5}
    file.write_text("step,val/my.data/mean_recall\n4,0.5\n")
    assert epoch_values(file, "mean_recall") == {}
    file.write_text(header + "4,1.0,nan,0.6,\n")
    assert math.isnan(epoch_values(file, "mean_recall")[1])
