"""ME-DARTS: stages that fit, selection against pymoo and by hand, crossing, inheritance, and finished members."""

import json

import numpy as np
import pytest
import torch
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from safetensors.torch import load_file

from nasforge import (
    ImageSet,
    NasforgeError,
    OptionError,
    Preprocessing,
    SearchData,
    experiment,
    fitting,
    run as runs,
)
from nasforge.configuration import compose
from nasforge.parts import Parts
from nasforge_plugins.space.darts import DARTS as DARTSSpace
from nasforge_plugins.strategy.medarts import MEDARTS
from nasforge_plugins.strategy.medarts.members import Member, alphas_of, cross, next_generation
from nasforge_plugins.strategy.medarts.selection import fronts, most_accurate, normalized_costs, select
from nasforge_plugins.strategy.medarts.stages import Stage, check_images, check_stages

CELLS = ("normal", "reduce")
TINY = [
    "{name: init, cells: 3, epochs: 1, population: 2, channels: 4, images: 80, parents: null}",
    "{name: mid, cells: 4, epochs: 1, population: 3, channels: 4, images: 80, parents: 2}",
    "{name: final, cells: 5, epochs: 2, population: 1, channels: 4, images: 160, parents: 1}",
]
FOREIGN = '{"schema": 1, "space": "nasbench201", "genes": {"cell": []}}'
EVALUATED = "strategy.evaluation_channels=4"
WORDS = ["strategy=medarts", "space=darts", "data=digits", "retrain.seeds=0", "retrain.random=0"]


def stages(*changes):
    """Three small stages, each with changes of its own."""
    own = [{"name": n, "cells": 4, "epochs": 1, "population": p} for n, p in (("init", 4), ("mid", 4), ("final", 1))]
    return [Stage(**{**one, **change}) for one, change in zip(own, [*changes, {}, {}, {}], strict=False)]


def members(points):
    """Of (accuracy, size)."""
    trained = {cell: torch.full((14, 8), float(i)) for i, cell in enumerate(CELLS)}
    return [Member(f"init/{i}", (), trained, trained, accuracy, size) for i, (accuracy, size) in enumerate(points)]


def names(chosen):
    return [int(member.name.partition("/")[2]) for member in chosen]


# Stages


def test_half_of_a_population_are_parents_unless_said():
    assert [Stage(name="a", cells=4, epochs=1, population=n).survivors for n in (1, 2, 3, 4, 8)] == [1, 2, 2, 2, 4]
    assert Stage(name="a", cells=4, epochs=1, population=4, parents=3).children == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], r"strategy\.stages=\[\] trains nothing"),
        (stages({}, {"name": "init"}), "two stages called 'init'"),
        (stages({"name": "a/b"}), "a stage is called 'a/b'"),
        (stages({"name": ".."}), "a stage is called '..'"),
        (stages({"parents": 2}), "'init' is the first stage"),
        (stages({}, {"population": 6, "parents": 5}), "'mid' takes 5 parents, and 'init' has 4 members"),
        (stages({"population": 8}, {"population": 6, "parents": 2}), "make 4 members at the most.*takes parents=3"),
        (stages({}, {}, {"parents": 2}), "'final' takes 2 parents"),
    ],
)
def test_a_population_that_cannot_be_filled_is_named(wrong, sentence):
    with pytest.raises(OptionError, match=sentence):
        check_stages(wrong)


def test_images_are_checked_against_what_there_is():
    check_images(stages({"images": 80}), 100, 10)
    with pytest.raises(OptionError, match="'init' asks for 120 images and there are 100"):
        check_images(stages({"images": 120}), 100, 10)
    with pytest.raises(OptionError, match=r"'mid' asks for 50 images, which 10 classes do not share.*; 40 would do"):
        check_images(stages({}, {"images": 50}), 100, 10)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["strategy.stages=[{name: a, cells: 2, epochs: 1, population: 1}]"], "'a' has 2 cells, which are reductions"),
        (["strategy.stages=[{name: a, cells: 3, epochs: 1, population: 1, images: 9000}]"], "asks for 9000 images"),
        (
            ["strategy.stages=[{name: a, cells: 3, epochs: 1, pupolation: 1}]"],
            r"Did you mean strategy\.stages\[0\]\.pop",
        ),
        (["strategy.stages=[{name: a, cells: 0, epochs: 1, population: 1}]"], "a whole number, at least 1"),
        (["strategy.partial_channels=3"], r"space\.channels=8 is not divisible by space\.partial_channels=3"),
        (["strategy.start=DARTS_V3"], "Did you mean 'DARTS_V"),
        (
            ['strategy.start=\'{"schema": 1, "space": "nasbench201", "genes": {"cell": []}}\''],
            "is of space 'nasbench201'",
        ),
        (
            ["space=nasbench201", f"strategy.stages=[{TINY[0]},{TINY[1]}]"],
            "cells of space 'nasbench201' are all of one type",
        ),
    ],
)
def test_mistakes_are_said_before_any_training(tmp_path, words, sentence):
    with pytest.raises(NasforgeError, match=sentence):
        experiment.search(compose([*WORDS, *words]).config, tmp_path / "run")
    assert not (tmp_path / "run" / "fits").exists()


