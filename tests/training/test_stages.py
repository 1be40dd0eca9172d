"""Stages in real runs: what rests and what learns, how fast, when the next one begins, and resuming."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.training.fits import (
    MONITOR,
    Fit,
    run_in_process,
    toy_data,
    toy_model,
    toy_module,
    toy_pairs,
    toy_sources,
    toy_splits,
    toy_trainer,
)
from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.data.sources import CachedFeatures, Switchable
from xmr.evaluation.evaluator import STANDARD
from xmr.evaluation.plans import image_text_plan
from xmr.training.checkpoints import load_checkpoint
from xmr.training.evaluation import RetrievalEvaluation
from xmr.training.optimizers import sgd
from xmr.training.schedulers import Constant
from xmr.training.stages import Stage, Stages

FIRST = Stage(name="I", epochs=2, freeze=("image_encoder",))
SECOND = Stage(name="II", epochs=2, lr={"model.image_encoder.*": 0.01, "model.*": 0.5})
STEPS = 6  # an epoch


class Watch(pl.Callback):
    """Notes the image encoder's weights, the learning rates and the stage at each step."""

    def __init__(self) -> None:
        self.weights, self.rates, self.stages = [], [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.weights.append(module.model.image_encoder.layers[0].weight.detach().clone())
        groups = trainer.optimizers[0].param_groups
        self.rates.append({group["stage_lr"][-1]: group["lr"] for group in groups})
        self.stages.append(module.stages.current.name)


def fit(folder, *stages, data=None, **settings):
    """A run of the stages: what the watch saw, and the module."""
    torch.manual_seed(0)
    plan = Stages(stages, monitor=MONITOR, **settings)
    module = toy_module(stages=plan, optimizer=sgd(lr=0.1), scheduler=Constant())
    data, split = data or toy_data()
    watch = Watch()
    evaluation = RetrievalEvaluation(image_text_plan(split, STANDARD), prefix="val/toy")
    toy_trainer(folder, [evaluation, plan, watch], max_epochs=plan.epochs).fit(module, datamodule=data)
    return watch, module


def test_a_frozen_part_rests_until_its_stage_and_rates_are_those_of_the_stage(tmp_path):
    watch, _ = fit(tmp_path, FIRST, SECOND)
    assert watch.stages == ["I"] * 2 * STEPS + ["II"] * 2 * STEPS
    before, after = watch.weights[: 2 * STEPS + 1], watch.weights[2 * STEPS :]
    assert all(torch.equal(weight, before[0]) for weight in before)
    assert not any(torch.equal(a, b) for a, b in pairwise(after))
    # the loss's temperature matches no pattern
    assert watch.rates[0] == pytest.approx({1.0: 0.1, 0.5: 0.1, 0.01: 0.1})
    for rates in watch.rates[2 * STEPS :]:
        assert rates == pytest.approx({1.0: 0.1, 0.5: 0.05, 0.01: 0.001})


def test_the_schedule_runs_from_start_to_end_within_each_stage():
    class Line:
        def factor(self, step, total_steps):
            return 1 - step / total_steps

    plan = Stages([FIRST, SECOND, replace(SECOND, name="III", epochs=1)])
    factor = plan.rate((1.0, 0.5, 2.0), Line(), total_steps=30)
    expected = [1 - n / 12 for n in range(12)] + [0.5 * (1 - n / 12) for n in range(12)]
    assert [factor(step) for step in range(30)] == pytest.approx(
        expected + [2 * (1 - n / 6) for n in range(6)]
    )


def test_patience_ends_a_stage_and_the_last_one_the_run(tmp_path):
    """With nothing to gain from a learning rate near 0, each stage waits for its patience alone."""
    # batch norm would learn its statistics at any rate
    still = {
        "epochs": 50,
        "lr": {"model.*": 1e-30, "loss.*": 1e-30},
        "freeze": ("image_encoder", "text_encoder"),
    }
    first, second = Stage(name="I", patience=2, **still), Stage(name="II", patience=1, **still)
    watch, _ = fit(tmp_path, first, second)
    # the first evaluation is a new best, then 2 (1) without one
    assert watch.stages == ["I"] * 3 * STEPS + ["II"] * 2 * STEPS


def test_a_run_whose_last_stage_has_ended_does_not_go_on(tmp_path):
    def trained(ckpt_path=None):
        plan = Stages([FIRST, replace(SECOND, epochs=50, patience=1, lr={"model.*": 1e-30})], monitor=MONITOR)
        data, split = toy_data()
        watch = Watch()
        evaluation = RetrievalEvaluation(image_text_plan(split, STANDARD), prefix="val/toy")
        trainer = toy_trainer(tmp_path, [evaluation, plan, watch], max_epochs=plan.epochs)
        module = toy_module(stages=plan, optimizer=sgd(lr=0.1), scheduler=Constant())
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path)
        return trainer, watch

    torch.manual_seed(0)
    trainer, watch = trained()
    assert len(watch.stages) < 52 * STEPS
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    _, again = trained(ckpt_path=tmp_path / "end.ckpt")
    assert not again.stages


