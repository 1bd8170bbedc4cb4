"""All architectures of a mix, in the order of their probability."""

import itertools

import numpy as np
import pytest
import torch

from nasforge import build
from nasforge.bounds.discretization import Discretization, by_score, score_of


def test_every_selection_comes_once_and_in_order():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = [np.log(rng.dirichlet(np.ones(count))) for count in rng.integers(1, 5, size=5)]
        selections = list(by_score(scores))
        assert sorted(selections) == sorted(itertools.product(*(range(len(score)) for score in scores)))
        sums = [score_of(scores, selection) for selection in selections]
        assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(sums))


@pytest.mark.parametrize(("space", "size"), [("nasbench201", 15_625), ("darts", (49 * 147 * 294 * 490) ** 2)])
def test_selections_are_the_architectures_of_the_space(space, size):
    space = build("space", {"name": space})
    mix = space.mix_of(space.sample(np.random.default_rng(0)))
    discretization = Discretization(space, mix)
    assert discretization.size == size
    some = {discretization.architecture(discretization.random(np.random.default_rng(seed))) for seed in range(50)}
    assert len(some) == 50
    assert all(space.validate(architecture) == architecture for architecture in some)


def test_a_weight_of_zero_is_less_probable_than_any_other():
    space = build("space", {"name": "nasbench201"})
    mix = {"cell": torch.full((6, 5), 0.25)}
    mix["cell"][:, 3] = 0.0
    scores = Discretization(space, mix).scores(mix)
    assert all(np.isfinite(score).all() and score.argmin() == 3 for score in scores)
