"""ME-DARTS piece by piece: its stages, selection against pymoo and by hand, crossover, inheritance and images."""

import numpy as np
import pytest
import torch
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from nasforge import Architecture, ImageSet, OptionError, Preprocessing, SearchData
from nasforge_plugins.space.darts import DARTS as DARTSSpace
from nasforge_plugins.strategy.medarts.algorithm import STAGES
from nasforge_plugins.strategy.medarts.pictures import Trace, approximations, lineages, unequal_training
from nasforge_plugins.strategy.medarts.population import (
    TrainedMember,
    alphas_of,
    cross,
    fronts,
    inherit,
    most_accurate,
    next_generation,
    normalized_costs,
    select,
)
from nasforge_plugins.strategy.medarts.stages import (
    Stage,
    check_images,
    check_stages,
    images_of,
    scale_of,
    without_crossing,
)

CELLS = ("normal", "reduce")


def stages(*changes):
    """Three small stages; `changes` holds options of the first, the second and the third."""
    small = [{"name": n, "cells": 4, "epochs": 1, "population": p} for n, p in (("init", 4), ("mid", 4), ("final", 1))]
    return [Stage(**{**options, **change}) for options, change in zip(small, [*changes, {}, {}, {}], strict=False)]


def member(name, accuracy=0.5, size=1.0, alphas=None, parents=(), epochs=1):
    alphas = alphas or {cell: torch.full((14, 8), float(place)) for place, cell in enumerate(CELLS)}
    return TrainedMember(
        name=name, parents=parents, alphas=alphas, trace=alphas, epochs=epochs, accuracy=accuracy, params_m=size,
        architecture=Architecture.of("darts", {}),
    )  # fmt: skip


def members(points):
    """Members of the first stage, one for each pair of accuracy and size."""
    return [member(f"init/{number}", accuracy, size) for number, (accuracy, size) in enumerate(points)]


def numbers(chosen):
    return [int(member.name.partition("/")[2]) for member in chosen]


# Stages


def test_half_of_a_population_are_parents_by_default():
    assert [Stage(name="a", cells=4, epochs=1, population=n).survivors for n in (1, 2, 3, 4, 8)] == [1, 2, 2, 2, 4]
    assert Stage(name="a", cells=4, epochs=1, population=4, parents=3).children == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([], r"strategy\.stages=\[\] trains nothing"),
        (stages({}, {"name": "init"}), "two stages named 'init'"),
        (stages({"name": "a/b"}), "'a/b' cannot name a stage"),
        (stages({"name": ".."}), "'..' cannot name a stage"),
        (stages({"parents": 2}), "'init' is the first stage"),
        (
            stages({}, {"population": 6, "parents": 5}),
            "'mid' has 5 parents .* 'init' has 4 members; parents must be at most 4",
        ),
        (stages({"population": 8}, {"population": 6, "parents": 2}), "are at most 4; parents must be at least 3"),
        (stages({}, {}, {"parents": 2}), "'final' has 2 parents"),
    ],
)
def test_an_error_names_the_stage_whose_population_cannot_be_filled(wrong, sentence):
    with pytest.raises(OptionError, match=sentence):
        check_stages(wrong)


def test_by_default_a_search_has_three_stages_and_crosses():
    check_stages(STAGES)
    assert [stage.cells for stage in STAGES] == [4, 6, 8]
    assert [stage.children for stage in STAGES[1:]] == [1, 0]


def test_a_space_of_one_cell_type_crosses_nothing():
    settled = without_crossing(stages({}, {"population": 3}), "nasbench201")
    assert [(stage.survivors, stage.children) for stage in settled[1:]] == [(3, 0), (1, 0)]
    with pytest.raises(OptionError, match="'mid' crosses 2 parents, but space 'nasbench201' has a single cell type"):
        without_crossing(stages({}, {"parents": 2}), "nasbench201")
    with pytest.raises(
        OptionError, match=r"'mid' has a population of 6, but 'init' has 4.* population must be at most 4"
    ):
        without_crossing(stages({}, {"population": 6}), "nasbench201")


