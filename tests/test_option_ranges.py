"""Every number that a person may set has its range: what lies outside is refused by the constructor, with the key."""

import inspect
import json
from dataclasses import is_dataclass
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import yaml

from nasforge import OptionError, build
from nasforge.experiment.parts import Control
from nasforge.experiment.retraining_options import Retraining
from nasforge.registry.entry_points import registry
from nasforge.registry.options import checked, described
from nasforge.run.resources import Budget
from nasforge_plugins.strategy.medarts.stages import Stage

CONFIG = yaml.safe_load((Path(__file__).resolve().parents[1] / "conf" / "config.yaml").read_text())
PLUGINS = {f"{kind}.{name}": registry(kind)[name] for kind in ("space", "strategy", "estimator", "data")
           for name, (plugin,) in registry(kind).plugins.items() if plugin.package == "nasforge"}  # fmt: skip
SECTIONS = {"budget": Budget, "control": Control, "retrain": Retraining, "strategy.medarts.stages": Stage}
PARTS = {**PLUGINS, **SECTIONS}
REQUIRED = {**CONFIG, "strategy.medarts.stages": {"name": "init", "cells": 4, "epochs": 1, "population": 1}}
NONSENSE = [-1, 0, 1e300, float("nan"), float("inf"), 10**18, 10**400, True, "8", [1], {"a": 1}]


def numbers(cls):
    """The options of a class that are numbers, or one of a few; those of its groups are dotted."""
    hints = get_type_hints(cls if is_dataclass(cls) else cls.__init__, include_extras=True)
    for key in inspect.signature(cls).parameters:
        if is_dataclass(hints[key]):
            yield from (f"{key}.{option}" for option in numbers(hints[key]))
        elif "number" in (words := described(hints[key])) or words.startswith("one of"):
            yield key


OPTIONS = [(part, key) for part, cls in PARTS.items() for key in numbers(cls)]
SGD = "optimizer.final_learning_rate optimizer.learning_rate_warmup optimizer.momentum optimizer.weight_decay"
ZERO = {  # options that 0 turns off, or of which none is a sensible amount
    "space.tsenas": "reductions",
    "estimator.supernet": "calibration_batches",
    "estimator.predictor": "seed",
    "strategy.bayesian": "random",
    "strategy.priorband": "mutation",
    "strategy.random_search": "draw_seed",
    "strategy.single_path": SGD,
    "strategy.darts": f"warmup_epochs alphas.weight_decay max_parameter_free {SGD}",
    "strategy.egnas": f"warmup_epochs zeta eta sigma_noise es_seed {SGD}",
    "strategy.medarts": f"alphas.weight_decay max_parameter_free {SGD}",
    "strategy.nsga2": "crossover_rate mutation_rate",
    "strategy.ntk_ga": "uniform_rate minimum_rate exploration resize_rate swap_rate tournament.period "
    "tournament.weight_decay tournament.dropout landmarks",
    "strategy.tsenas": f"crossover_rate mutation_rate threshold fine_generations supernet.chains {SGD} from_scratch",
    "estimator.training": "momentum weight_decay",
    "data.arrays": "pad workers",
    "data.image_folder": "pad workers",
    **dict.fromkeys(("data.imagenet", "data.imagenet16_120"), "workers"),
    **dict.fromkeys(("data.cifar10", "data.cifar100", "data.digits", "data.fashion_mnist"), "workers"),
    "retrain": "seeds random momentum weight_decay cutout drop_path auxiliary_weight label_smoothing warmup_epochs ema "
    "mixup cutmix held_out",
}
LISTS = {"space.autoformer": "embeddings heads ratios", "space.mobilenet": "multipliers kernels expansions"}
"""Options that are lists of numbers, of which [1] is one."""


def refused(part, key, value):
    """Whether the constructor refuses the value, by a sentence that names the key."""
    try:
        group, _, option = key.rpartition(".")
        checked(
            PARTS[part], {**REQUIRED.get(part, {}), **({group: {option: value}} if group else {key: value})}, where=part
        )
    except OptionError as error:
        return f".{key}=" in str(error)
    return False


@pytest.mark.parametrize(("part", "key"), OPTIONS)
def test_of_all_nonsense_a_constructor_takes_none_but_a_zero_that_makes_sense(part, key):
    taken = [value for value in NONSENSE if not refused(part, key, value)]
    assert taken == [
        *([0] if key in ZERO.get(part, "").split() else []),
        *([[1]] if key in LISTS.get(part, "") else []),
    ]


