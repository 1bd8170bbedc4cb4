"""The statistics of the benchmark that ranks the networks of a module."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from ranking_tables import tau_among


def test_the_tau_among_equals_is_that_of_each_group_weighted_by_its_pairs():
    ours, theirs = np.random.default_rng(0).random((2, 9))
    options = np.array([0, 1, 0, 0, 1, 1, 0, 1, 1])
    groups = [options == 0, options == 1]
    taus = [kendalltau(ours[group], theirs[group]).statistic for group in groups]
    pairs = [group.sum() * (group.sum() - 1) / 2 for group in groups]
    assert tau_among(options, ours, theirs) == pytest.approx(np.average(taus, weights=pairs))
    assert tau_among(np.zeros(9), ours, theirs) == pytest.approx(kendalltau(ours, theirs).statistic)