def test_a_stage_asks_for_no_more_images_than_there_are():
    check_images(stages({"images": 80}), 100, 10)
    with pytest.raises(OptionError, match="'init' asks for 120 images, and there are 100"):
        check_images(stages({"images": 120}), 100, 10)
    with pytest.raises(OptionError, match=r"'mid' asks for 50 images, which do not divide evenly.*; 40 would fit"):
        check_images(stages({}, {"images": 50}), 100, 10)


# Selection


@pytest.mark.parametrize("seed", range(10))
def test_weak_dominance_and_crowding_equal_pymoos(seed):
    population = members(np.random.default_rng(seed).random((12, 2)))
    everyone = Population.new("F", normalized_costs(population, "max"))
    survival, problem = RankAndCrowding(), Problem(n_var=1, n_obj=2)
    survival.do(problem, everyone, n_survive=12)
    standing = list(zip(everyone.get("rank"), everyone.get("crowding"), strict=True))
    survivors = survival.do(problem, everyone, n_survive=5)
    # Not the same members: the two ends of a front are equally far out, and pymoo may take either.
    expected = sorted(zip(survivors.get("rank"), survivors.get("crowding"), strict=True))
    assert sorted(standing[place] for place in numbers(select(population, 5, "weak", "max"))) == expected


def test_fronts_by_hand():
    costs = np.array([[0, 3], [1, 1], [1, 2], [3, 0], [1, 1]])
    assert [sorted(front) for front in fronts(costs, "weak")] == [[0, 1, 3, 4], [2]]
    assert [sorted(front) for front in fronts(costs, "strict")] == [[0, 1, 2, 3, 4]]
    assert [sorted(front) for front in fronts(np.array([[0, 0], [1, 1], [0, 2], [2, 2]]), "strict")] == [
        [0, 2],
        [1],
        [3],
    ]


@pytest.mark.parametrize("dominance", ["weak", "strict"])
def test_nothing_dominates_the_first_front(dominance):
    costs = np.random.default_rng(1).integers(0, 6, (30, 2)).astype(float)

    def dominated(row):
        if dominance == "strict":
            return any((other < row).all() for other in costs)
        return any((other <= row).all() and (other < row).any() for other in costs)

    expected = [place for place, row in enumerate(costs) if not dominated(row)]
    first, *others = fronts(costs, dominance)
    assert sorted(first) == expected
    assert sorted(place for front in [first, *others] for place in front) == list(range(30))


def test_strict_dominance_keeps_members_that_weak_dominance_drops():
    pair = members([(0.5, 2.0), (0.5, 1.0), (0.4, 1.0)])
    assert [len(front) for front in fronts(normalized_costs(pair, "max"), "weak")] == [1, 1, 1]
    assert [sorted(front) for front in fronts(normalized_costs(pair, "max"), "strict")] == [[0, 1], [2]]


def test_equal_members_do_not_eliminate_each_other():
    twins = members([(0.5, 2.0), (0.5, 2.0), (0.4, 1.0)])
    assert sorted(numbers(select(twins, 2, "weak", "max"))) == [0, 1]
    spread = members([(0.9, 1.0), (0.9, 1.0), (0.5, 3.0), (0.5, 3.0), (0.7, 2.0)])
    assert sorted(numbers(select(spread, 3, "weak", "max"))) == [0, 2, 4], "copies add no diversity"
    same = members([(0.5, 2.0)] * 3)
    assert len(select(same, 2, "weak", "max")) == 2, "a range of zero divides nothing"


def test_the_ends_of_a_front_come_first_the_more_accurate_one_before_the_other():
    crowd = members([(0.9, 1.0), (0.8, 2.0), (0.79, 2.1), (0.2, 3.0), (0.1, 0.5)])
    assert numbers(select(crowd, 1, "weak", "max")) == [0]
    assert numbers(select(crowd, 2, "weak", "max")) == [0, 3]
    assert numbers(select(crowd, 5, "weak", "max"))[-1] == 4


def test_size_min_prefers_small_networks():
    pair = members([(0.5, 1.0), (0.5, 2.0)])
    assert numbers(select(pair, 1, "weak", "max")) == [1]
    assert numbers(select(pair, 1, "weak", "min")) == [0]