def test_every_plugin_with_numbers_was_driven():
    driven = {part for part, _ in OPTIONS}
    assert driven >= {"space.darts", "strategy.egnas", "estimator.zero_cost", "data.image_folder"}
    assert ("strategy.darts", "order") in OPTIONS


@pytest.mark.parametrize(
    ("strategy", "options", "sentence"),
    [
        ("egnas", {"epochs": 6, "warmup_epochs": 6}, "strategy.warmup_epochs=6 leaves no epoch of strategy.epochs=6"),
        ("egnas", {"zeta": 0, "eta": 0}, "strategy.zeta=0 and strategy.eta=0 leave no fitness"),
        ("egnas", {"es_seed": 2**32}, "strategy.es_seed=4294967296: it must be a whole number, at least 0 and below"),
        ("nsga2", {"crossover_rate": 0, "mutation_rate": 0}, "make children equal to their parents"),
        ("darts", {"order": True}, "strategy.order=true: it must be one of 1, 2"),
        (
            "darts",
            {"supernet": {"cells": 10**18}},
            r"strategy.supernet.cells=\d+: it must be a whole number, at least 1 and at most 200, or null",
        ),
    ],
)
def test_nonsense_of_several_options_together_is_named(strategy, options, sentence):
    with pytest.raises(OptionError, match=sentence):
        checked(registry("strategy")[strategy], options, where="strategy")


SCORED = ["estimator=zero_cost", "estimator.zero_cost.proxies=[params]", "retrain.seeds=0", "hydra.run.dir=run"]
NOTES = {
    "bananas": "strategy.population=4 are drawn at random",
    "bayesian": "strategy.population=4 are drawn at random",
    "regularized_evolution": "strategy.population=4 are drawn at random",
    "nsga2": "strategy.population=4 are drawn at random",
    "tsenas": "strategy.population=4 are drawn at random",
    "ntk_ga": "strategy.population=4 are drawn at random",
    "local_search": "25 are a random start and its neighbors",
}
MORE = {
    "regularized_evolution": ["strategy.sample=2"],
    "tsenas": ["strategy.fine_population=2"],
    "ntk_ga": ["strategy.tournament.period=0", "strategy.landmarks=0"],
}


@pytest.mark.parametrize(("strategy", "more"), [*((name, 0) for name in NOTES), ("nsga2", 1), ("local_search", 1)])
def test_a_budget_that_ends_with_the_first_population_is_random_search_and_says_so(command, few_images, strategy, more):
    words = [f"strategy={strategy}", *SCORED, "data=arrays", f"data.path={few_images}", *MORE.get(strategy, [])]
    words += [] if strategy == "tsenas" else ["space=nasbench201"]
    words += [] if strategy == "local_search" else ["strategy.population=4"]
    budget = more + (24 if strategy == "local_search" else 4)
    status, printed, complaint = command(*words, f"budget.evaluations={budget}")
    assert status == 0, complaint
    note = f"budget.evaluations={budget} is used up before anything is learned, because the first {NOTES[strategy]}"
    notes = json.loads(Path("run/result.json").read_text())["notes"]
    assert any(recorded.startswith(note) for recorded in notes) == (not more)
    assert (note in " ".join(printed.split())) == (not more)


@pytest.mark.parametrize("strategy", ["random_search", "nevergrad"])
def test_a_batch_is_no_larger_than_the_budget(strategy):
    def drawn(left):
        part = registry("strategy")[strategy](batch=10_000)
        part.space, part.rng, part.evaluations_left = (
            build("space", {"name": "nasbench201"}),
            np.random.default_rng(0),
            left,
        )
        part.begin()
        return part.ask()

    assert drawn(3) == drawn(5)[:3]
    assert len(drawn(3)) == 3


def test_crops_must_show_something_of_the_image(mistake, few_images):
    said = mistake("data=arrays", f"data.path={few_images}", "data.pad=8")
    assert "data.pad=8 can shift images of 8 x 8 pixels out of view" in said


@pytest.mark.parametrize(("fraction", "left"), [("0.001", "38 of 38"), ("0.98", "1 of 38"), ("0.999", "0 of 38")])
def test_a_held_out_part_that_leaves_too_few_images_is_refused_before_the_search(mistake, few_images, fraction, left):
    words = ["strategy=random_search", "data=arrays", f"data.path={few_images}", "budget.evaluations=2"]
    said = mistake(*words, f"estimator.training.held_out={fraction}")
    assert f"estimator.training.held_out={fraction} leaves {left} images to train on" in said
    assert not [path for path in Path("runs").rglob("*") if path.is_file()]
