"""The exact choice under limits, against every choice there is."""

import itertools

import numpy as np
import pytest

from nasforge.bounds.knapsack import best_choice


def instance(rng, limits):
    """Scores, sizes and limits of random groups; some have ties, sizes of 0 and negative sizes (lower bounds)."""
    options = rng.integers(1, 6, size=rng.integers(1, 7))
    coarse = rng.random() < 0.5
    scores = [np.log(rng.dirichlet(np.full(count, rng.choice([0.1, 1, 1e4])))) for count in options]
    sizes = [rng.integers(-3, 6, (count, limits)).astype(float) if coarse else rng.normal(size=(count, limits))
             for count in options]  # fmt: skip
    totals = np.array([sum(size[place] for size, place in zip(sizes, choice, strict=True))
                       for choice in itertools.product(*map(range, options))])  # fmt: skip
    return scores, sizes, np.quantile(totals, rng.uniform(0, 0.8), axis=0) + rng.choice([0, 0.1, -0.1])


@pytest.mark.parametrize("limits", [1, 2, 3])
def test_no_choice_within_the_limits_has_a_larger_score(limits):
    rng = np.random.default_rng(limits)
    impossible = 0
    for _ in range(150):
        scores, sizes, bounds = instance(rng, limits)
        best = max(
            (
                sum(score[place] for score, place in zip(scores, choice, strict=True))
                for choice in itertools.product(*(range(len(score)) for score in scores))
                if (sum(size[place] for size, place in zip(sizes, choice, strict=True)) <= bounds + 1e-9).all()
            ),
            default=None,
        )
        choice = best_choice(scores, sizes, bounds)
        if best is None:
            assert choice is None
            impossible += 1
            continue
        assert (sum(size[place] for size, place in zip(sizes, choice, strict=True)) <= bounds + 1e-7).all()
        assert sum(score[place] for score, place in zip(scores, choice, strict=True)) == pytest.approx(best, abs=1e-9)
    assert impossible < 100
