"""Rank tests between strategies: against scipy's exact distribution, counted orders, and Holm's procedure by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, ttest_ind

from nasforge.statistics.rank_tests import fewest, holm, rank_tests


def counted(one, other):
    """The two-sided p of U by going through all ways to share the runs out: mid-ranks, no approximation."""
    every = np.array([*one, *other], dtype=float)

    def u(indices):
        mine, others = every[list(indices)], np.delete(every, list(indices))
        return np.mean(np.sign(mine[:, None] - others[None]) / 2 + 0.5) - 0.5

    seen = [abs(u(indices)) for indices in itertools.combinations(range(len(every)), len(one))]
    return np.mean(np.array(seen) >= abs(u(range(len(one)))) - 1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2, 3], [4, 5, 6]),
        ([1, 1, 1], [2, 2, 2]),
        ([0.9, 0.8, 0.85, 0.7], [0.6, 0.75, 0.85, 0.5, 0.4]),
        ([3, 1, 2, 2, 5], [2, 2, 7, 9, 9]),
    ],
)
def test_a_few_runs_are_counted_exactly(one, other):
    (test,) = rank_tests(["one", "other"], [one, other], "max")
    assert test.p == pytest.approx(counted(one, other))


def test_many_runs_are_scipys():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=20), rng.normal(0.5, size=25)
    (test,) = rank_tests(["one", "other"], [one, other], "max")
    expected = mannwhitneyu(one, other, alternative="two-sided", method="auto")
    assert test.p == pytest.approx(expected.pvalue)
    assert (test.first, test.second) == ("other", "one")
    assert test.wins == pytest.approx(1 - expected.statistic / (20 * 25))
    assert test.sizes == (25, 20)


def test_direction_turns_the_winner_and_leaves_p():
    values = [[1, 2, 3, 4], [2, 5, 6, 7]]
    (more,), (less,) = (rank_tests(["a", "b"], values, direction) for direction in ("max", "min"))
    assert (more.first, less.first) == ("b", "a")
    assert more.p == pytest.approx(less.p)


def test_holm_by_hand():
    """Holm 1979: sorted p times 4, 3, 2, 1, never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_correction_counts_the_tests_that_can_be_made():
    tests = rank_tests(["a", "b", "c"], [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9]], "max")
    possible = [test for test in tests if test.possible]
    assert [{test.first, test.second} for test in possible] == [{"a", "b"}]
    assert possible[0].corrected == possible[0].p
    for test in tests:
        if not test.possible:
            assert math.isnan(test.corrected)
            assert not test.significant
            assert "5 of each are needed" in test.verdict  # 3 pairs: 3 x 2 / 252 < 0.05, with 4 runs 3 x 2 / 70 is not


def test_three_runs_each_cannot_be_significant_and_it_is_said():
    (test,) = rank_tests(["a", "b"], [[1, 2, 3], [4, 5, 6]], "max")
    assert test.p == pytest.approx(0.1)
    assert not test.significant
    assert test.verdict == "NOT significant: 4 runs of each are needed"


@pytest.mark.parametrize("pairs", [1, 3, 10])
def test_as_many_runs_as_it_takes_can_be_significant_and_fewer_cannot(pairs):
    for runs, expected in ((fewest(pairs), True), (fewest(pairs) - 1, False)):
        (test,) = rank_tests(["a", "b"], [range(runs), range(100, 100 + runs)], "max")
        assert (holm([test.p] * pairs)[0] < 0.05) == expected


def test_the_difference_has_welchs_interval_in_its_own_sign():
    (test,) = rank_tests(["a", "b"], [[1.0, 2.0, 4.0], [5.0, 6.0, 8.0]], "min")
    expected = ttest_ind([1, 2, 4], [5, 6, 8], equal_var=False).confidence_interval(0.95)
    assert (test.first, test.difference) == ("a", pytest.approx(-4.0))
    assert (test.interval.low, test.interval.high) == pytest.approx((expected.low, expected.high))
    (alone,) = rank_tests(["a", "b"], [[1.0], [5.0]], "max")
    assert (alone.difference, alone.interval) == (4.0, None)


def test_equal_runs_do_not_differ():
    (test,) = rank_tests(["a", "b"], [[1, 1, 1], [1, 1, 1, 1]], "max")
    assert (test.p, test.wins, test.significant) == (1.0, 0.5, False)
