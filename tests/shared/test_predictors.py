"""Regression models of architectures: features with fixed columns, an exact posterior, and calibrated uncertainty."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, PairwiseKernel, WhiteKernel

from nasforge import build, find_table
from nasforge_plugins.shared.predictors import (
    MLP,
    Boosting,
    Calibrated,
    DecisionEncoder,
    Forest,
    GaussianProcess,
    PathEncoder,
    Regressor,
    Ridge,
    encoded,
    encoders,
    tamed,
)
from nasforge_plugins.shared.predictors.gaussian_process import LENGTHS, NOISES

SPACE = build("space", {"name": "nasbench201"})


def cells(count, seed=0):
    rng = np.random.default_rng(seed)
    return [SPACE.sample(rng) for _ in range(count)]


def hamming(a, b):
    return np.abs(a[:, None] - b[None]).sum(axis=2)


# Features


def test_distances_to_what_an_encoder_was_made_from_are_those_between_sets_of_paths():
    known, others = cells(5), cells(40, seed=1)
    encoder, together = PathEncoder(SPACE, known), encoded(SPACE, [*known, *others])
    assert (encoder(others)[:, -1] > 1).any(), "some have several paths that none of the known cells has"
    np.testing.assert_array_equal(hamming(encoder(others), encoder(known)), hamming(together[5:], together[:5]))


def test_a_row_of_features_does_not_depend_on_the_others():
    encoder, others = PathEncoder(SPACE, cells(5)), cells(10, seed=1)
    alone = [encoder([architecture])[0] for architecture in others]
    np.testing.assert_array_equal(encoder(others), alone)


def test_without_cells_the_features_are_the_decisions():
    space = build("space", {"name": "nasbench_macro"})
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(4)]
    (encoder,) = encoders(space, architectures[:1])
    np.testing.assert_array_equal(encoder(architectures), encoded(space, architectures))
    assert [type(encoder) for encoder in encoders(SPACE, cells(2))] == [PathEncoder, DecisionEncoder]


# The Gaussian process


@pytest.fixture(scope="module")
def noisy():
    """Features and costs of 40 cells: the number of convolutions, with noise."""
    architectures, rng = cells(40), np.random.default_rng(2)
    costs = np.array([float((SPACE.encode(cell) == 3).sum()) for cell in architectures]) + rng.normal(0, 0.3, 40)
    return PathEncoder(SPACE, architectures)(architectures), costs


def reference(length, noise, variance):
    """The same process by scikit-learn."""
    signal = ConstantKernel(variance) * PairwiseKernel(1 / length, metric="laplacian")
    return GaussianProcessRegressor(signal + WhiteKernel(variance * noise), alpha=0.0, optimizer=None)


def test_the_posterior_is_that_of_scikit_learn(noisy):
    features, costs = noisy
    process = GaussianProcess()
    process.train(features[:30], costs[:30])
    other = reference(process.length, process.noise, process.variance).fit(features[:30], costs[:30] - process.center)
    mean, deviation = process.predict(features)
    expected, uncertainty = other.predict(features, return_std=True)
    np.testing.assert_allclose(mean, process.center + expected, rtol=1e-9)
    np.testing.assert_allclose(deviation, uncertainty, rtol=1e-7)
    assert process.likelihood == pytest.approx(other.log_marginal_likelihood_value_)
    without_noise = process.posterior(features)[1]
    np.testing.assert_allclose(without_noise**2 + process.noise * process.variance, uncertainty**2, rtol=1e-7)


def test_no_hyperparameters_of_the_grid_and_no_variance_are_more_likely(noisy):
    features, costs = noisy
    process = GaussianProcess()
    process.train(features, costs)
    unit = hamming(features, features).mean()
    trials = [(unit * length, noise, process.variance) for length in LENGTHS for noise in NOISES[::5]]
    trials += [(process.length, process.noise, process.variance * factor) for factor in (0.9, 1.1)]
    for trial in trials:
        likelihood = reference(*trial).fit(features, costs - process.center).log_marginal_likelihood_value_
        assert likelihood < process.likelihood + 1e-6


def test_believing_its_own_prediction_changes_only_what_it_is_sure_of(noisy):
    features, costs = noisy
    process = GaussianProcess()
    process.train(features[:30], costs[:30])
    mean, deviation = process.posterior(features[30:])
    process.believe(features[30:31])
    believed, less = process.posterior(features[30:])
    np.testing.assert_allclose(believed, mean)
    assert (less <= deviation + 1e-12).all()
    assert less[0] < 0.9 * deviation[0]


def test_costs_that_are_all_equal_are_predicted(noisy):
    features, _ = noisy
    process = GaussianProcess()
    process.train(features, np.full(40, 2.5))
    mean, deviation = process.predict(features)
    np.testing.assert_allclose(mean, 2.5)
    assert (deviation < 1e-6).all()


# Calibration


class Timid(Regressor):
    """Knows the first feature, with errors of known size, and says a hundredth of their deviation."""

    def train(self, features, costs):
        pass

    def predict(self, features):
        return features[:, 0], np.full(len(features), 0.01)


def test_the_factor_corrects_a_model_that_is_too_sure_of_itself():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 1))
    model = Calibrated(Timid)
    model.train(features, features[:, 0] + rng.normal(0, 1, 4000))
    assert model.factor == pytest.approx(100, rel=0.05)
    assert model.tau == pytest.approx(2 / np.pi * np.arcsin(np.sqrt(0.5)), abs=0.03)  # of two normal variables


def test_outliers_are_moved_to_the_fence_on_the_side_of_high_costs():
    costs = np.array([-50.0, *np.linspace(0, 1, 99), 70.0])
    moved = tamed(costs)
    lower, upper = np.quantile(costs, [0.25, 0.75])
    assert moved[-1] == upper + 1.5 * (upper - lower)
    np.testing.assert_array_equal(moved[:-1], costs[:-1])


@pytest.mark.parametrize("regressor", [GaussianProcess, Boosting, Forest, MLP, Ridge])
def test_nine_in_ten_accuracies_of_nasbench201_are_in_the_interval(regressor, shared_data):
    table = find_table("nasbench201", shared_data("nasbench201.npz"))
    (column,) = (column for column in table.of_dataset("imagenet16_120") if column.metric == "accuracy")
    rows = np.random.default_rng(0).permutation(table.rows)[:900]
    architectures = [SPACE.decode(np.array(vector)) for vector in zip(*np.unravel_index(rows, (5,) * 6), strict=True)]
    costs = -table.values(column)[rows]
    encoder = PathEncoder(SPACE, architectures[:100])
    model = Calibrated(lambda: regressor(0))
    model.train(encoder(architectures[:100]), costs[:100])
    mean, deviation = model.predict(encoder(architectures[100:]))
    inside = np.abs(costs[100:] - mean) <= norm.ppf(0.95) * deviation
    assert 0.84 <= inside.mean() <= 0.97
    assert np.corrcoef(mean, costs[100:])[0, 1] > 0.6