# Selection


def test_weak_dominance_and_crowding_are_pymoos():
    rng = np.random.default_rng(0)
    population = members(rng.random((12, 2)))
    costs = normalized_costs(population, "max")
    survivors = RankAndCrowding().do(Problem(n_var=1, n_obj=2), Population.new("F", costs), n_survive=5)
    chosen = select(population, 5, "weak", "max")
    mine = {tuple(costs[int(member.name[5:])]) for member in chosen}
    assert mine == {tuple(row) for row in survivors.get("F")}


def test_fronts_by_hand():
    costs = np.array([[0, 3], [1, 1], [1, 2], [3, 0], [1, 1]])
    assert [sorted(front) for front in fronts(costs, "weak")] == [[0, 1, 3, 4], [2]]
    assert [sorted(front) for front in fronts(costs, "strict")] == [[0, 1, 2, 3, 4]]
    assert [sorted(front) for front in fronts(np.array([[0, 0], [1, 1], [0, 2], [2, 2]]), "strict")] == [
        [0, 2],
        [1],
        [3],
    ]


def test_equal_members_do_not_eliminate_each_other():
    twins = members([(0.5, 2.0), (0.5, 2.0), (0.4, 1.0)])
    assert sorted(names(select(twins, 2, "weak", "max"))) == [0, 1]
    spread = members([(0.9, 1.0), (0.9, 1.0), (0.5, 3.0), (0.5, 3.0), (0.7, 2.0)])
    assert sorted(names(select(spread, 3, "weak", "max"))) == [0, 2, 4], "but copies spread nothing"
    same = members([(0.5, 2.0)] * 3)
    assert len(select(same, 2, "weak", "max")) == 2, "and a range of zero divides nothing"


def test_ends_of_the_front_first_and_the_more_accurate_of_them():
    crowd = members([(0.9, 1.0), (0.8, 2.0), (0.79, 2.1), (0.2, 3.0), (0.1, 0.5)])
    assert names(select(crowd, 1, "weak", "max")) == [0]
    assert names(select(crowd, 2, "weak", "max")) == [0, 3]
    assert names(select(crowd, 5, "weak", "max"))[-1] == 4


def test_smaller_networks_may_be_wanted():
    pair = members([(0.5, 1.0), (0.5, 2.0)])
    assert names(select(pair, 1, "weak", "max")) == [1]
    assert names(select(pair, 1, "weak", "min")) == [0]


def test_the_final_one_is_the_most_accurate_of_the_first_front():
    last = members([(0.6, 9.0), (0.7, 3.0), (0.65, 2.0)])
    assert most_accurate(last, "weak", "max").name == "init/1"
    equal = members([(0.7, 3.0), (0.7, 9.0)])  # of these only one is on the front
    assert most_accurate(equal, "weak", "max").name == "init/1"
    assert most_accurate(equal, "weak", "min").name == "init/0"


# Crossing and inheritance


def test_crossing_exchanges_the_reduction_cells():
    a, b = (Member(f"init/{i}", (), {c: torch.full((2, 2), i + 0.1 * j) for j, c in enumerate(CELLS)}) for i in (1, 2))
    a, b = (Member(m.name, (), m.alphas, m.alphas) for m in (a, b))
    child, other = cross(a, b, "mid/2"), cross(b, a, "mid/3")
    assert child.parents == ("init/1", "init/2")
    assert child.alphas["normal"] is a.alphas["normal"]
    assert child.alphas["reduce"] is b.alphas["reduce"]
    assert other.alphas["normal"] is b.alphas["normal"]
    assert child.trace["reduce"] is b.trace["reduce"]


def test_children_join_their_parents():
    best = members([(0.9, 1.0), (0.8, 2.0), (0.7, 3.0)])
    family = next_generation(best, "mid", 3)
    assert [member.name for member in family] == [f"mid/{i}" for i in range(6)]
    assert [member.parents for member in family] == [
        ("init/0",), ("init/1",), ("init/2",), ("init/0", "init/1"), ("init/1", "init/0"), ("init/0", "init/2"),
    ]  # fmt: skip
    assert family[0].alphas is best[0].alphas


def test_alphas_that_lean_to_an_architecture_derive_it():
    space = DARTSSpace(channels=4, cells=3, include_none=True)
    architecture = space.read("DARTS_V2")
    shapes = space.supernet((1, 8, 8), 3).alpha_shapes
    assert space.derive(space.mix(alphas_of(architecture, space, shapes))) == architecture


