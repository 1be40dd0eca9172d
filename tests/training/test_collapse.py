"""The collapse sentinel fires on every induced collapse within 200 steps, and on no healthy run."""

import logging
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from xmr.core.errors import ConfigError, XmrError
from xmr.data.sources import PairBatch
from xmr.losses.info_nce import InfoNCE
from xmr.losses.miners import HardestNegative
from xmr.losses.siglip import SigLIP
from xmr.losses.triplet import TripletLoss
from xmr.training.collapse import CollapseSentinel

ITEMS, LATENT, DIM = 256, 8, 16
SEEDS = range(20)
IMAGE, TEXT = 24, 20


def features(seed):
    """Image (ITEMS, IMAGE) and text features that are noisy linear functions of what is hidden in an item."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(ITEMS, LATENT, generator=generator)
    maps = [torch.randn(LATENT, dim, generator=generator) for dim in (IMAGE, TEXT)]
    return [hidden @ m + 0.3 * torch.randn(ITEMS, m.shape[1], generator=generator) for m in maps]


def linear(dim):
    return nn.Linear(dim, DIM)


def deep(dim):
    """Five layers without normalisation: narrow at the beginning, and easily driven to one point."""
    layers = [nn.Linear(dim, 48), *(nn.Linear(48, 48) for _ in range(3))]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())), nn.Linear(48, DIM))


def dead(dim):
    """Linear and ReLU whose units give zero for every input, and never learn."""
    head = nn.Sequential(nn.Linear(dim, DIM), nn.ReLU())
    nn.init.constant_(head[0].bias, -1e3)
    return head


def shrunk(dim):
    """Outputs that differ in direction but have shrunk to nothing, as a triplet's on raw distances may."""
    return nn.Sequential(nn.Linear(dim, DIM), Scaled(1e-6))


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def hardest():
    return TripletLoss(miner=HardestNegative())


def on_raw(loss):
    """The loss on what the heads give, not scaled to unit norm."""
    loss.raw = True
    return loss


class Run:
    """Training of a tiny dual encoder, without Lightning, that the sentinel looks at after each step."""

    def __init__(self, seed, *, loss, head=linear, lr=3e-3, batch=32, pair=None, sentinel=None):
        torch.manual_seed(seed)
        self.features = pair or features(seed)
        self.heads, self.loss, self.batch = (head(IMAGE), head(TEXT)), loss, batch
        parameters = [*self.heads[0].parameters(), *self.heads[1].parameters(), *loss.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=lr, fused=True)
        self.sentinel = sentinel or CollapseSentinel(stop=True)

    def steps(self, count=200, ids=None):
        """Train; the step at which the sentinel stopped it, None when it did not."""
        for step in range(1, count + 1):
            rows = torch.randperm(ITEMS)[: self.batch] if ids is None else ids(step)
            outputs = [head(values[rows]) for head, values in zip(self.heads, self.features, strict=True)]
            unit = [normalize(output, dim=1) for output in outputs]
            loss = self.loss(*(outputs if hasattr(self.loss, "raw") else unit), rows)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            module = SimpleNamespace(loss=self.loss, last_batch=tuple(side.detach() for side in unit))
            try:
                self.sentinel.on_train_batch_end(
                    trainer_at(step, self.optimizer),
                    module,
                    {"loss": loss.detach()},
                    PairBatch(None, None, rows),
                    step,
                )
            except XmrError as error:
                self.message = str(error)
                return step
        return None


def trainer_at(step, optimizer):
    return SimpleNamespace(
        global_step=step,
        accumulate_grad_batches=1,
        world_size=1,
        global_rank=0,
        is_global_zero=True,
        optimizers=[optimizer],
    )


COLLAPSES = {
    "hardest-negatives-and-a-high-rate": {"loss": hardest, "head": deep, "lr": 0.1},
    "dead-units": {"loss": InfoNCE, "head": dead},
    "constant-image-features": {"loss": InfoNCE, "constant": True},
    "constant-features-siglip": {"loss": SigLIP, "constant": True},
    "outputs-shrunk-to-nothing": {"loss": lambda: on_raw(hardest()), "head": shrunk},
}

