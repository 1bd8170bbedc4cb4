"""A verdict in several objectives: moocore's hypervolumes and attainment surfaces, and mistakes as one sentence."""

import csv
from pathlib import Path

import moocore
import numpy as np
import pytest

import nasforge
from nasforge import OptionError
from nasforge.judging.fronts import surfaces

OBJECTIVES = ["accuracy", "params_m"]
SEEDS, EVALUATIONS = 8, 30
SIGNS = np.array([-1, 1])


@pytest.fixture(scope="module")
def verdict():
    return nasforge.verdict(
        *("nsga2,population=8", ["nasbench201"], ["cifar10"], range(SEEDS)),
        evaluations=EVALUATIONS,
        against=["local_search"],
        objectives=OBJECTIVES,
    )


@pytest.fixture(scope="module")
def costs():
    """(seeds, evaluations, 2) what random search asked for."""
    simulation = nasforge.simulate(
        *("random_search", "nasbench201", "cifar10", range(SEEDS)),
        objectives=OBJECTIVES,
        budget={"evaluations": EVALUATIONS},
    )
    return SIGNS * np.stack([simulation.metrics[name][simulation.asked] for name in OBJECTIVES], axis=2)


def test_hypervolumes_are_moocores(verdict, costs):
    (task,) = verdict.tasks
    ideal, nadir = task.box.ideal, task.box.nadir
    front = moocore.filter_dominated(np.unique(task.values, axis=0))
    assert (front.min(axis=0) == ideal).all()
    assert (front.max(axis=0) == nadir).all()
    reached = verdict.searches["random_search"][0].best
    for seed in (0, 5):
        for count in (1, 9, EVALUATIONS):
            expected = moocore.hypervolume(costs[seed, :count], ref=nadir) / np.prod(nadir - ideal)
            assert reached[seed, count - 1] == pytest.approx(expected)
    assert task.best == pytest.approx(moocore.hypervolume(front, ref=nadir) / np.prod(nadir - ideal))
    regrets = verdict.regrets["random_search"][0]
    assert regrets == pytest.approx(1 - reached / task.best)


def test_surfaces_are_moocores(verdict, costs):
    levels = surfaces(verdict.searches["random_search"][0].fronts)
    numbers = np.repeat(np.arange(SEEDS), EVALUATIONS)
    every = moocore.eaf(costs.reshape(-1, 2), numbers, percentiles=[12.5, 50, 100])
    for name, percentile in {"best": 12.5, "median": 50, "worst": 100}.items():
        expected = every[every[:, 2] == percentile, :2]
        np.testing.assert_array_equal(levels[name], expected[np.argsort(expected[:, 0])])


@pytest.mark.parametrize("count", [1, 2, 3, 49])
def test_surfaces_bound_what_one_half_and_all_of_the_searches_reach(count):
    fronts = list(np.random.default_rng(count).random((count, 5, 2)))
    levels = surfaces(fronts)
    for name, searches in {"best": 1, "median": -(-count // 2), "worst": count}.items():
        for corner in levels[name]:
            reaching = sum((front <= corner).all(axis=1).any() for front in fronts)
            assert reaching >= searches
            nearly = sum((front <= corner - 1e-9).all(axis=1).any() for front in fronts)
            assert nearly < searches
    assert surfaces([np.empty((0, 2))]) == {}


def test_evolution_of_fronts_is_judged_by_them(verdict):
    assert verdict.box == ("random_search", "local_search")
    assert verdict.by_size == (None,)
    assert "average ranks: " in str(verdict)


def test_the_same_bytes_twice_with_surfaces(verdict, tmp_path):
    for folder in ("one", "two"):
        verdict.save(tmp_path / folder)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    page = (tmp_path / "one" / "verdict.html").read_text()
    assert "Attainment surfaces" in page
    assert page.count("better than random_search after 30 evaluations") == 1, "in the headline alone"
    with Path(tmp_path / "one" / "surfaces.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["surface"] for line in lines} == {"best", "median", "worst"}
    assert {line["strategy"] for line in lines} == set(verdict.names)
    assert all(0 < float(line["accuracy"]) < 1 and 0 < float(line["params_m"]) < 2 for line in lines)


@pytest.mark.parametrize(
    ("objectives", "tables", "message"),
    [
        (["accuracy", "no_such"], ["nasbench201"], "no data set has accuracy and no_such to search for"),
        (["accuracy", "no_such"], [], "no installed table fits: no data set has accuracy and no_such to search for"),
        (["accuracy", "test_accuracy"], ["nasbench201"], "no data set has accuracy and test_accuracy to search for"),
        (["accuracy", "accuracy"], ["nasbench201"], "objectives lists 'accuracy' twice; list it once"),
    ],
)
def test_mistakes_are_one_sentence(objectives, tables, message):
    with pytest.raises(OptionError, match=message):
        nasforge.verdict("nsga2", tables, seeds=range(9), objectives=objectives)
