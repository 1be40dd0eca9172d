"""Config to objects: only from known packages, and a component's own complaint reaches the user as it is."""

import sys

import pytest
from omegaconf import OmegaConf

from xmr.core.errors import ConfigError
from xmr.losses.triplet import TripletLoss
from xmr.pipelines.instantiate import instantiate


def test_nested_components_are_built() -> None:
    config = {
        "_target_": "xmr.losses.triplet.TripletLoss",
        "miner": {"_target_": "xmr.losses.miners.RandomNegative"},
    }
    loss = instantiate(OmegaConf.create(config), margin=0.5)
    assert isinstance(loss, TripletLoss)
    assert loss.margin == 0.5


@pytest.mark.parametrize("target", ["os.system", "subprocess.run", "builtins.eval", "xmrx.evil", 3])
@pytest.mark.parametrize("nested", [False, True])
def test_other_packages_are_refused_before_anything_is_imported(target: object, nested: bool) -> None:
    config = {"_target_": target}
    before = set(sys.modules)
    with pytest.raises(ConfigError, match="outside the packages"):
        instantiate(
            OmegaConf.create({"_target_": "xmr.no_such_module.X", "inner": [config]} if nested else config)
        )
    assert "xmr.no_such_module" not in set(sys.modules) - before


def test_a_components_own_error_is_what_is_raised() -> None:
    with pytest.raises(ConfigError, match=r"^temperature=-1"):
        instantiate(OmegaConf.create({"_target_": "xmr.losses.info_nce.InfoNCE", "temperature": -1}))


def test_an_unknown_argument_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="temprature"):
        instantiate(OmegaConf.create({"_target_": "xmr.losses.info_nce.InfoNCE", "temprature": 1}))