ON_ALL_SEEDS = ("hardest-negatives-and-a-high-rate", "constant-image-features")
"""Of 20 seeds each; 4 do for the rest, which depend on them little."""


def constant(seed):
    """The pair of features of which the images all give the same, as of an input bug."""
    image, text = features(seed)
    return [image[:1].expand(ITEMS, -1), text]


@pytest.mark.parametrize("name", COLLAPSES)
def test_it_fires_on_an_induced_collapse_within_200_steps(name):
    settings = dict(COLLAPSES[name])
    loss, is_constant = settings.pop("loss"), settings.pop("constant", False)
    stopped = [
        Run(seed, loss=loss(), pair=constant(seed) if is_constant else None, **settings).steps()
        for seed in (SEEDS if name in ON_ALL_SEEDS else SEEDS[:4])
    ]
    assert all(step is not None and step <= 200 for step in stopped), stopped


HEALTHY = {
    "info_nce": {"loss": InfoNCE},
    "triplet-hardest": {"loss": hardest},
    "siglip": {"loss": SigLIP},
    "deep-and-narrow-at-first": {"loss": InfoNCE, "head": deep, "lr": 3e-4},
    "small-batches": {"loss": hardest, "batch": 3},
    "batches-of-two": {"loss": InfoNCE, "batch": 2},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_it_is_silent_on_healthy_runs(name):
    """With half the default window, which makes it quicker to fire, for half the steps."""
    settings = dict(HEALTHY[name])
    loss = settings.pop("loss")
    seeds = SEEDS if name in ("info_nce", "triplet-hardest", "siglip") else SEEDS[:3]
    runs = [
        Run(seed, loss=loss(), sentinel=CollapseSentinel(window=50, stop=True), **settings) for seed in seeds
    ]
    assert [run.steps(100) for run in runs] == [None] * len(seeds)


@pytest.mark.parametrize("loss", [InfoNCE, SigLIP])
def test_random_pairs_learn_nothing_but_do_not_collapse(loss):
    image, text = features(0)
    assert Run(0, loss=loss(), pair=[image, text[torch.randperm(ITEMS)]]).steps() is None


def test_a_batch_of_one_item_tells_nothing():
    """Its vectors may all be equal: copies of one item, or one class that a good model pulls together."""
    run = Run(0, loss=InfoNCE(), batch=8)
    assert run.steps(ids=lambda step: torch.full((8,), step % ITEMS)) is None


def test_copies_of_few_items_are_no_collapse():
    run = Run(0, loss=InfoNCE())
    assert run.steps(ids=lambda step: torch.randperm(ITEMS)[:3].repeat_interleave(10)) is None


class Shown:
    """A sentinel that is shown made-up steps."""

    def __init__(self, loss=None, **settings):
        self.sentinel = CollapseSentinel(**settings)
        self.loss = loss or SimpleNamespace(collapsed_value=lambda size: 0.2)
        self.optimizer = SimpleNamespace(param_groups=[{"lr": 0.01, "initial_lr": 0.5}])
        self.step = 0

    def show(self, distance, *, loss=0.2, steps=1, world_size=1, accumulate=1):
        """`steps` steps with embeddings at about `distance` of each other; whether it has warned."""
        generator = torch.Generator().manual_seed(0)
        for _ in range(steps):
            self.step += 1
            vectors = torch.zeros(16, 8).index_fill(1, torch.tensor([0]), 1.0)
            vectors = normalize(
                vectors + distance**0.5 * torch.randn(16, 8, generator=generator) / 8**0.5, dim=1
            )
            trainer = trainer_at(self.step, self.optimizer)
            trainer.world_size, trainer.accumulate_grad_batches = world_size, accumulate
            if world_size > 1:  # this is the second process; of the first it takes nothing
                trainer.global_rank = 1
                trainer.strategy = SimpleNamespace(reduce_boolean_decision=lambda found, all: found)
                vectors = torch.cat([torch.full_like(vectors, torch.nan), vectors])
            module = SimpleNamespace(loss=self.loss, last_batch=(vectors, vectors))
            batch = PairBatch(None, None, torch.arange(16))
            self.sentinel.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss)}, batch, 0)
        return self.sentinel.warned


