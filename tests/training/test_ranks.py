"""Fits that several ranks share: two CPU processes reach what one does, and decide alike."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import FitData, OptionError, Preprocessing, RunError, SGDOptions
from nasforge.devices import synced_norm
from nasforge.devices.portions import Portion
from nasforge.images import SeededBatches
from nasforge.randomness import generator_of
from nasforge.registry.entry_points import registry
from nasforge.testing import tiny_data
from nasforge.training.fit import Placement
from nasforge.training.network_module import NetworkModule
from nasforge.training.rank_options import Started, started_by_others
from nasforge.training.ranks import Fit, Ranks, ranks_of
from nasforge.training.recipe import PLAIN, Recipe
from nasforge_plugins.strategy.darts.module import GradientAlphas
from nasforge_plugins.strategy.egnas.algorithm import EvolvedAlphas
from nasforge_plugins.strategy.ntk_ga.tournament import AlphaTournament, LogitMixtures, SharedTournament
from nasforge_plugins.strategy.tsenas.supernet import CellSupernet

SGD = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
WEIGHTS = {**SGD, "final_learning_rate": 0.001}
ADAM = {"loss": "cross_entropy", "learning_rate": 1e-3, "weight_decay": 0.0, "clip": 5.0}
SHAPE = (3, 8, 8)
CELLS = {"darts": 3, "nasbench201": 1}


@pytest.fixture(scope="module")
def two():
    """Two processes, started once."""
    ranks = Ranks(2)
    yield ranks
    ranks.close()


def images(batch_size=10):
    """35 to train on, in batches that two ranks cannot always halve; 36 to validate on, augmented and cut out."""
    halves = tiny_data(images=71).halves()
    seen = Preprocessing((0.5,) * 3, (0.25,) * 3, pad=1, flip=True, cutout=3)
    return FitData(halves.train, halves.validation, seen, batch_size)


def plugin(kind, name):
    return registry(kind)[name]


def supernet(space, **options):
    return space.supernet(SHAPE, 2, channels=4, cells=CELLS[space.name], **options)


RECIPE = Recipe(accumulate=3, ema=0.9, label_smoothing=0.1, mixup=0.4, cutmix=1.0, warmup_epochs=1, held_out=0.5)


def network(recipe=PLAIN):
    space = plugin("space", "darts")()
    one = space.sample(np.random.default_rng(0))
    built = space.build(one, SHAPE, 2, channels=4, cells=3)
    return NetworkModule(built, **SGD, drop_path=0.0, recipe=recipe, classes=2)


def egnas():
    space = plugin("space", "nasbench201")()
    # 36 images: of the second batch the second process has none
    small = {"epochs": 2, "warmup_epochs": 1, "population": 3, "samples": 1, "validation_batch_size": 35}
    method = plugin("strategy", "egnas")(**small, validation_batches=2, clip_counts_alphas=True)
    return EvolvedAlphas(supernet(space), space, method, **WEIGHTS)


def darts(order=1, space="darts", **more):
    space = plugin("space", space)()
    return GradientAlphas(supernet(space), space, epochs=3, order=order, alpha_learning_rate=0.1, **WEIGHTS, **more)


def small():
    return darts(space="nasbench201")


def chains():
    space = plugin("space", "tsenas")(max_cells=4, reductions=1)
    rng = np.random.default_rng(0)
    return CellSupernet(
        space,
        SHAPE,
        2,
        channels=4,
        chains=4,
        rng=rng,
        optimizer=SGDOptions(learning_rate=0.05, final_learning_rate=0.0),
    )


def shared_tournament():
    space = plugin("space", "nasbench201")()
    rng = np.random.default_rng(0)
    mixes = [space.mix_of(space.sample(rng)) for _ in range(4)]
    return SharedTournament(supernet(space), mixes, [2, 2], **ADAM)


def alpha_tournament():
    space = plugin("space", "tsenas")(max_cells=4, reductions=1)
    rng = np.random.default_rng(0)
    groups = [[space.sample(rng) for _ in range(2)] for _ in range(2)]
    return AlphaTournament(LogitMixtures(groups, space, SHAPE, 2, channels=4, cells=None), [2, 2], **ADAM)


MODULES = {
    "a network": network,
    "a network with a recipe": lambda: network(RECIPE),
    "EG-NAS": egnas,
    "DARTS": darts,
    "DARTS, second order": lambda: darts(order=2, space="nasbench201"),
    "PC-DARTS": lambda: darts(edge_normalization=True, warmup_epochs=1),
    "TS-ENAS": chains,
    "a tournament in a supernet": shared_tournament,
    "a tournament of alphas": alpha_tournament,
}


ON_DEVICE = ("a network", "DARTS")
"""Those whose shared fit has its images on the device, where a single process has them from a loader."""


def fitted(ranks, make, epochs, tmp_path, precision="64-true", data_on_device=False):
    torch.manual_seed(0)
    module = make()
    trainer = {"accelerator": "cpu", "devices": ranks.count, "precision": precision, "data_on_device": data_on_device}
    arguments = {"name": "fit", "epochs": epochs, "seed": 0, "trainer": trainer}
    done = ranks.train(Fit(module, images(), 1, {**arguments, "checkpoint": tmp_path / f"{ranks.count}.ckpt"}))
    assert done == epochs
    return module


@pytest.mark.parametrize("kind", MODULES)
def test_two_ranks_reach_what_one_does(two, kind, tmp_path):
    epochs = 2 if kind == "EG-NAS" or kind.startswith("a network") else 1
    alone = fitted(Ranks(), MODULES[kind], epochs, tmp_path)
    shared = fitted(two, MODULES[kind], epochs, tmp_path, data_on_device=kind in ON_DEVICE)
    state = shared.state_dict()
    for name, tensor in alone.state_dict().items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-5, atol=1e-5, msg=lambda said, n=name: f"{n}: {said}")
    for metric, values in alone.history.items():
        known = [index for index, value in enumerate(values) if value is not None]
        reached = [shared.history[metric][index] for index in known]
        assert reached == pytest.approx([values[index] for index in known], rel=1e-4), metric
    if hasattr(alone, "mix"):
        assert shared.space.derive(shared.mix) == alone.space.derive(alone.mix)
    if hasattr(alone, "winners"):
        assert shared.winners == alone.winners


def test_norms_are_what_they_were_afterwards(two, tmp_path):
    module = fitted(two, network, 1, tmp_path)
    assert {type(part) for part in module.modules() if "Norm" in type(part).__name__} == {nn.BatchNorm2d}


def test_a_module_is_alone_again_afterwards(two, tmp_path):
    module = fitted(two, network, 1, tmp_path)
    assert len(module.validation_batch(torch.arange(7))[1]) == 7
    assert module.score(module.network, module.all_validation_batches(10))["accuracy"] * 36 % 1 == pytest.approx(0)


def test_the_same_fit_on_two_ranks_has_the_same_bits_again(two, tmp_path):
    (tmp_path / "again").mkdir()
    first = fitted(two, small, 1, tmp_path, "32-true").state_dict()
    again = fitted(two, small, 1, tmp_path / "again", "32-true").state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_broken_fit_goes_on_at_its_last_epoch(two, tmp_path):
    expected = fitted(two, small, 2, tmp_path).state_dict()
    arguments = {"name": "fit", "epochs": 2, "seed": 0, "checkpoint": tmp_path / "broken.ckpt"}
    for budget, done in ((lambda: True, 1), (lambda: False, 2)):
        torch.manual_seed(0)
        fit = Fit(small(), images(), 1, {**arguments, "trainer": {"accelerator": "cpu", "precision": "64-true"}})
        assert two.train(fit, exhausted=budget) == done
    assert all(torch.equal(expected[name], tensor) for name, tensor in fit.module.state_dict().items())


def test_images_meet_the_same_fate_on_any_number_of_ranks():
    preprocessing = images().preprocessing
    batch = torch.randint(0, 256, (11, *SHAPE), dtype=torch.uint8, generator=generator_of("images"))
    whole = preprocessing.augment(batch, generator_of("draw"))
    for ranks in (2, 3):
        for rank in range(ranks):
            portion = Portion(rank, ranks, len(batch))
            own = preprocessing.augment(portion.of(batch), generator_of("draw"), portion)
            assert torch.equal(own, portion.of(whole))


def test_batches_are_as_large_as_the_loader_makes_them():
    data = images()
    sizes = [len(batch) for batch in SeededBatches(len(data.train), data.batch_size, 0)]
    assert [data.images_in_batch(index) for index in range(len(sizes))] == sizes


def test_what_cannot_be_pickled_is_said_before_anything_starts():
    module = network()
    module.hook = lambda: None
    fit = Fit(module, images(), 1, {"name": "odd"})
    with pytest.raises(OptionError, match=r"fit 'odd' cannot be shared by several processes: NetworkModule"):
        Ranks(2).train(fit)


@pytest.mark.parametrize(
    ("trainer", "sentence"),
    [
        ({"devices": 10**6}, r"trainer.devices=1000000: this machine has \d+ processor"),
        ({"devices": 0}, "a whole number, 1 or more, or auto"),
        ({"devices": [0, 1]}, "a whole number, 1 or more, or auto"),
        ({"num_nodes": 2}, "started by torchrun or srun"),
        ({"accelerator": "gpu"}, "trainer.accelerator=gpu: torch finds no such device here; `nasforge doctor`"),
    ],
)
def test_impossible_devices_are_refused(trainer, sentence, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(OptionError, match=sentence):
        ranks_of({"accelerator": "cpu", **trainer})


def test_a_number_of_devices_is_what_was_counted():
    """-1 and auto stand for all: one on a CPU, which Lightning would not take them for."""
    for devices in (-1, "auto", 1):
        trainer = {"accelerator": "cpu", "devices": devices}
        assert ranks_of(trainer).count == 1
        assert Placement().arguments(trainer)["devices"] == 1
    assert Placement().arguments({"devices": [3]})["devices"] == [3]


def test_normalising_in_half_precision_is_as_exact_as_torch_has_it(monkeypatch):
    """Where the mean is far from zero, scale and shift must not be rounded before they meet."""
    monkeypatch.setattr(synced_norm.dist, "get_rank", lambda: 0)
    monkeypatch.setattr(synced_norm.dist, "get_world_size", lambda: 1)
    exact = 30 + torch.randn(64, 4, 3, 3, generator=generator_of("rows"))
    rows = exact.bfloat16()
    norm = nn.BatchNorm2d(4)
    expected, plain = norm(rows.float()), norm(rows)
    with synced_norm.synchronised([norm]):
        synced = norm(rows)
    assert synced.dtype == torch.bfloat16
    assert (synced - expected).abs().max() <= (plain - expected).abs().max() * 1.01


def test_gpus_are_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert ranks_of({"accelerator": "gpu", "devices": "auto"}).count == 4
    assert ranks_of({"accelerator": "gpu", "devices": [1, 3]}).count == 2
    with pytest.raises(OptionError, match=r"trainer.devices=8: this machine has 4 GPU"):
        ranks_of({"accelerator": "gpu", "devices": 8})
    with pytest.raises(OptionError, match=r"there is no GPU 4; this machine has 4 GPU"):
        ranks_of({"accelerator": "gpu", "devices": [0, 4]})
    with pytest.raises(OptionError, match=r"trainer.devices=\[1, 1\]: it names a GPU twice"):
        ranks_of({"accelerator": "gpu", "devices": [1, 1]})


def test_slurm_says_which_process_this_is(monkeypatch):
    step = {"STEP_NUM_TASKS": 4, "STEP_NUM_NODES": 2, "STEP_NODELIST": "gpu[03-04]", "PROCID": 3, "JOB_ID": 70007}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    assert started_by_others() == Started(rank=3, ranks=4, local=2, address="gpu03", port=30007)
    assert ranks_of({"accelerator": "cpu", "devices": 2, "num_nodes": 2, "strategy": "ddp"}).count == 4
    with pytest.raises(OptionError, match=r"4 processes were started, but trainer.devices=2 on trainer.num_nodes=1"):
        ranks_of({"accelerator": "cpu", "devices": 2})


def test_lightning_is_told_where_it_runs():
    told = Placement(3, 4, 2).arguments(
        {"accelerator": "gpu", "devices": 2, "strategy": "ddp", "precision": "bf16-mixed"}
    )
    strategy = told.pop("strategy")
    assert told == {"accelerator": "gpu", "devices": 2, "num_nodes": 2, "precision": "bf16-mixed"}
    where = strategy.cluster_environment
    assert (where.global_rank(), where.local_rank(), where.node_rank(), where.world_size()) == (3, 1, 1, 4)


def test_a_process_that_cannot_start_is_named(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ranks = Ranks(2)
    with pytest.raises(RunError, match="process 2 of the 2 that shared fit 'fit' ended with status 1"):
        ranks.train(Fit(small(), images(), 1, {"name": "fit"}))
    ranks.close()


def test_others_end_with_the_process_that_started_them(tmp_path):
    code = (
        "import os, sys; from nasforge.training.ranks import Ranks; r = Ranks(2); r._begin();"
        "print(r._followers[0].pid, flush=True); os.kill(os.getpid(), 9)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid = int(said.stdout)
    for _ in range(100):
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "Z (zombie)" in status.read_text():
            return
        subprocess.run(["sleep", "0.1"])
    pytest.fail("the other process lives on")
