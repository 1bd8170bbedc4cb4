"""Fronts and hypervolumes: against areas worked out by hand, pymoo's sorting, and counted points."""

import math

import numpy as np
import pytest
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from nasforge import Architecture, Evaluation, Objective, ParetoFront
from nasforge.pareto import normalized_hypervolume, undominated

UNIT = np.zeros(2), np.ones(2)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("steps", [4, 1000])  # coarse ones have many ties
def test_those_that_none_dominates_are_those_of_pymoos_first_front(objectives, steps):
    costs = np.random.default_rng(objectives).integers(0, steps, (300, objectives)).astype(float)
    expected = NonDominatedSorting().do(costs, only_non_dominated_front=True)
    assert np.flatnonzero(undominated(costs)).tolist() == sorted(expected.tolist())


def test_equal_ones_stay_and_what_failed_is_dominated():
    costs = np.array([[1.0, 2.0], [1.0, 2.0], [math.inf, 0.0], [math.inf, 1.0], [2.0, 2.0], [2.0, 1.0]])
    assert undominated(costs).tolist() == [True, True, True, False, False, True]
    assert undominated(np.array([])).tolist() == []


def test_a_front_of_thousands_none_of_which_dominates_another_is_whole():
    angles = np.linspace(0.01, 1.5, 5000)
    rows = [
        Evaluation(Architecture.of("", {"angle": x}), {"a": math.cos(x), "b": math.sin(x)}) for x in angles.tolist()
    ]
    assert len(ParetoFront(rows, [Objective("a", "max"), Objective("b", "max")])) == 5000


def test_areas_by_hand():
    # Two boxes that share a corner: 0.75 * 0.25 + 0.25 * 0.75 - 0.25 * 0.25.
    costs = np.array([[0.25, 0.75], [0.75, 0.25], [0.8, 0.8]])
    assert normalized_hypervolume(costs, *UNIT) == pytest.approx(0.3125)
    stretched = costs * [10.0, 0.1] + [-5.0, 3.0]
    assert normalized_hypervolume(stretched, np.array([-5.0, 3.0]), np.array([5.0, 3.1])) == pytest.approx(0.3125)


def test_three_objectives_against_the_share_of_random_points_that_are_dominated():
    rng = np.random.default_rng(0)
    costs, points = rng.random((20, 3)), rng.random((100_000, 3))
    dominated = (points[:, None, :] >= costs[None]).all(axis=2).any(axis=1).mean()
    found = normalized_hypervolume(costs, np.zeros(3), np.ones(3))
    assert found == pytest.approx(dominated, abs=4 * math.sqrt(0.25 / len(points)))


@pytest.mark.parametrize(
    ("costs", "share"),
    [
        ([], 0.0),
        ([[0.0, 0.0]], 1.0),
        ([[-3.0, -1.0]], 1.0),
        ([[-3.0, 0.5]], 0.5),
        ([[1.0, 0.0]], 0.0),
        ([[1.5, -9.0]], 0.0),
        ([[math.inf, 0.0], [0.5, 0.5]], 0.25),
        ([[0.5, 0.5], [0.5, 0.5]], 0.25),
    ],
)
def test_the_box_bounds_what_counts(costs, share):
    assert normalized_hypervolume(np.array(costs), *UNIT) == pytest.approx(share)


def test_an_objective_without_width_is_left_out_but_must_be_reached():
    ideal, nadir = np.array([0.0, 2.0]), np.array([1.0, 2.0])
    assert normalized_hypervolume(np.array([[0.25, 2.0]]), ideal, nadir) == pytest.approx(0.75)
    assert normalized_hypervolume(np.array([[0.25, 2.1]]), ideal, nadir) == 0.0
    assert normalized_hypervolume(np.array([[5.0, 2.0]]), nadir, nadir) == 0.0
    assert normalized_hypervolume(np.array([[1.0, 2.0]]), nadir, nadir) == 1.0
