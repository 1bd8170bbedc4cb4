"""EG-NAS against its equations, against known numbers of its published code, and with every option changed."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from nasforge import ImageSet, OptionError, Preprocessing, SearchData, SharedWeights, SupernetOptions
from nasforge.journal.journal import Journal
from nasforge.registry.options import checked
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.strategy.egnas import EGNAS
from nasforge_plugins.strategy.egnas.algorithm import Individual, cma_es
from nasforge_plugins.strategy.egnas.alphas import Alphas

SPACE = DARTS(channels=8, cells=3)
CELLS = ("normal", "reduce")
REFERENCE = Path(__file__).parents[2] / "conf" / "strategy" / "egnas_reference.yaml"
TINY = {"epochs": 3, "warmup_epochs": 1, "samples": 2, "population": 3, "validation_batch_size": 16}


def parent(alphas=None, betas=None, search_in="alpha", row_normalize=False):
    rng = np.random.default_rng(0)
    alphas = alphas or {cell: torch.from_numpy(rng.standard_normal((14, 7))) for cell in CELLS}
    return Alphas(alphas, betas, SPACE, search_in, row_normalize)


def rows(vector):
    return vector.reshape(-1, 7)


# Equations


@pytest.mark.parametrize(
    ("accuracy", "parent_accuracy", "sign"),
    [(0.4, 0.5, -1), (0.5, 0.5, +1), (0.6, 0.5, +1)],
    ids=["worse", "tie", "better"],
)
def test_fitness_is_equation_7(accuracy, parent_accuracy, sign):
    fitness = EGNAS(zeta=0.8, eta=0.3).fitness(0.6, 1.7, accuracy, parent_accuracy)
    assert fitness == pytest.approx(0.8 * 1.7 + sign * 0.3 * 0.6)


@pytest.mark.parametrize("kind", ["flat", "edge_mean"])
def test_similarity_is_equation_6(kind):
    origin = parent()
    assert origin.similarity(3 * origin.point, kind) == pytest.approx(1.0)
    assert origin.similarity(-origin.point, kind) == pytest.approx(0.0)
    z = np.random.default_rng(1).standard_normal(origin.point.shape)
    if kind == "flat":
        cosine = z @ origin.point / np.linalg.norm(z) / np.linalg.norm(origin.point)
    else:
        a, b = rows(z), rows(origin.point)
        cosine = ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()
    assert origin.similarity(z, kind) == pytest.approx(0.5 * (cosine + 1))


def test_the_direction_is_chosen_by_accuracy_and_ties_by_fitness():
    method, scores = EGNAS(samples=4), iter([(0.3, 0.2), (0.9, 0.8), (0.5, 0.8), (0.1, 0.1)])
    origin = parent()
    individuals = []

    def evolve(x, sigma, judge, rng):
        fitness, accuracy = next(scores)
        individuals.append(Individual(x, fitness, accuracy))
        return individuals[-1]

    method.evolve = evolve
    moved, best = method.step(origin, None, 0, np.random.default_rng(0))
    assert best is individuals[2]
    np.testing.assert_allclose(moved, origin.vector + 0.6 * origin.direction(best.z, "prob"))


def test_each_direction_starts_at_a_mean_with_noise_of_its_own():
    seen = []
    method = EGNAS(samples=5, sigma_noise=0.01)
    method.evolve = lambda x, *_: (seen.append(x), Individual(x, 0.0, 0.0))[1]
    origin = parent()
    method.step(origin, None, 0, np.random.default_rng(0))
    noise = np.array(seen) - origin.point
    assert noise.std() == pytest.approx(0.01, rel=0.1)
    correlations = np.corrcoef(noise)
    assert np.abs(correlations - np.eye(5)).max() < 0.3


def test_directions():
    origin = parent()
    z = np.random.default_rng(1).standard_normal(origin.point.shape)
    np.testing.assert_array_equal(origin.direction(z, "raw"), z)
    np.testing.assert_allclose(origin.direction(z, "delta"), z - origin.vector)
    expected = np.exp(rows(z)) / np.exp(rows(z)).sum(1, keepdims=True)
    np.testing.assert_allclose(rows(origin.direction(z, "prob")), expected)


def test_an_individual_is_softmaxed_once():
    origin = parent()
    z = np.random.default_rng(1).standard_normal(origin.point.shape)
    mix = origin.mix(z)
    expected = torch.from_numpy(rows(z)).softmax(1).float()
    torch.testing.assert_close(torch.cat([mix[cell] for cell in CELLS]), expected)


def test_betas_are_softmaxed_over_the_edges_of_each_node():
    betas = {cell: torch.linspace(-1, 1, 14, dtype=torch.float64) for cell in CELLS}
    origin = parent(betas=betas)
    vector = origin.probabilities(*origin.named(origin.vector))
    shares = origin.named(vector)[1]["normal"]
    expected = torch.cat([part.softmax(0) for part in torch.split(betas["normal"], [2, 3, 4, 5])])
    torch.testing.assert_close(shares, expected)


def test_cma_es_begins_at_the_mean_with_unit_covariance_and_improves():
    mean = np.linspace(-2, 2, 196)
    es = cma_es(mean, 0.5, 400, seed=3)
    z = np.array([es.ask().value for _ in range(400)])
    assert np.abs(z.mean(0) - mean).max() < 0.5 * 5 / math.sqrt(400)
    assert z.std(0).mean() == pytest.approx(0.5, rel=0.05)

    def judge(points):
        return [Individual(point, float(((point - 1) ** 2).sum()), 0.0) for point in points]

    rng = np.random.default_rng
    one, many = (EGNAS(population=10, generations=g).evolve(np.zeros(4), 0.5, judge, rng(0)) for g in (1, 30))
    assert many.fitness < 1e-2 * one.fitness


def test_the_mean_belongs_to_p():
    mean = np.zeros(8)

    def judge(points):
        return [Individual(point, float(np.abs(point).sum()), 0.0) for point in points]

    assert EGNAS(population=4).evolve(mean, 1.0, judge, np.random.default_rng(0)).fitness == 0.0
    assert EGNAS(population=4, include_mean=False).evolve(mean, 1.0, judge, np.random.default_rng(0)).fitness > 0.0


# The published code: numbers from reading and simulating it


def test_double_softmax_flattens_as_simulated():
    origin = parent(search_in="prob", row_normalize=True)
    z = np.random.default_rng(1).standard_normal((2000, 196)) + origin.point
    components = np.concatenate([origin.direction(individual, "double_prob") for individual in z])
    assert components.min() == pytest.approx(0.131, abs=1.5e-3)
    assert components.max() == pytest.approx(0.170, abs=1.5e-3)


@pytest.mark.parametrize(("step_size", "weight"), [(0.1, 0.156), (0.6, 0.239)])
def test_an_operation_that_always_wins_hardly_moves(step_size, weight):
    origin = parent({cell: torch.zeros(14, 7, dtype=torch.float64) for cell in CELLS}, None, "prob", True)
    z = np.zeros((28, 7))
    z[:, 3] = 1.0
    alphas = 35 * step_size * rows(origin.direction(z.ravel(), "double_prob"))
    share = np.exp(alphas[:, 3]) / np.exp(alphas).sum(1)
    np.testing.assert_allclose(share, weight, atol=5e-4)


def test_with_the_papers_direction_alphas_grow_by_1_6_an_epoch():
    origin = parent()
    assert origin.direction(origin.point, "raw") * 0.6 + origin.vector == pytest.approx(1.6 * origin.vector)


def reference(**changes):
    options = yaml.safe_load(REFERENCE.read_text())
    del options["name"]
    return checked(EGNAS, options | changes, where="strategy")


def test_the_reference_explores_the_same_direction_n_times():
    seen = []
    method = reference()
    method.evolve = lambda x, sigma, judge, rng: (seen.append((x, sigma)), Individual(x, 0.0, 0.0))[1]
    method.step(parent(search_in="prob"), None, 30, np.random.default_rng(0))
    assert len(seen) == 3
    assert all(np.array_equal(x, seen[0][0]) and sigma == 1.0 for x, sigma in seen)
    assert method.judged_per_step == 3 * 50
    assert method.epochs - method.warmup_epochs == 35


# Whole searches


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=generator)
    return SearchData(ImageSet.of(pixels, torch.arange(60) % 3), ("a", "b", "c"), Preprocessing((0.5,), (0.3,)), 10, 0)


def searched(folder, data, method, space=SPACE):
    run = Run(
        folder,
        Journal(folder),
        space=space,
        data=data,
        estimators=[SharedWeights()],
        seed=0,
        budget=Budget(),
        machinery=Machinery(trainer={"accelerator": "cpu", "devices": 1}, threads=1),
    )
    result = method.search(run)
    history = run.journal.of_kind("fit")[0]["history"]
    run.journal.close()
    return result, history


def test_a_search_repeats_itself_and_seeds_matter(tmp_path, data):
    first, history = searched(tmp_path / "a", data, EGNAS(**TINY))
    again, same = searched(tmp_path / "b", data, EGNAS(**TINY))
    assert first.architecture == again.architecture
    assert history == same
    assert history["es_accuracy"][0] is None  # the warm-up
    assert all(value is not None for value in history["es_accuracy"][1:])


@pytest.mark.parametrize(
    "options",
    [
        {"search_in": "prob", "row_normalize": True, "direction": "delta"},
        {"edge_normalization": True, "supernet": SupernetOptions(include_none=True), "similarity": "edge_mean"},
        {"statistics": "running", "order": "es_first", "augment_validation": True, "validation_batches": 2},
        {
            "generations": 2,
            "sigma_schedule": "inverse",
            "direction": "raw",
            "supernet": SupernetOptions(partial_channels=1, channels=4),
        },
    ],
    ids=["prob", "beta", "running", "generations"],
)
def test_a_search_runs_with_each_option_changed(tmp_path, data, options):
    result, history = searched(tmp_path, data, EGNAS(**TINY | options))
    assert SPACE.validate(result.architecture) == result.architecture
    assert len(history["es_fitness"]) == 3


def test_the_reference_gathers_gradients_of_the_alphas(tmp_path, data):
    small = {"epochs": 2, "warmup_epochs": 1, "population": 3, "samples": 2, "validation_batch_size": 8}
    searched(
        tmp_path, data, reference(**small), DARTS(channels=8, cells=3, include_none=False, pool_normalization=False)
    )
    from safetensors.torch import load_file

    tensors = load_file(tmp_path / "fits" / "supernet" / "weights.safetensors")
    assert tensors["gradient_alpha_normal"].abs().sum() > 0


def test_parent_and_individuals_are_scored_on_the_same_images(tmp_path, data, monkeypatch):
    from nasforge_plugins.strategy.egnas.algorithm import EvolvedAlphas

    seen = []

    def watched(self, forward, mixes, batches):
        scores = [{"accuracy": 0.5, "cross_entropy": 1.0} for _ in mixes]
        seen.extend([tuple(images.sum().item() for images, _ in batches)] * len(scores))
        return scores

    monkeypatch.setattr(EvolvedAlphas, "score_mixes", watched)
    searched(tmp_path, data, EGNAS(**TINY))
    each = 1 + 2 * (1 + 3)  # the parent, then for each direction its mean and its population
    assert len(seen) == 2 * each
    assert len(set(seen[:each])) == 1
    assert len(set(seen)) == 2  # the next epoch draws other images


def test_errors_name_the_option_and_its_range():
    with pytest.raises(OptionError, match=r"strategy\.population=1: it must be a whole number, at least 2"):
        checked(EGNAS, {"population": 1}, where="strategy")
    with pytest.raises(
        OptionError, match=r"strategy\.direction=\"up\": it must be one of prob, double_prob, delta, raw"
    ):
        checked(EGNAS, {"direction": "up"}, where="strategy")
