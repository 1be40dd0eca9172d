"""RetrievalModule, its data and its evaluation in real runs of Lightning, on the CPU and in this process."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.training.fits import DIMS, MONITOR, toy_data, toy_module, toy_sources, toy_splits, toy_trainer
from xmr.core.errors import ConfigError, DataError, XmrError
from xmr.core.types import Modality
from xmr.data.sources import CachedFeatures
from xmr.evaluation.evaluator import STANDARD
from xmr.evaluation.plans import image_text_plan
from xmr.losses.miners import HardestNegative
from xmr.losses.siglip import SigLIP
from xmr.losses.triplet import TripletLoss
from xmr.training.checkpoints import BestAndLast, load_checkpoint
from xmr.training.csv_logger import CsvLogger
from xmr.training.evaluation import RetrievalEvaluation
from xmr.training.progress import RunProgress, Stopwatch

ENCODERS = ("image_encoder", "text_encoder")
CACHED = frozenset(DIMS)


def sides(evaluation):
    """The embeddings of images and of texts."""
    return evaluation.sides["image_to_text"]


def fit(folder, module, *, data=None, callbacks=(), **settings):
    """Train `module` and return its last evaluation."""
    torch.manual_seed(0)
    data, split = data or toy_data()
    evaluation = RetrievalEvaluation(image_text_plan(split, STANDARD), prefix="val/toy")
    trainer = toy_trainer(folder, [evaluation, *callbacks], **settings)
    trainer.fit(module, datamodule=data)
    return evaluation.latest


@pytest.mark.parametrize(
    "loss", [None, SigLIP(), TripletLoss(miner=HardestNegative())], ids=["info_nce", "siglip", "triplet"]
)
def test_learns_well_above_chance(tmp_path, loss):
    latest = fit(tmp_path, toy_module(**({} if loss is None else {"loss": loss})), max_epochs=15)
    for result in latest.results.values():
        assert result.metrics["recall@5"] > 0.7
        assert result.chance["recall@5"] < 0.3
    assert (latest.epoch, latest.step) == (14, 90)
    assert sides(latest)[0].ids.tolist() == [f"val{i}" for i in range(24)]
    torch.testing.assert_close(sides(latest)[1].vectors.norm(dim=1), torch.ones(48))


def test_frozen_encoders_stay_as_they_are_and_out_of_the_checkpoint(tmp_path):
    torch.manual_seed(0)
    module = toy_module(freeze=ENCODERS, cached=CACHED)
    before = {name: value.clone() for name, value in module.model.state_dict().items()}
    fit(tmp_path, module, callbacks=[BestAndLast(tmp_path, monitor=MONITOR)])
    changed = {n for n, value in module.model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {name for name in before if "_head." in name}
    saved = set(load_checkpoint(tmp_path / "last.ckpt")["state_dict"])
    assert saved == {f"model.{name}" for name in changed} | {"loss.log_scale"}


def test_cached_features_pass_by_the_encoders(tmp_path):
    """Features in the cache, or inputs through the frozen encoder: the same embeddings."""
    torch.manual_seed(0)
    live = toy_module(freeze=ENCODERS).eval()
    cached = toy_module(model=live.model, cached=CACHED)
    for modality, source in toy_sources(toy_splits()[1]).items():
        inputs = source.fetch(np.arange(24))
        features = live.model.encoder(modality)(inputs)
        assert torch.equal(cached.embed(modality, features), live.embed(modality, inputs))


def test_a_checkpoint_is_restored_whole(tmp_path):
    torch.manual_seed(0)
    module = toy_module(freeze=ENCODERS, provenance={"encoders": {"image": "aa", "text": "bb"}})
    fit(tmp_path, module, callbacks=[BestAndLast(tmp_path, monitor=MONITOR)])
    torch.manual_seed(0)
    fresh = toy_module(freeze=ENCODERS, provenance={"encoders": {"image": "aa", "text": "bb"}})
    fresh.restore(load_checkpoint(tmp_path / "last.ckpt"))
    for name, value in module.model.state_dict().items():
        assert torch.equal(fresh.model.state_dict()[name], value), name
    other = toy_module(freeze=ENCODERS, provenance={"encoders": {"image": "aa", "text": "cc"}})
    with pytest.raises(XmrError, match=r"frozen text encoder with fingerprint bb, .* has cc"):
        other.restore(load_checkpoint(tmp_path / "last.ckpt"))
    thawed = toy_module(provenance={})
    with pytest.raises(XmrError, match="frozen image encoder"):
        thawed.restore(load_checkpoint(tmp_path / "last.ckpt"))


def test_a_run_goes_on_with_its_own_data_alone(tmp_path):
    fit(tmp_path, toy_module(provenance={"data": "aa"}), callbacks=[BestAndLast(tmp_path, monitor=MONITOR)])
    trainer = toy_trainer(tmp_path, [], max_epochs=4)
    with pytest.raises(DataError, match=r"data has changed .*\(fingerprint aa, now bb\)"):
        trainer.fit(
            toy_module(provenance={"data": "bb"}),
            datamodule=toy_data()[0],
            ckpt_path=tmp_path / "last.ckpt",
            weights_only=True,
        )


def test_the_stopwatch_runs_on_over_sessions(tmp_path):
    watch = Stopwatch()
    started = time.monotonic()
    fit(tmp_path, toy_module(), callbacks=[watch])
    first = watch.seconds
    assert 0 < first < time.monotonic() - started
    resumed = Stopwatch()
    resumed.load_state_dict({"seconds": 100.0})
    fit(tmp_path, toy_module(), callbacks=[resumed])
    assert 100 < resumed.seconds < 100 + time.monotonic() - started
    assert watch.seconds == first  # stands still once training has ended


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tmp_path):
    train = toy_sources(toy_splits()[0])
    train[Modality.IMAGE] = CachedFeatures(np.full((48, 16), np.nan, np.float32))
    with pytest.raises(XmrError, match=r"the loss is nan at step 1; lower optimizer\.lr"):
        fit(tmp_path, toy_module(), data=toy_data(train))


def test_a_run_with_nothing_to_learn_is_refused(tmp_path):
    everything = (*ENCODERS, "image_head", "text_head")
    module = toy_module(freeze=everything, loss=TripletLoss(miner=HardestNegative()))
    with pytest.raises(ConfigError, match="no parameter learns"):
        fit(tmp_path, module)


def test_rows_of_metrics_say_step_and_epoch_counted_from_one(tmp_path):
    logger = CsvLogger(tmp_path / "metrics.csv")
    fit(tmp_path, toy_module(log_every_n_steps=4), logger=logger, max_epochs=2)
    header, *rows = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    assert [row[:2] for row in rows] == [
        ["1", "1.0"],
        ["5", "1.0"],
        ["6", "1.0"],  # the evaluation after the first epoch
        ["7", "2.0"],
        ["11", "2.0"],
        ["12", "2.0"],
    ]
    assert {"train/loss", "train/lr", "train/temperature", "val/toy/mean_recall"} < set(header)
    recall = header.index("val/toy/text_to_image/recall@1")
    assert [bool(row[recall]) for row in rows] == [False, False, True] * 2


def test_mixed_precision_trains_with_a_loss_in_full_precision(tmp_path):
    class Watched(SigLIP):
        dtypes: set[torch.dtype] = set()  # noqa: RUF012

        def forward(self, image, text, item_id):
            loss = super().forward(image, text, item_id)
            self.dtypes |= {image.dtype, (image @ text.T).dtype, loss.dtype}
            return loss

    loss = Watched()
    latest = fit(tmp_path, toy_module(loss=loss), precision="bf16-mixed")
    assert loss.dtypes == {torch.float32}
    torch.testing.assert_close(sides(latest)[0].vectors.norm(dim=1), torch.ones(24))


def test_a_split_smaller_than_a_batch_trains(tmp_path):
    data, split = toy_data()
    data.batch_size = 1000
    latest = fit(tmp_path, toy_module(), data=(data, split), max_epochs=2)
    assert latest.step == 2


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_with_and_without_a_terminal(tmp_path, terminal):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=150)
    progress = RunProgress(monitor=MONITOR, console=console)
    latest = fit(tmp_path, toy_module(), callbacks=[progress])
    recall = np.mean([r.metrics[f"recall@{k}"] for r in latest.results.values() for k in (1, 5, 10)])
    assert "epoch 3/3" in file.getvalue()
    assert "18/18" in file.getvalue()
    assert f"{100 * recall:.1f} %" in file.getvalue()


def test_progress_is_closed_when_the_run_fails(tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True)
    train = toy_sources(toy_splits()[0])
    train[Modality.IMAGE].features[:] = np.nan
    for _ in range(2):  # a bar that is left open would refuse the second one
        with pytest.raises(XmrError):
            fit(
                tmp_path,
                toy_module(),
                data=toy_data(train),
                callbacks=[RunProgress(monitor=MONITOR, console=console)],
            )


def test_evaluation_is_of_the_split_it_was_given(tmp_path):
    """Ids come from the split: the callback matches by position, whatever the batches were."""
    data, split = toy_data(eval_batch_size=7)
    named = replace(split, image_ids=np.array([f"picture {i}" for i in range(24)]))
    latest = fit(tmp_path, toy_module(), data=(data, named), max_epochs=1)
    assert sides(latest)[0].ids.tolist() == [f"picture {i}" for i in range(24)]
    assert sides(latest)[0].item_ids.tolist() == split.image_item_ids.tolist()
