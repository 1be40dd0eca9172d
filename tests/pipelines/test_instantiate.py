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


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.run", "builtins.eval", "xmrx.evil", "xmr.core.files.write_text", 3]
)
@pytest.mark.parametrize("nested", [False, True])
def test_other_packages_are_refused_before_anything_is_imported(target: object, nested: bool) -> None:
    config = {"_target_": target}
    before = set(sys.modules)
    with pytest.raises(ConfigError, match="outside what a config may call"):
        instantiate(
            OmegaConf.create({"_target_": "xmr.no_such_module.X", "inner": [config]} if nested else config)
        )
    assert "xmr.no_such_module" not in set(sys.modules) - before


@pytest.mark.parametrize(
    "target",
    [
        "xmr.data.scenes.Path.unlink",
        "xmr.index.checked_files.os.system",
        "xmr.training.checkpoints.torch.hub.load",
        "torch.hub.load",
        "torch.os.system",
        "torch.load",
    ],
)
def test_what_is_only_reached_through_a_package_is_refused(target: str) -> None:
    with pytest.raises(ConfigError, match="outside what a config may call"):
        instantiate(OmegaConf.create({"_target_": target}))


def test_a_librarys_class_is_built() -> None:
    stop = {"_target_": "pytorch_lightning.callbacks.EarlyStopping", "monitor": "loss", "patience": 3}
    assert instantiate(OmegaConf.create(stop)).patience == 3


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(Exception, match=r"no_such"):
        instantiate(OmegaConf.create({"_target_": "xmr.losses.no_such.Loss"}))


def test_a_components_own_error_is_what_is_raised() -> None:
    with pytest.raises(ConfigError, match=r"^temperature=-1"):
        instantiate(OmegaConf.create({"_target_": "xmr.losses.info_nce.InfoNCE", "temperature": -1}))


def test_an_unknown_argument_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="temprature"):
        instantiate(OmegaConf.create({"_target_": "xmr.losses.info_nce.InfoNCE", "temprature": 1}))