# The whole


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("medarts") / "run"
    return experiment.search(compose([*WORDS, EVALUATED, f"strategy.stages=[{','.join(TINY)}]"]).config, folder)


def test_stages_grow_and_alphas_are_handed_on(found):
    family = {one["name"]: one for one in json.loads((found.folder / "artifacts/members.json").read_text())}
    assert list(family) == ["init/0", "init/1", "mid/0", "mid/1", "mid/2", "final/0"]
    assert {parent for one in family.values() for parent in one["parents"]} <= set(family)
    assert len(family["mid/2"]["parents"]) == 2
    assert {
        path.parent.relative_to(found.folder / "fits").as_posix()
        for path in (found.folder / "fits").rglob("weights.safetensors")
    } == set(family)
    page = (found.folder / "report.html").read_text()
    assert "who descends from whom" in page
    assert "through all stages" in page
    assert all(0 <= one["accuracy"] <= 1 for one in family.values())


def test_supernets_begin_at_their_parents_alphas(found):
    """The normal cell of the first parent, the reduction cell of the last one."""
    fits = {
        path.parent.relative_to(found.folder / "fits").as_posix(): load_file(path)
        for path in (found.folder / "fits").rglob("weights.safetensors")
    }
    inherited = 0
    for one in json.loads((found.folder / "artifacts/members.json").read_text()):
        for cell, parent in zip(CELLS, (one["parents"][:1], one["parents"][-1:]), strict=True):
            if parent:
                start = fits[one["name"]][f"trace_{cell}"][0]
                assert torch.equal(start, fits[parent[0]][f"trace_{cell}"][-1])
                inherited += 1
    assert inherited == 2 * 4


def test_images_of_a_stage_are_halved_first_so_that_none_changes_sides():
    pixels = torch.randint(0, 256, (400, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = ImageSet.of(pixels, torch.arange(400) % 4)
    data = SearchData(whole, tuple("abcd"), Preprocessing((0.5,) * 3, (0.3,) * 3, 4, True), 32, 0)
    method, (small, large) = MEDARTS(), stages({"images": 80}, {"images": 160})[:2]
    few, many, all_of_them = (method.images(stage, data) for stage in (small, large, stages()[0]))
    assert few.train.shape == (3, 8, 8)
    assert few.preprocessing.pad == 2
    assert [len(half) for half in (few.train, few.validation, many.train)] == [40, 40, 80]
    assert few.train.labels.bincount().tolist() == [10] * 4

    def pictures(images):
        return {image.numpy().tobytes() for image in images[torch.arange(len(images))][0]}

    assert pictures(few.train) < pictures(many.train) < pictures(all_of_them.train)
    assert not pictures(many.train) & pictures(all_of_them.validation)


def test_sizes_are_those_of_the_evaluation_network(found):
    family = {one["name"]: one for one in json.loads((found.folder / "artifacts/members.json").read_text())}
    network = DARTSSpace().build(found.architecture, (1, 8, 8), 10, channels=4, cells=20)
    assert family["final/0"]["x"] == sum(parameter.numel() for parameter in network.parameters()) / 1e6


def test_a_crash_in_the_middle_stage_repeats_nothing_that_was_finished(found, tmp_path, monkeypatch):
    fit, done = runs.Run.fit, []

    def crashing(self, module, name, *arguments, **options):
        if name == "mid/1" and not crashed:
            crashed.append(name)
            raise KeyboardInterrupt
        return fit(self, module, name, *arguments, **options)

    crashed = []
    monkeypatch.setattr(runs.Run, "fit", crashing)
    with pytest.raises(KeyboardInterrupt):
        experiment.search(compose([*WORDS, EVALUATED, f"strategy.stages=[{','.join(TINY)}]"]).config, tmp_path / "run")
    train = fitting.train
    monkeypatch.setattr(fitting, "train", lambda *a, name, **o: done.append(name) or train(*a, name=name, **o))
    resumed = experiment.resume(tmp_path / "run", [])
    assert done == ["mid/1", "mid/2", "final/0"]
    assert resumed.result == found.result
    for one in ("members.json", "family.svg"):
        assert (tmp_path / "run/artifacts" / one).read_bytes() == (found.folder / "artifacts" / one).read_bytes()


def test_experiments_have_the_papers_stages():
    for name in ("medarts_cifar10", "medarts_cifar100"):
        strategy = Parts(compose([f"+experiment={name}"]).config).strategy
        assert isinstance(strategy, MEDARTS)
        told = [(stage.cells, stage.epochs, stage.images, stage.population) for stage in strategy.stages]
        assert told == [(4, 5, 10_000, 8), (6, 5, 10_000, 4), (8, 15, 20_000, 1)]
        assert {stage.channels for stage in strategy.stages} == {16}
