"""Every file below conf/ works: found by looking, so that a new one is tested by being there."""

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from xmr.core.errors import MissingFilesError
from xmr.core.protocols import Encoder
from xmr.core.types import Modality
from xmr.data.dataset import RetrievalDataset
from xmr.data.samplers import PairBatches
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import compose_config

EMBEDDED = {"emoji", "shapes"}
# named by hub name, which no test may reach (HF_HUB_OFFLINE is set)
HUB_MODELS = {"bert_base", "bert_cls", "bert_pooler", "clip_vit_b32", "siglip_base"}
# encoders of files that are the user's own: the setting that names one
NEEDS_FILE = {"precomputed": "path", "fasttext_mean": "vectors", "fasttext_sum": "vectors"}


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def all_options() -> list[str]:
    files = sorted(CONF.rglob("*.yaml"))
    return [str(file.relative_to(CONF).with_suffix("")) for file in files if file.parent != CONF]


def composed(*overrides: str) -> DictConfig:
    register_resolvers()
    return compose_config(CONF, "train", overrides)


# sweeps are files of scripts/sweep.py, tested in tests/pipelines/sweep/test_file.py
NOT_OF_TRAIN = ("hydra/evaluate", "sweep/")


@pytest.mark.parametrize("option", [o for o in all_options() if not o.startswith(NOT_OF_TRAIN)])
def test_every_option_composes(option: str) -> None:
    group, _, name = option.rpartition("/")
    config = composed(f"{group}={name}")
    assert config.batch_size > 0


def test_every_entry_composes() -> None:
    for entry in CONF.glob("*.yaml"):
        register_resolvers()
        compose_config(CONF, entry.stem, [])


@pytest.mark.parametrize("name", options("data"))
def test_every_data_set_loads_or_says_what_is_missing(name: str, tmp_path: Path) -> None:
    missing = {"table": [f"data.path={tmp_path}/none.csv"], "image_folder": [f"data.root={tmp_path}/none"]}
    config = composed(f"data={name}", f"paths.data={tmp_path}", *missing.get(name, []))
    if name in EMBEDDED:
        dataset = instantiate(config.data)
        assert isinstance(dataset, RetrievalDataset)
        assert all(len(dataset.split(split).image_ids) for split in ("train", "val", "test"))
    else:
        with pytest.raises(MissingFilesError, match=str(tmp_path)):
            instantiate(config.data)


@pytest.mark.parametrize("group", ["index", "optimizer", "scheduler", "sampler", "miner", "loss"])
def test_every_component_instantiates(group: str) -> None:
    for name in options(group):
        assert instantiate(composed(f"{group}={name}")[group]) is not None


@pytest.mark.parametrize("name", options("callbacks"))
def test_every_callback_instantiates(name: str) -> None:
    for callback in composed(f"callbacks={name}").callbacks.values():
        assert instantiate(callback) is not None


@pytest.mark.parametrize("name", options("head"))
def test_every_head_maps_features_to_the_shared_space(name: str) -> None:
    config = composed(f"head={name}")
    for modality in config.head:
        head = instantiate(config.head[modality], in_dim=24, dim=24)
        assert head(torch.randn(3, 24)).shape == (3, 24)


@pytest.mark.parametrize("modality", [Modality.IMAGE, Modality.TEXT])
def test_every_encoder_is_one_or_says_what_to_download(modality: Modality) -> None:
    """Torchvision's are built without weights, as a test must not download; hub models say what to get."""
    for name in options(f"encoder/{modality}"):
        config = composed(f"encoder/{modality}={name}").encoder[modality]
        if "weights" in config:
            config.weights = None
        if name in NEEDS_FILE:
            config[NEEDS_FILE[name]] = "none.bin"
            with pytest.raises(MissingFilesError, match=r"none\.bin"):
                instantiate(config)
            continue
        if name in HUB_MODELS:
            with pytest.raises(MissingFilesError, match=config.name_or_path):
                instantiate(config)
            continue
        encoder = instantiate(config)
        assert isinstance(encoder, Encoder), name
        assert encoder.modality is modality, name
        assert encoder.dim > 0, name
        assert encoder.preprocessing, name


def test_training_order_is_that_of_the_seed() -> None:
    """What a run sees is a function of its seed: the promise behind every comparison of runs."""
    config = composed("data=shapes", "data.size=60")
    split = instantiate(config.data).split("train")
    sampler = instantiate(config.sampler)
    first, same, other = (
        [image.tolist() for image, _ in PairBatches(split, sampler, 8, seed)] for seed in (1, 1, 2)
    )
    assert first == same != other
