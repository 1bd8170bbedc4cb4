"""space.among: every strategy that only asks stays among a table's architectures."""

import numpy as np
import pytest

import nasforge
from nasforge import AskTellStrategy, VectorEncoded, find_table
from nasforge.registry.entry_points import registry
from nasforge_plugins.space.mnasnet import MnasNet

TABLE = "accel_nasbench"
FITTING = [
    name
    for name, strategy in registry("strategy").working.items()
    if issubclass(strategy, AskTellStrategy) and set(strategy.needs) <= {VectorEncoded}
]
QUICK = {"bananas": ["strategy.epochs=2"]}
"""Options of strategies that take long."""


@pytest.mark.parametrize("strategy", FITTING)
def test_every_strategy_stays_within_the_table(strategy):
    words = [f"space.among={TABLE}", "budget.evaluations=40", "objectives=[accuracy]", *QUICK.get(strategy, [])]
    simulation = nasforge.simulate(strategy, TABLE, "imagenet", range(2), overrides=words)
    assert simulation.feasible.all(), "a candidate is not in the table"
    assert (simulation.asked >= 0).all()


def test_neighbors_are_the_nearest_rows():
    space, table = MnasNet(among=TABLE), find_table(TABLE)
    architecture = space.sample(np.random.default_rng(0))
    vector = space.encode(architecture)
    differing = np.count_nonzero(table.vectors != vector, axis=1)
    neighbors = space.neighbors(architecture)
    distances = [np.count_nonzero(space.encode(neighbor) != vector) for neighbor in neighbors]
    assert architecture not in neighbors
    assert len(set(neighbors)) == len(neighbors) >= 8
    assert sorted(distances) == sorted(differing[(differing > 0) & (differing <= max(distances))])


def test_a_vector_outside_stands_for_the_nearest_row():
    space, table = MnasNet(among=TABLE), find_table(TABLE)
    rng = np.random.default_rng(1)
    for _ in range(5):
        vector = rng.integers(space.cardinalities)
        distance = np.count_nonzero(space.encode(space.nearest(vector)) != vector)
        assert distance == np.count_nonzero(table.vectors != vector, axis=1).min()
    assert MnasNet().nearest(vector) == space.decode(vector)