def test_the_final_member_is_the_most_accurate_of_the_first_front():
    last = members([(0.6, 9.0), (0.7, 3.0), (0.65, 2.0)])
    assert most_accurate(last, "weak", "max").name == "init/1"
    equal = members([(0.7, 3.0), (0.7, 9.0)])  # only one of these is on the front
    assert most_accurate(equal, "weak", "max").name == "init/1"
    assert most_accurate(equal, "weak", "min").name == "init/0"


# Crossing and inheritance


def test_crossing_exchanges_the_reduction_cells():
    a, b = (member(f"init/{number}", alphas={cell: torch.rand(2, 2) for cell in CELLS}) for number in (1, 2))
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


def test_a_lineage_follows_each_cell_type_to_its_own_founder():
    first, second = members([(0.9, 1.0), (0.8, 2.0)])
    child = member("mid/2", parents=cross(first, second, "mid/2").parents)
    heir = member("final/0", parents=inherit(child, "final/0").parents)
    lines = lineages(heir, [first, second, child, heir])
    names = {cell: [ancestor.name for ancestor in line] for cell, line in lines.items()}
    assert names == {"normal": ["init/0", "mid/2", "final/0"], "reduce": ["init/1", "mid/2", "final/0"]}


def test_alphas_that_lean_to_an_architecture_derive_it():
    space = DARTSSpace(channels=4, cells=3, include_none=True)
    architecture = space.read("DARTS_V2")
    shapes = space.supernet((1, 8, 8), 3).alpha_shapes
    assert space.derive(space.mix(alphas_of(architecture, space, shapes))) == architecture


# Notes


def test_a_note_names_the_stage_in_which_members_trained_unequally():
    notes = unequal_training(
        [member("init/0", epochs=2), member("init/1"), member("mid/0")], stages({"epochs": 2}, {"name": "mid"})[:2]
    )
    assert notes == ["out of time in stage 'init': its members trained for 2, 1 of 2 epochs"]


def test_notes_name_scaled_images_and_supernets_that_cannot_grow():
    supernet = DARTSSpace(channels=4, cells=3).supernet((1, 8, 8), 3)
    assert approximations(DARTSSpace(), Trace([], member("a/0"), supernet, 1.0, True), stages()) == []
    supernet.options = {"channels": 4}
    notes = approximations(DARTSSpace(), Trace([], member("a/0"), supernet, 0.5, False), stages())
    assert "supernets of space 'darts' have a fixed depth" in notes[0]
    assert "images scaled by 0.5; the control is omitted" in notes[1]


# Images


def test_subsets_are_taken_of_each_half_so_that_no_image_changes_sides():
    pixels = torch.randint(0, 256, (400, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = ImageSet.of(pixels, torch.arange(400) % 4)
    data = SearchData(whole, tuple("abcd"), Preprocessing((0.5,) * 3, (0.3,) * 3, 4, True), 32, 0)
    small, large = stages({"images": 80}, {"images": 160})[:2]
    few, many, all_of_them = (images_of(stage, data, 0.5) for stage in (small, large, stages()[0]))
    assert few.train.shape == (3, 8, 8)
    assert few.preprocessing.pad == 2
    assert [len(half) for half in (few.train, few.validation, many.train)] == [40, 40, 80]
    assert few.train.labels.bincount().tolist() == [10] * 4

    def pictures(images):
        return {image.numpy().tobytes() for image in images[torch.arange(len(images))][0]}

    assert pictures(few.train) < pictures(many.train) < pictures(all_of_them.train)
    assert not pictures(many.train) & pictures(all_of_them.validation)


def test_images_of_16_pixels_and_more_are_scaled_by_half():
    def data(side):
        images = ImageSet.of(torch.zeros(4, 3, side, side, dtype=torch.uint8), torch.arange(4) % 2)
        return SearchData(images, ("a", "b"), Preprocessing((0.5,) * 3, (0.3,) * 3), 2, 0)

    assert [scale_of(data(side), None) for side in (8, 16, 32)] == [1.0, 0.5, 0.5]
    assert scale_of(data(8), 0.5) == 0.5