def test_features_of_an_encoder_that_thaws_come_from_the_cache_until_then(tmp_path):
    class Counted(CachedFeatures):
        asked = 0

        def fetch(self, positions):
            type(self).asked += 1
            return super().fetch(positions)

    image = Modality.IMAGE
    flag = torch.zeros(1).share_memory_()
    train_split, val_split = toy_splits()
    inputs = {split.name: toy_sources(split) for split in (train_split, val_split)}
    encoder = toy_model().image_encoder.eval()
    for sources in inputs.values():
        with torch.inference_mode():
            features = encoder(torch.from_numpy(sources[image].features)).numpy()
        sources[image] = Switchable(Counted(features), sources[image], flag)
    data, _ = toy_data()
    data.train = (train_split, toy_pairs(train_split, inputs["train"]))
    data.evaluation = list(inputs["val"].items())
    cached = [frozenset({image}), frozenset()]
    _, module = fit(tmp_path, FIRST, SECOND, data=(data, val_split), cached=cached, live={image: flag})
    assert Counted.asked == 2 * (STEPS + 1)  # the batches and the one evaluation batch of two epochs
    assert module.cached == frozenset()
    assert flag.item() == 1


@pytest.mark.parametrize("stop", [(0, 4), (1, 5), (2, 0), (3, 2)], ids=str)
def test_a_run_resumes_in_the_middle_of_any_stage(tmp_path, stop):
    plain = Fit(tmp_path / "plain", stages=(FIRST, SECOND))
    stopped = Fit(tmp_path / "stopped", stages=(FIRST, SECOND))
    for one in (plain, stopped):
        one.folder.mkdir()
    assert run_in_process(plain) == 0
    assert run_in_process(replace(stopped, signals={stop: 15})) == 143
    assert load_checkpoint(stopped.folder / "last.ckpt")["epoch"] < 4
    assert run_in_process(replace(stopped, resume=True)) == 0
    expected, found = (torch.load(one.folder / "final.pt") for one in (plain, stopped))
    for name, value in expected["weights"].items():
        assert torch.equal(found["weights"][name], value), name
    assert torch.equal(found["random"], expected["random"])
    rates = [[group["lr"] for group in state["optimizer"]["param_groups"]] for state in (expected, found)]
    assert rates[0] == rates[1]


def test_weights_of_the_loss_change_with_the_stage(tmp_path):
    class Weighted(torch.nn.Module):
        on = "embeddings"
        seen: list = []  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.weights = {}

        def set_weights(self, weights):
            self.weights = weights

        def forward(self, image, text, item_id):
            self.seen.append(self.weights["pull"])
            return -self.weights["pull"] * (image * text).sum()

        def diagnostics(self):
            return {}

    plan = Stages([replace(FIRST, loss={"pull": 1.0}), replace(SECOND, loss={"pull": 0.25}, lr={})])
    data, _ = toy_data()
    module = toy_module(stages=plan, loss=Weighted())
    toy_trainer(tmp_path, [plan], max_epochs=4, limit_val_batches=0).fit(module, datamodule=data)
    assert Weighted.seen == [1.0] * 2 * STEPS + [0.25] * 2 * STEPS


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ({"epochs": -1}, "stages.I.epochs=-1"),
        ({"epochs": 1, "patience": 0}, "stages.I.patience=0"),
        ({"epochs": 1, "lr": {"model.*": 0.0}}, "stages.I.lr['model.*']=0.0"),
    ],
)
def test_a_bad_stage_is_named(stage, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        Stage(name="I", **stage)


def test_a_pattern_that_matches_nothing_is_named():
    plan = Stages([Stage(name="I", epochs=1, lr={"model.imag_encoder.*": 0.1})])
    with pytest.raises(ConfigError, match=re.escape("stages.I.lr['model.imag_encoder.*']")):
        toy_module(stages=plan).build_optimizer()
    assert np.isfinite(plan.factors("model.image_head.0.weight")).all()
