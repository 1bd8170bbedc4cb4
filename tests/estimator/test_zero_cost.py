"""`estimator=zero_cost` in a search: on every space, on digits, averaged, flagged where there is no score, and refused
with a clear word where it cannot work."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import Architecture, Context, DataError, Network, OptionError, SearchSpace, UnknownNameError
from nasforge.config.configuration import compose
from nasforge.execution.executor import LocalExecutor
from nasforge.experiment import experiment
from nasforge.registry.entry_points import build
from nasforge.testing import EstimatorContract, tiny_data
from nasforge.wording import quantity, sentence_case, words
from nasforge_plugins.estimator.zero_cost.estimator import ZeroCost
from nasforge_plugins.estimator.zero_cost.proxies import PROXIES

SMALL = {"batch_size": 8, "channels": 4, "cells": 1, "ntk_batch_size": 4, "region_images": 40}
WORDS = [f"estimator.zero_cost.{key}={value}" for key, value in SMALL.items()]
SEARCH = ["space=nasbench201", "budget.evaluations=4", "retrain.seeds=0"]
INFINITE = ("snip", "grasp", "fisher", "grad_norm", "plain", "jacob_cov", "epe_nas", "gradient_image_correlation")
SIGNS = ("naswot", "activation_overlap", "linear_regions")


def small(*proxies, **options):
    return ZeroCost(proxies=proxies or tuple(PROXIES), **{**SMALL, **options})


# A space of plain torch networks, most of them ill


class Plain(Network):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        return self.layers(images)


class Detached(Plain):
    def forward(self, images):
        return self.layers(images).detach()


class Constant(Plain):
    def forward(self, images):
        return self.layers(images) * 0.0


class Overflowing(Plain):
    def forward(self, images):
        return self.layers(images) * torch.inf


class Blind(Plain):
    """Its logits depend on its weights alone."""

    def forward(self, images):
        return super().forward(torch.ones_like(images))


class Shifted(Plain):
    """Biases alone move its logits."""

    def forward(self, images):
        return super().forward(images).detach() + self.layers[3].bias


class Wards(SearchSpace):
    """Architectures by what is wrong with them."""

    name = "wards"
    ills = (
        "healthy", "no parameters", "no relu", "no gradient", "constant", "overflowing", "not a number", "raises",
        "blind", "shifted",
    )  # fmt: skip

    def sample(self, rng):
        return self.of(self.ills[int(rng.integers(2)) * 2])  # healthy, or without ReLU

    def mutate(self, architecture, rng): ...

    def crossover(self, a, b, rng): ...

    def draw(self, architecture):
        return []

    def validate(self, architecture):
        return architecture

    def of(self, ill):
        return Architecture.of(self.name, {"ill": ill}, ill)

    def build(self, architecture, input_shape, classes, *, channels=None, cells=None, auxiliary=False):
        ill, pixels = architecture["ill"], math.prod(input_shape)
        kinds = {"no gradient": Detached, "constant": Constant, "overflowing": Overflowing}
        kinds |= {"blind": Blind, "shifted": Shifted}
        if ill == "no parameters":
            return Plain(nn.Flatten(), nn.ReLU(), nn.AdaptiveAvgPool1d(classes))
        if ill == "raises":
            raise OptionError("there is no such network")
        relu = nn.Identity() if ill == "no relu" else nn.ReLU()
        network = kinds.get(ill, Plain)(nn.Flatten(), nn.Linear(pixels, 24), relu, nn.Linear(24, classes))
        if ill == "not a number":
            nn.init.constant_(network.layers[1].weight, math.nan)
        return network


def answers(estimator, space, some, data=None):
    context = Context(space, data or tiny_data(), "cpu", 1, seed=0)
    return [answer for _, answer in LocalExecutor(1).run(estimator, [(architecture, context) for architecture in some])]


# Contracts


class OnEverySpace(EstimatorContract):
    @pytest.fixture
    def estimator(self):
        return build("estimator", {"name": "zero_cost", "proxies": list(PROXIES), **SMALL})


class TestOnNASBench201(OnEverySpace):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "nasbench201"})


class TestOnDARTS(OnEverySpace):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "darts"})


class TestOnAGuest(OnEverySpace):
    @pytest.fixture
    def space(self):
        return Wards()


# Values


def test_directions_are_those_of_the_papers():
    down = {objective.metric for objective in small().objectives if objective.direction == "min"}
    assert down == {
        "ntk_condition", "ntk_condition_decoupled", "activation_overlap", "gradient_image_correlation",
    }  # fmt: skip
    assert all(math.isfinite(proxy.worst) for proxy in PROXIES.values())


def test_people_read_names_of_papers():
    by_metric = {objective.metric: objective for objective in small().objectives}
    assert sentence_case(words(by_metric["ntk_condition"])) == "NTK condition number"
    assert set(map(words, by_metric.values())) >= {"SynFlow", "linear regions", "Jacobian covariance", "Zen score"}
    assert quantity(by_metric["params"], 559_386) == "parameters 5.594e+05"


def test_a_score_does_not_depend_on_what_else_is_asked_for():
    space = build("space", {"name": "nasbench201"})
    one = space.read("resnet")
    (together,) = answers(small(seeds=2, batches=2), space, [one])
    for name in PROXIES:
        (alone,) = answers(small(name, seeds=2, batches=2), space, [one])
        assert alone.metrics == {name: together.metrics[name]}, name


def test_scores_are_means_over_seeds_and_batches():
    space = build("space", {"name": "nasbench201"})
    estimator, context = small("snip", "l2_norm", seeds=3, batches=2), Context(space, tiny_data(), "cpu", 1, seed=0)
    one = space.read("resnet")
    values = [(name, place, PROXIES[name].measure(probe)) for name, place, probe in estimator._probes(one, context)]
    assert [place for name, place, _ in values if name == "snip"] == [(s, b) for s in range(3) for b in range(2)]
    assert [place for name, place, _ in values if name == "l2_norm"] == [(s, 0) for s in range(3)]
    assert len({value for *_, value in values}) == len(values), "every seed and every batch makes a difference"
    found = estimator.estimate(one, context).metrics
    for proxy in found:
        assert found[proxy] == pytest.approx(np.mean([value for name, _, value in values if name == proxy]), rel=1e-12)


def test_candidates_see_the_same_images_and_none_twice():
    space, data = build("space", {"name": "nasbench201"}), tiny_data()
    seen = []
    for seed in (0, 1):
        context = Context(space, data, "cpu", 1, seed=seed)
        seen.append([probe.images for *_, probe in small("snip", batches=4)._probes(space.read("resnet"), context)])
        proxies = small("snip", "linear_regions", batches=4)._probes(space.read("resnet"), context)
        crops = [probe.images for name, _, probe in proxies if name == "linear_regions"]
        assert len({tuple(crop.flatten().tolist()) for crop in crops}) == 4, "crops of their own for each batch"
        seen[-1] += crops
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))
    assert len(torch.unique(torch.cat(seen[0][:4]), dim=0)) == 32


def test_networks_are_built_at_the_sizes_asked_for(monkeypatch):
    space, built = build("space", {"name": "nasbench201"}), []
    make = type(space).build

    def recorded(self, architecture, shape, classes, **how):
        network = make(self, architecture, shape, classes, **how)
        built.append((shape, how["channels"], how["cells"]))
        return network

    monkeypatch.setattr(type(space), "build", recorded)
    answers(small(ntk_channels=5, ntk_cells=2, region_channels=2), space, [space.read("resnet")])
    assert list(dict.fromkeys(built)) == [((3, 8, 8), 4, 1), ((3, 8, 8), 5, 2), ((1, 4, 4), 2, 1)], (
        "4: its smallest side"
    )


def test_every_type_of_cell_makes_a_difference_to_every_score():
    """Of `darts` two cells are reduction cells both; what is asked for below three has three."""
    space = build("space", {"name": "darts"})
    one, other = (space.sample(np.random.default_rng(seed)) for seed in (0, 1))
    genes = dict(one.genes)
    mixed = [Architecture.of("darts", {**genes, cell: other[cell]}) for cell in ("normal", "reduce")]
    context = Context(space, tiny_data(), "cpu", 1, seed=0)  # the same weights as far as they go
    scores = [small().estimate(architecture, context).metrics for architecture in (one, *mixed)]
    for name in set(PROXIES) - {"linear_regions"}:  # so few crops all lie in regions of their own
        assert len({score[name] for score in scores}) == 3, name
    for view in small().views.values():
        assert len(view.build(one, context)[0].cells) == 3


def test_crops_are_of_one_size_for_all_candidates():
    space = build("space", {"name": "tsenas"})
    rng, reductions = np.random.default_rng(0), set()
    estimator, sides = small("linear_regions"), set()
    context = Context(space, tiny_data(), "cpu", 1, seed=0)
    for _ in range(6):
        one = space.sample(rng)
        reductions.add(space.kinds(one).count("reduction"))
        sides |= {probe.images.shape[1:] for *_, probe in estimator._probes(one, context)}
        assert estimator.estimate(one, context).flag == ""
    assert reductions >= {2, 3}, "3 pixels do for those with two reductions, 5 for those with three"
    assert sides == {(1, 5, 5)}


# What has no score


@pytest.mark.parametrize(
    ("ill", "flagged", "reason"),
    [
        ("no parameters", {"snip", "synflow", "l2_norm", "ntk_condition", "ntk_condition_decoupled"}, "to train"),
        ("no relu", {"naswot", "activation_overlap", "linear_regions"}, "it has no ReLU"),
        ("no gradient", {"snip", "synflow", "ntk_condition", "jacob_cov", "naswot"}, "no gradient"),
        ("constant", {"snip", "grasp", "synflow", "ntk_condition", "jacob_cov", "zen"}, "no gradient reaches"),
        ("overflowing", {*INFINITE, *SIGNS, "ntk_condition"}, "not"),
        ("not a number", {*INFINITE, *SIGNS, "ntk_condition"}, "its logits are not finite"),
        ("blind", {"jacob_cov", "gradient_image_correlation"}, "its logits do not depend on the images"),
        ("shifted", {"ntk_condition", "ntk_condition_decoupled"}, "no weight moves its logits"),
    ],
)
def test_what_cannot_be_measured_is_the_worst_value_with_a_reason(ill, flagged, reason):
    (answer,) = answers(small(), Wards(), [Wards().of(ill)])
    assert answer.status == "ok"
    assert set(answer.metrics) == set(PROXIES)
    assert all(math.isfinite(value) for value in answer.metrics.values())
    said = dict(part.split(" is its worst value, ", 1) for part in answer.reason.split("; "))
    assert flagged <= set(said)
    assert all(answer.metrics[name] == PROXIES[name].worst for name in said)
    assert all(said[name].startswith(f"{PROXIES[name].worst:g}: ") for name in said)
    assert reason in answer.reason


def test_the_healthy_and_the_raising_are_not_flagged():
    healthy, raising = answers(small(), Wards(), [Wards().of("healthy"), Wards().of("raises")])
    assert (healthy.status, healthy.reason) == ("ok", "")
    assert (raising.status, raising.reason) == ("failed", "there is no such network")


def test_the_worst_is_no_better_than_any_healthy_score():
    space = build("space", {"name": "nasbench201"})
    for name in ("resnet", "all_skip", "all_conv_3x3"):
        (answer,) = answers(small(), space, [space.read(name)])
        for objective in small().objectives:
            worst = {objective.metric: PROXIES[objective.metric].worst}
            assert objective.cost(answer.metrics) <= objective.cost(worst), (name, objective.metric)


def test_a_part_of_the_draws_without_a_score_is_said():
    class Sometimes(Wards):
        def build(self, architecture, *shape, **how):
            network = super().build(architecture, *shape, **how)
            if torch.rand(()) < 0.5:
                nn.init.zeros_(network.layers[3].weight)
            return network

    (answer,) = answers(small("synflow", seeds=8), Sometimes(), [Wards().of("healthy")])
    assert answer.metrics == {"synflow": -1e12}
    count = int(answer.reason.partition("(in ")[2].partition(" of 8 draws)")[0])
    assert 0 < count < 8


# Searches


def test_digits_of_one_channel_by_the_plain_words(tmp_path):
    words = ["strategy=random_search", "estimator=zero_cost", *SEARCH, *WORDS]
    found = experiment.search(compose(words).config, tmp_path / "run", words)
    assert [objective.metric for objective in found.result.objectives] == [
        "synflow", "jacob_cov", "ntk_condition", "linear_regions",
    ]  # fmt: skip
    rows = json.loads((tmp_path / "run" / "evaluations.json").read_text())
    assert len(rows) == 4
    assert max(row["metrics"]["synflow"] for row in rows) == found.result["metrics"]["synflow"]


def test_beside_a_table_and_as_two_objectives(tmp_path, shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    words = ["strategy=nsga2", "estimator=[tabular,zero_cost]", "objectives=[ntk_condition,linear_regions]", *SEARCH]
    found = experiment.search(compose([*words, *WORDS]).config, tmp_path / "run", words)
    assert found.result["followed"] == ["ntk_condition", "linear_regions"]
    assert {"accuracy", "params_m", "synflow"} <= set(found.result["metrics"])
    assert len(found.result["front"]) >= 1


def test_flags_reach_people_and_a_resumed_search(tmp_path):
    words = ["strategy=random_search", "estimator=zero_cost", *SEARCH, *WORDS, "budget.evaluations=8", "seed=7"]
    words += ["estimator.zero_cost.proxies=[jacob_cov]"]  # two of the eight cells let nothing through
    found = experiment.search(compose(words).config, tmp_path / "run", words)
    rows = json.loads((tmp_path / "run" / "evaluations.json").read_text())
    flagged = [row for row in rows if row["reason"]]
    assert len(flagged) == 2
    assert all(row["metrics"] == {"jacob_cov": -1e12} and row["status"] == "ok" for row in flagged)
    (note,) = [note for note in found.result["notes"] if "could not be measured" in note]
    assert note.startswith(f"{len({row['notation'] for row in flagged})} of ")
    assert "an image leaves its logits unmoved" in note
    assert experiment.resume(tmp_path / "run").result == found.result


# Mistakes


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "proxies=[synflo]",
            r"no zero-cost proxy named 'synflo'. Did you mean 'synflow'\? Available: activation_overlap",
        ),
        ("proxies=[]", r"estimator.zero_cost.proxies=\[\]: it must name at least one proxy"),
        ("proxies=[snip,snip]", "names 'snip' 2 times; once would be right"),
        ("ntk_batch_size=1", "estimator.zero_cost.ntk_batch_size=1: it must be a whole number, at least 2"),
        ("ntk_batch_size=1500", r"reads 1500 training images \(batches=1 of 1500\), and there are 1438"),
        ("batches=50", r"reads 1600 training images .* lower estimator.zero_cost.batch_size or batches"),
        ("loss=hinge", 'estimator.zero_cost.loss="hinge": it must be one of cross_entropy, l1'),
        ("seed=3", r"no option estimator.zero_cost.seed. Did you mean estimator.zero_cost.seeds\?"),
    ],
)
def test_mistakes_are_said_before_anything_is_written(tmp_path, word, sentence):
    words = ["strategy=random_search", "estimator=zero_cost", *SEARCH, f"++estimator.zero_cost.{word}"]
    with pytest.raises((OptionError, UnknownNameError, DataError), match=sentence):
        experiment.search(compose(words).config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_more_images_than_there_are_would_be_refused_by_the_batches_too():
    space = build("space", {"name": "nasbench201"})
    data = replace(tiny_data(), train=tiny_data().train.subset(7, 0))
    (answer,) = answers(small("snip"), space, [space.read("resnet")], data)
    assert answer.reason == "cannot take a subset of 8 images; this set has 7"