def test_it_warns_once_with_values_causes_and_remedies(caplog):
    shown = Shown()
    with caplog.at_level(logging.WARNING):
        assert not shown.show(1e-5, steps=99)
        assert shown.show(1e-5)
        shown.show(1e-5, steps=300)
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    for part in (
        "from step 5 to 100",
        "The loss is 0.2",
        "0.2)",
        "similarity 1.0000",
        "rank 1.1 (of at most 8)",
    ):
        assert part in message
    for part in (
        "learning rate is too high (it is 5.0e-01)",
        "optimizer.lr=5.0e-02",
        "miner=semi_hard",
        "doctor.py",
    ):
        assert part in message


def test_one_look_that_is_not_collapsed_begins_the_window_anew():
    shown = Shown()
    shown.show(1e-5, steps=95)
    assert not shown.show(1.0, loss=0.3, steps=5)
    assert not shown.show(1e-5, steps=99)
    assert shown.show(1e-5)


def test_a_run_that_is_leaving_a_narrow_beginning_is_let_go_on():
    """Deep networks begin with a mean similarity near 1, and may take longer than a window to leave."""
    shown = Shown(loss=SimpleNamespace(collapsed_value=lambda size: None))
    for step in range(200):
        assert not shown.show(1e-3 * 1.01**step)


def test_narrow_embeddings_that_tell_items_apart_are_healthy():
    """As of a frozen encoder whose vectors all share a large part: the loss has fallen all the same."""
    assert not Shown().show(1e-3, loss=0.05, steps=300)
    assert Shown().show(1e-3, loss=0.21, steps=100)


def test_a_loss_stuck_at_the_margin_is_enough():
    assert Shown().show(1.0, loss=0.2001, steps=100)
    assert not Shown().show(1.0, loss=0.21, steps=300)


def test_a_loss_that_is_zero_for_a_collapsed_model_says_nothing():
    assert not Shown(loss=SimpleNamespace(collapsed_value=lambda size: 0.0)).show(1.0, loss=0.0, steps=300)


def test_a_loss_that_is_not_finite_says_nothing():
    assert not Shown().show(1e-5, loss=float("nan"), steps=300)


def test_the_loss_is_compared_as_it_was_before_accumulation_and_over_all_processes():
    assert Shown().show(1.0, loss=0.1, steps=100, accumulate=2)
    of_all = SimpleNamespace(collapsed_value=lambda size: 0.2 if size == 32 else 9.0)
    assert Shown(loss=of_all).show(1.0, steps=100, world_size=2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"every": 0}, "every=0"),
        ({"every": 5, "window": 9}, "window=9"),
        ({"similarity": 0.1}, "similarity=0.1"),
        ({"similarity": 1.0}, "above_similarity=0"),
        ({"tolerance": 0.0}, "tolerance=0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        CollapseSentinel(**settings)


class Module(pl.LightningModule):
    """A linear dual encoder whose image features are constant."""

    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList([linear(IMAGE), linear(TEXT)])
        self.loss = InfoNCE()
        self.last_batch = None

    def training_step(self, rows, batch_idx):
        image, text = (normalize(h(f[rows]), dim=1) for h, f in zip(self.heads, constant(0), strict=True))
        self.last_batch = image.detach(), text.detach()
        return self.loss(image, text, rows)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class AsPairs(CollapseSentinel):
    """The sentinel, for batches that are positions alone."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        super().on_train_batch_end(trainer, pl_module, outputs, PairBatch(None, None, batch), batch_idx)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_stops_a_real_training_loop(tmp_path, accumulate):
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        max_epochs=40,
        accelerator="cpu",
        accumulate_grad_batches=accumulate,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[AsPairs(every=2, window=40, stop=True)],
    )
    with pytest.raises(XmrError, match="checkpoints and metrics so far are kept"):
        trainer.fit(Module(), DataLoader(torch.arange(ITEMS), batch_size=16, shuffle=True))
    assert 40 <= trainer.global_step <= 200
