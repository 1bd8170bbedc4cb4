"""What is published of the tables: their best rows and ranges, and what simple searches reach on them."""

import functools

import numpy as np
import pytest

import nasforge
from nasforge import find_table
from nasforge.pareto import undominated
from nasforge.registry.entry_points import build

EVALUATIONS, SEEDS = 100, 30
PUBLISHED = """
transnas_micro class_scene 64-41414-3_32_132 54.936306 7.48408 52.08002 54.54842 0.20163 54.74557 0.17278
transnas_micro class_object 64-41414-3_13_113 45.586185 21.20322 42.20741 44.68631 0.33977 45.00179 0.37133
transnas_micro room_layout 64-41414-3_11_133 -0.600999 -1.09428 -0.70850 -0.62299 0.00878 -0.61643 0.00895
transnas_micro jigsaw 64-41414-3_30_132 95.372215 0.03483 90.78922 94.68765 0.22987 94.80479 0.23506
transnas_micro segmentsemantic 64-41414-3_13_022 94.612518 91.64120 94.18066 94.52512 0.03150 94.57148 0.03223
transnas_micro normal 64-41414-1_30_123 0.587287 0.20572 0.53976 0.56818 0.00495 0.57175 0.00489
transnas_micro autoencoder 64-41414-1_21_310 0.577231 0.00122 0.46190 0.55739 0.00829 0.56098 0.00727
transnas_macro class_scene 64-224131-basic 57.414413 46.33260 53.08270 56.56220 0.31362 56.88500 0.32244
transnas_macro class_object 64-22231-basic 47.422375 39.10728 43.42655 46.62420 0.32907 46.79125 0.28386
transnas_macro room_layout 64-214313-basic -0.582226 -2.76887 -0.66583 -0.60624 0.01131 -0.59955 0.01089
transnas_macro jigsaw 64-2243-basic 97.019310 73.90526 93.86943 96.72567 0.18189 96.85027 0.13780
transnas_macro segmentsemantic 64-222133-basic 94.858452 93.78427 94.39651 94.77376 0.03648 94.82070 0.03051
transnas_macro normal 64-224111-basic 0.643541 0.07650 0.56132 0.60611 0.00721 0.61496 0.01394
transnas_macro autoencoder 64-221113-basic 0.748817 0.22386 0.50561 0.69912 0.03147 0.71281 0.03122
nasbench_macro cifar10 22212220 93.1267 45.3633 90.9900 92.84210 0.14987 93.07576 0.07989
accel_nasbench imagenet e4k3d3-e4k5d3-e6k3d3se-e6k5d1se-e6k5d3se-e6k5d3-e6k5d2se 67.052 42.850 60.718 65.7894 0.4401 - -
nasbench301_mini cifar10 - 94.48888 90.72790 - 94.21127 0.12401 - -
"""
FACTS = {
    (name, dataset): (notation, *(None if value == "-" else float(value) for value in values))
    for name, dataset, notation, *values in map(str.split, PUBLISHED.strip().splitlines())
}
"""By table and task: the best architecture and its score, the lowest score, the median; then, over 100 seeds, mean and
deviation of the best of 100 random rows, and of the best that evolution finds in 100 evaluations."""
EVOLVED = [task for task, facts in FACTS.items() if facts[6] is not None]


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path, monkeypatch):
    """No table in the working folder, the user's cache and $NASFORGE_DATA."""
    monkeypatch.chdir(tmp_path)
    for variable in ("NASFORGE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))


@functools.cache
def scores_of(name, dataset):
    """The table's scores in the units of their publication."""
    table = find_table(name)
    column = table.of_dataset(dataset)[0]
    return table.values(column) * (100 if column.metric == "accuracy" else 1)


def searched(name, dataset, strategy, **options):
    """The best score that a strategy finds in 100 evaluations, with each of a few seeds."""
    among = {} if find_table(name).vectors is None else {"space.among": name}
    budget = {"budget.evaluations": EVALUATIONS}
    simulation = nasforge.simulate(strategy, name, dataset, range(SEEDS), **options, **budget, **among)
    return simulation.best[:, -1] * (100 if simulation.objectives[0].metric == "accuracy" else 1)


def standard_errors(bests, mean, deviation):
    """By how many standard errors the mean of a few seeds differs from that of the published hundred."""
    return abs(bests.mean() - mean) / (deviation * np.sqrt(1 / 100 + 1 / len(bests)))


@pytest.mark.parametrize(("name", "dataset"), FACTS)
def test_the_best_row_and_the_range(name, dataset):
    notation, best, lowest, median = FACTS[name, dataset][:4]
    scores, table = scores_of(name, dataset), find_table(name)
    assert scores.max() == pytest.approx(best, abs=5e-5)
    assert scores.min() == pytest.approx(lowest, abs=5e-5)
    if median is not None:
        assert np.median(scores) == pytest.approx(median, abs=5e-4)
    if notation != "-":
        space = build("space", {"name": table.space})
        assert scores[table.row(space.encode(space.read(notation)))] == scores.max()


@pytest.mark.parametrize(("name", "dataset"), FACTS)
def test_the_best_of_a_hundred_random_rows(name, dataset):
    """The published draws, in the order of the rows; an exact number."""
    scores = scores_of(name, dataset)
    draws = (np.random.default_rng(seed).choice(len(scores), 100, replace=False) for seed in range(100))
    bests = np.array([scores[rows].max() for rows in draws])
    mean, deviation = FACTS[name, dataset][4:6]
    assert (bests.mean(), bests.std()) == pytest.approx((mean, deviation), abs=6e-5)


@pytest.mark.parametrize(("name", "dataset"), FACTS)
def test_random_search_reaches_what_is_published(name, dataset):
    bests = searched(name, dataset, "random_search")
    assert standard_errors(bests, *FACTS[name, dataset][4:6]) < 3


@pytest.mark.parametrize(("name", "dataset"), EVOLVED)
def test_evolution_reaches_what_is_published(name, dataset):
    bests = searched(name, dataset, "regularized_evolution", **{"strategy.population": 20, "strategy.sample": 5})
    assert standard_errors(bests, *FACTS[name, dataset][6:]) < 3


@pytest.mark.parametrize(
    ("device", "size"),
    [("a100", 35), ("3090", 30), ("tpuv2", 18), ("tpuv3", 15), ("zcu102", 41), ("vck190", 18)],
)
def test_fronts_of_accuracy_and_throughput_have_the_published_sizes(device, size):
    table = find_table("accel_nasbench")
    speed = next(c for c in table.of_dataset(device) if c.metric == "images_per_second")
    gains = np.stack([scores_of("accel_nasbench", "imagenet"), table.values(speed)], axis=1)
    assert undominated(-gains[~np.isnan(gains).any(axis=1)]).sum() == size


def test_nasbench201s_resnet_cell_and_the_latencies_of_its_first():
    space, table = build("space", {"name": "nasbench201"}), find_table("nasbench201")
    row = table.row(space.encode(space.presets["resnet"]))
    found = {column.dataset: table.values(column)[row] for column in table.columns if column.metric == "test_accuracy"}
    assert 100 * found["cifar100"] == pytest.approx(70.86, abs=5e-3)
    assert 100 * found["imagenet16_120"] == pytest.approx(43.63, abs=5e-3)
    latencies = find_table("hwnasbench201")
    row = latencies.row(space.encode(space.read("0")))
    found = {column.dataset: latencies.values(column)[row] for column in latencies.columns}
    assert (found["raspi4"], found["eyeriss"]) == (10.481976820010459, 3.645620000000001)


def test_proxies_rank_as_published():
    for name, published in (("transnas_micro", 0.7168), ("transnas_macro", 0.2720)):
        proxies = find_table(f"{name}_zerocost")
        zen = next(proxies.values(column) for column in proxies.columns if column.key == "class_scene/zen_score")
        assert rank_correlation(zen, scores_of(name, "class_scene")) == pytest.approx(published, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "first", "second", "published"),
    [
        ("help_fbnet", "2080ti_1", "gold_6226", 0.178),
        ("help_fbnet", "2080ti_64", "titanxp_64", 0.992),
        ("help_ofa", "titan_xp_1", "titan_xp_64", 0.160),
        ("help_ofa", "titan_rtx_32", "titan_rtx_64", 0.9997),
    ],
)
def test_devices_rank_networks_as_published(name, first, second, published):
    table = find_table(name)
    latencies = {column.dataset: table.values(column) for column in table.columns}
    assert rank_correlation(latencies[first], latencies[second]) == pytest.approx(published, abs=5e-4)


def rank_correlation(first, second):
    from scipy.stats import spearmanr

    return spearmanr(first, second).statistic
