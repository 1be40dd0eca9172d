import pytest
import torch
from torch import nn

from xmr.core.errors import ConfigError
from xmr.training.optimizers import adamw, sgd


def parameters(*frozen: str) -> list[tuple[str, nn.Parameter]]:
    shapes = {
        "model.image_encoder.weight": (4, 3),
        "model.image_encoder.bias": (4,),
        "model.image_head.weight": (2, 4),
        "model.image_head.bias": (2,),
        "loss.log_scale": (),
    }
    return [(name, nn.Parameter(torch.ones(shape), name not in frozen)) for name, shape in shapes.items()]


def settings_by_name(optimizer: torch.optim.Optimizer, named: list[tuple[str, nn.Parameter]]) -> dict:
    """(lr, weight_decay) of each parameter that the optimizer holds."""
    names = {id(parameter): name for name, parameter in named}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_vectors_and_scalars_do_not_decay():
    named = parameters()
    optimizer = adamw(lr=0.1, weight_decay=0.5).build(named)
    assert settings_by_name(optimizer, named) == {
        "model.image_encoder.weight": (0.1, 0.5),
        "model.image_encoder.bias": (0.1, 0),
        "model.image_head.weight": (0.1, 0.5),
        "model.image_head.bias": (0.1, 0),
        "loss.log_scale": (0.1, 0),
    }


def test_the_first_matching_group_holds_and_fills_in_defaults():
    named = parameters()
    groups = {
        "*.bias": {"lr": 0.3},
        "model.image_encoder.*": {"lr": 0.01, "weight_decay": 0.2},
        "*log_scale": {"weight_decay": 9.0},
    }
    optimizer = sgd(lr=0.1, weight_decay=0.5, groups=groups).build(named)
    assert settings_by_name(optimizer, named) == {
        "model.image_encoder.weight": (0.01, 0.2),
        "model.image_encoder.bias": (0.3, 0),
        "model.image_head.weight": (0.1, 0.5),
        "model.image_head.bias": (0.3, 0),
        "loss.log_scale": (0.1, 0),
    }


def test_frozen_parameters_are_left_out():
    named = parameters("model.image_encoder.weight", "model.image_encoder.bias")
    held = settings_by_name(adamw(lr=0.1).build(named), named)
    assert set(held) == {"model.image_head.weight", "model.image_head.bias", "loss.log_scale"}


@pytest.mark.parametrize(
    ("optimizer", "options", "type_"),
    [
        (adamw(lr=0.1, betas=[0.8, 0.9]), {"betas": (0.8, 0.9)}, torch.optim.AdamW),
        (sgd(lr=0.1, momentum=0.7, nesterov=True), {"momentum": 0.7, "nesterov": True}, torch.optim.SGD),
    ],
    ids=["adamw", "sgd"],
)
def test_options_reach_the_optimizer(optimizer, options, type_):
    built = optimizer.build(parameters())
    assert type(built) is type_
    assert all(group[name] == value for group in built.param_groups for name, value in options.items())


def test_everything_frozen_is_an_error():
    with pytest.raises(ConfigError, match=r"no parameter learns.*model\.freeze"):
        adamw(lr=0.1).build(parameters(*(name for name, _ in parameters())))


@pytest.mark.parametrize(
    ("groups", "frozen"),
    [
        ({"model.image_encodr.*": {"lr": 0.01}}, ()),
        ({"image_encoder.*": {"lr": 0.01}}, ()),  # names begin with "model."
        ({"*": {"lr": 0.01}, "model.image_encodr.*": {"lr": 0.1}}, ()),
        ({"model.image_encoder.*": {"lr": 1.0}}, ("model.image_encoder.weight", "model.image_encoder.bias")),
    ],
    ids=["typo", "without its beginning", "behind a wider one", "frozen"],
)
def test_a_pattern_that_matches_nothing_is_an_error(groups, frozen):
    with pytest.raises(ConfigError, match=r"encod.*match no learning parameter"):
        adamw(lr=0.1, groups=groups).build(parameters(*frozen))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"lr": 0}, "lr=0,"),
        ({"lr": -1e-3}, r"lr=-0\.001,"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"lr": 0.1, "weight_decay": -0.1}, r"weight_decay=-0\.1 is below 0"),
        ({"lr": 0.1, "groups": {"*": {"lr": -1}}}, r"groups\['\*'\]\.lr=-1,"),
        ({"lr": 0.1, "groups": {"*": {"weight_decay": -1}}}, r"groups\['\*'\]\.weight_decay=-1 is below"),
        ({"lr": 0.1, "groups": {"*": 0.1}}, r"groups\['\*'\]=0\.1; write"),
    ],
)
def test_errors_name_the_setting(settings, named):
    with pytest.raises(ConfigError, match=named):
        adamw(**settings)


def test_a_misspelt_setting_of_a_group_is_an_error():
    """torch itself would keep it and never look at it."""
    with pytest.raises(ConfigError, match=r"groups\['\*'\] sets 'weightdecay'.*'weight_decay'"):
        adamw(lr=0.1, groups={"*": {"weightdecay": 0.1}}).build(parameters())
