"""Selection and adaptation of strategy=ntk_ga, on fronts drawn by hand and against SciPy's ranks."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import rankdata

from nasforge import Architecture, rank_sums
from nasforge_plugins.strategy.ntk_ga.algorithm import beaten, comparisons_lost, dealt, select
from nasforge_plugins.strategy.ntk_ga.variation import Adaptation, Child, adapted, mode_probabilities

INF = float("inf")
#                 a stair of four, one that is beaten, one that ties with the stair's second in one objective
STAIR = np.array([[1.0, 9.0], [2.0, 6.0], [5.0, 3.0], [9.0, 1.0], [8.0, 8.0], [2.0, 7.0]])


def test_strict_dominance_needs_every_objective():
    assert list(beaten(STAIR)) == [False, False, False, False, True, False]
    assert list(beaten(STAIR, "weak")) == [False, False, False, False, True, True]


def test_equal_rows_do_not_beat_each_other():
    twins = np.ones((3, 2))
    assert not beaten(twins).any()
    assert not beaten(twins, "weak").any()


def test_ranks_are_scipys():
    costs = np.random.default_rng(0).integers(0, 6, (30, 3)).astype(float)
    assert rank_sums(costs) == pytest.approx(sum(rankdata(column) for column in costs.T))
    by_hand = [sum(int(other < own) for row in costs for other, own in zip(row, cost, strict=True)) for cost in costs]
    assert list(comparisons_lost(costs)) == by_hand


def test_the_front_is_reduced_by_the_sum_of_ranks():
    costs = np.array(
        [[1.0, 9.0, 9.0], [9.0, 1.0, 8.0], [8.0, 8.0, 1.0], [2.0, 2.0, 2.0], [3.0, 7.0, 7.0], [7.0, 3.0, 3.0]]
    )
    assert not beaten(costs)[[0, 1, 2, 3]].any()
    assert select(costs, 1) == [0], "the best of the foremost objective, if one alone may stay"
    assert select(costs, 4) == sorted([0, 1, 2, 3], key=lambda row: rank_sums(costs[:4])[row])
    assert set(select(costs, 4)) == {0, 1, 2, 3}


def test_champions_stay_though_their_ranks_are_bad():
    rng = np.random.default_rng(1)
    front = rng.dirichlet([1, 1, 1], 40)  # nobody beats anybody on a simplex
    assert not beaten(front).any()
    for n in (3, 5, 12):
        kept = select(front, n)
        assert len(set(kept)) == n
        assert set(front.argmin(axis=0)) <= set(kept)
    best_sums = set(np.argsort(rank_sums(front))[:9])
    assert best_sums <= set(select(front, 12)), "beside the three champions, the smallest sums"


def test_a_small_front_is_filled_with_those_that_lose_least():
    costs = np.array([[1.0, 1.0], [5.0, 2.0], [4.0, 4.0], [3.0, 5.0], [6.0, 6.0], [2.0, 3.0]])
    assert list(np.flatnonzero(~beaten(costs))) == [0]
    lost = comparisons_lost(costs)
    assert set(select(costs, 3)) == {0, *sorted(range(1, 6), key=lambda row: lost[row])[:2]}
    assert sorted(select(costs, 10)) == list(range(6))


def test_who_failed_survives_only_among_its_like():
    costs = np.array([[INF, INF], [3.0, 3.0], [1.0, INF], [4.0, 2.0]])
    assert sorted(select(costs, 3)) == [1, 3]
    assert select(np.full((3, 2), INF), 2) == [0, 1]


def test_one_objective_is_sorted():
    costs = np.array([[3.0], [1.0], [2.0], [1.5]])
    assert select(costs, 3) == [1, 3, 2]


# Adaptation


def test_the_chances_are_those_of_the_seed():
    chances = mode_probabilities(0.3, 0.2)
    assert [chances[mode] for mode in ("uniform", "minimum", None)] == pytest.approx([0.264, 0.176, 0.56])
    assert mode_probabilities(0, 0) == {"uniform": 0.0, "minimum": 0.0, None: 1.0}
    assert mode_probabilities(1, 0)["uniform"] == 1


def test_modes_are_drawn_by_their_chances():
    rates, rng = Adaptation(0.3, 0.2, 0.5), np.random.default_rng(0)
    drawn = Counter(rates.draw_mode(rng) for _ in range(10_000))
    assert [drawn[mode] / 10_000 for mode in ("uniform", "minimum", None)] == pytest.approx(
        [0.264, 0.176, 0.56], abs=0.02
    )


def test_a_rate_is_a_running_share_of_successes():
    assert adapted(0.3, True) == pytest.approx(0.98 * 0.3 + 0.02)
    assert adapted(0.3, False) == pytest.approx(0.98 * 0.3)
    rate, rng = 0.3, np.random.default_rng(0)
    seen = []
    for _ in range(20_000):
        rate = adapted(rate, bool(rng.random() < 0.7))
        seen.append(rate)
    assert np.mean(seen[1000:]) == pytest.approx(0.7, abs=0.02)


def test_rates_and_counts_follow_what_survived():
    one, two, three = (Architecture.of("any", {"v": value}) for value in range(3))
    rates = Adaptation(0.3, 0.2, 0.5)
    rates.learn([Child(one, "uniform", "skip"), Child(two, "minimum", "skip"), Child(three, None, "pool")], {one})
    assert (rates.uniform, rates.minimum) == pytest.approx((0.98 * 0.3 + 0.02, 0.98 * 0.2))
    assert rates.used == {"skip": 2, "pool": 1}
    assert rates.succeeded == {"skip": 1, "pool": 0}


def test_operations_weigh_what_they_earned_and_what_is_unknown_of_them():
    rates = Adaptation(0.3, 0.2, 0.5, used=Counter(a=4, b=2), succeeded=Counter(a=3))
    assert rates.weights(["a", "b", "c"]) == pytest.approx(
        {"a": 0.5 * 0.75 + 0.2, "b": 0.5 * 0.5 + 0.2, "c": 0.5 + 0.2}
    )


def test_exploration_fades_with_every_mutation():
    rates = Adaptation(0.3, 0.2, 0.5)
    for _ in range(10):
        given = rates.rates(["a"], 0.55, 0.2, 30)
    assert rates.exploration == pytest.approx(0.5 * 0.996**10)
    assert rates.mean_channels == pytest.approx(30 - 20 * 0.9**10)
    assert (given.resize, given.swap, given.mean_channels) == (0.55, 0.2, rates.mean_channels)


# Groups


def test_the_best_do_not_meet_each_other():
    assert dealt(range(10), 5) == [[0, 5], [1, 6], [2, 7], [3, 8], [4, 9]]
    assert dealt(range(7), 5) == [[0, 5], [1, 6], [2], [3], [4]]
    assert dealt(range(3), 5) == [[0], [1], [2]]
