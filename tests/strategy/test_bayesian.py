"""Bayesian optimization: its acquisition, what it proposes, and how it treats constraints and failures."""

import numpy as np
import pytest
from pymoo.indicators.hv import Hypervolume
from scipy.integrate import quad
from scipy.stats import norm

from nasforge import Constraint, Evaluation, Objective, OptionError, build
from nasforge_plugins.strategy.bayesian import Bayesian
from nasforge_plugins.strategy.bayesian.acquisition import expected_improvement, reference_point

SPACE = build("space", {"name": "nasbench201"})
SCORE, SIZE = Objective("score", "max"), Objective("size", "min")


# The acquisition


def test_with_one_objective_it_is_the_expected_improvement():
    mean, deviation = np.array([[0.2], [1.0], [3.0]]), np.array([[0.5], [0.1], [2.0]])
    computed = expected_improvement(mean, deviation, np.array([[0.8], [0.9]]), np.array([5.0]))
    z = (0.8 - mean) / deviation
    closed_form = (0.8 - mean) * norm.cdf(z) + deviation * norm.pdf(z)
    np.testing.assert_allclose(computed, closed_form[:, 0])
    for value, center, scale in zip(computed, mean[:, 0], deviation[:, 0], strict=True):
        improvement = quad(lambda y, c=center, s=scale: (0.8 - y) * norm.pdf(y, c, s), -20, 0.8, points=[center])
        assert value == pytest.approx(improvement[0], rel=1e-6)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_with_several_it_is_the_mean_improvement_of_the_librarys_hypervolume(objectives):
    rng = np.random.default_rng(objectives)
    costs, reference = rng.random((7, objectives)), np.ones(objectives)
    costs[0] = 1.2  # beyond the reference, and dominated
    mean, deviation = rng.uniform(0.1, 0.9, (3, objectives)), rng.uniform(0.05, 0.4, (3, objectives))
    hypervolume = Hypervolume(ref_point=reference)
    before = hypervolume(costs)
    computed = expected_improvement(mean, deviation, costs, reference)
    for value, center, scale in zip(computed, mean, deviation, strict=True):
        draws = rng.normal(center, scale, (1500, objectives))
        gains = [hypervolume(np.vstack([costs, draw])) - before for draw in draws]
        assert abs(value - np.mean(gains)) < 4 * np.std(gains) / np.sqrt(len(gains))


def test_without_a_front_everything_below_the_reference_is_gained():
    computed = expected_improvement(np.zeros((1, 2)), np.full((1, 2), 1e-9), np.empty((0, 2)), np.array([2.0, 3.0]))
    assert computed == pytest.approx(6)


def test_the_reference_is_a_little_worse_than_the_front():
    front, costs = np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[0.0, 5.0], [9.0, 7.0]])
    np.testing.assert_allclose(reference_point(front, costs), [2.2, 5.1])


# What it proposes


def begun(strategy, *objectives, constraints=(), seed=0):
    strategy.space, strategy.rng = SPACE, np.random.default_rng(seed)
    strategy.objectives, strategy.constraints = objectives or (SCORE,), constraints
    strategy.begin()
    return strategy


def convolutions(cell):
    return float((SPACE.encode(cell) == 3).sum())


def judged(cells, limit=np.inf):
    """The score is the number of 3x3 convolutions; the size grows with it and with 1x1 convolutions."""
    for cell in cells:
        size = convolutions(cell) + 0.3 * float((SPACE.encode(cell) == 2).sum())
        status = "ok" if size <= limit else "infeasible"
        yield Evaluation(cell, {"score": convolutions(cell), "size": size}, status=status)


def searched(strategy, rounds, limit=np.inf):
    """All cells that it asked for, by round."""
    asked = []
    for _ in range(rounds):
        asked.append(strategy.ask())
        strategy.tell(list(judged(asked[-1], limit)))
    return asked


def test_it_finds_what_the_process_can_learn():
    strategy = begun(Bayesian())
    *_, last = searched(strategy, 9)
    assert max(map(convolutions, strategy.evaluations)) == 6
    assert len(strategy.evaluations) == 10 + 8 * 5
    assert len(set(last)) == 5


def test_it_spreads_over_the_front():
    strategy = begun(Bayesian(), SCORE, SIZE)
    searched(strategy, 10)
    front = {(score, score) for score in range(7)}  # only 3x3 convolutions
    found, at_random = (
        front & {(each.metrics["score"], each.metrics["size"]) for each in evaluations}
        for evaluations in (
            strategy.evaluations.values(),
            judged([SPACE.sample(strategy.rng) for _ in strategy.evaluations]),
        )
    )
    assert len(found) >= 5 > len(at_random)


def test_from_a_start_that_breaks_the_constraint_it_goes_to_where_it_holds():
    limit = 1.0
    strategy = begun(Bayesian(random=0.0), constraints=(Constraint("size", upper=True, limit=limit),))
    large = [SPACE.decode(np.array([3, 3, 3, 3, 3, last])) for last in (0, 2, 3)]
    strategy.tell(list(judged(large, limit)))
    searched(strategy, 8, limit)
    feasible = [evaluation for evaluation in strategy.evaluations.values() if evaluation.ok]
    assert max(evaluation.metrics["score"] for evaluation in feasible) == 1
    last = list(judged(strategy.ask(), limit))
    assert sum(evaluation.ok for evaluation in last) >= 3


def test_failures_teach_it_to_stay_away_and_a_start_of_failures_is_repeated():
    strategy = begun(Bayesian(population=4, batch=2))
    strategy.tell([Evaluation(cell, {}, status="failed", reason="too large") for cell in strategy.ask()])
    assert len(strategy.ask()) == 4
    rng = np.random.default_rng(5)
    strategy.tell(list(judged([SPACE.sample(rng) for _ in range(3)])))
    assert len(strategy.ask()) == 2
    assert np.isfinite(strategy._costs()).all()


def test_a_batch_is_no_larger_than_the_candidates():
    with pytest.raises(OptionError, match=r"strategy\.batch=200 is more than strategy\.candidates=100"):
        Bayesian(batch=200)
