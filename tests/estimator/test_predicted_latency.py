"""Latencies are predicted from twenty others: those of published devices, and weighted sums over layers."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from nasforge import Column, Context, DataError, Measurements, Table, build, find_table
from nasforge.data import NoData
from nasforge.latency.measurements import parameters_of
from nasforge.latency.stopwatch import Conditions, networks_of
from nasforge.testing import EstimatorContract
from nasforge_plugins.estimator.latency.features import indicators
from nasforge_plugins.estimator.latency.layers import work_of
from nasforge_plugins.estimator.latency.regression import Features, Regression


@pytest.fixture(scope="module")
def space():
    return build("space", {"name": "nasbench201"})


@pytest.fixture
def no_tables(monkeypatch, no_installed_tables):
    monkeypatch.setenv("NASFORGE_DATA", "nowhere")


def times_of(space, architectures, latencies, path):
    """Write a file as if these architectures had been measured."""
    conditions = Conditions(input_shape=(3, 8, 8), samples=len(architectures), rounds=4)
    first = networks_of(space, architectures[:1], conditions)
    parameters = [*map(parameters_of, first), *([0] * (len(architectures) - 1))]
    rounds = [np.asarray(latencies, dtype=float).tolist()] * 4
    machine = {"device": "a phone", "torch": "2"}
    Measurements({"name": space.name}, conditions, machine, architectures, parameters, rounds).write(path)


def sampled(space, n, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


def predictions(measured, space, architectures, **options):
    estimator = build("estimator", {"name": "latency", "measured": str(measured), **options})
    estimator.check(space)
    estimates = estimator.estimate_many(architectures, Context(space, NoData(), "cpu", 1, seed=0))
    return np.array([estimate.metrics["latency_ms"] for estimate in estimates])


class TestPredictedLatency(EstimatorContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "nasbench201"})

    @pytest.fixture
    def estimator(self, space, tmp_path, no_tables):
        times_of(space, sampled(space, 6), [1, 2, 3, 4, 5, 6], tmp_path / "a.json")
        return build("estimator", {"name": "latency", "measured": str(tmp_path / "a.json")})


# Devices that others measured


@pytest.mark.parametrize("device", ["titan_rtx_256", "gold_6226", "fpga"])
def test_known_devices_rank_a_new_one(space, shared_data, tmp_path, device):
    published = find_table("hwnasbench201", shared_data("hwnasbench201.npz"))
    others = {column: published.values(column) for column in published.columns if column.dataset != device}
    Table.of("nasbench201", space.cardinalities, others, source="").write(tmp_path / "known.safetensors")
    truth = published.values(Column(device, "latency_ms", "min"))
    measured, unseen = sampled(space, 20), sampled(space, 500, seed=1)
    times_of(space, measured, [truth[published.row(space.encode(cell))] for cell in measured], tmp_path / "new.json")
    answers = predictions(tmp_path / "new.json", space, unseen, path=str(tmp_path / "known.safetensors"))
    assert spearmanr(answers, [truth[published.row(space.encode(cell))] for cell in unseen]).statistic > 0.95


@pytest.mark.parametrize("device", ["pixel3", "raspi4", "fpga", "eyeriss"])
def test_sums_over_layers_are_recovered_to_the_last_digit(shared_data, device):
    with np.load(shared_data("atlas/help_fbnet.npz")) as table:
        vectors, latencies = table["arch"].astype(int), table[f"latency_{device}"].astype(float)
    features = indicators(vectors, [9] * 22)
    known = np.random.default_rng(0).choice(len(vectors), 200, replace=False)
    regression = Regression.fit([Features(features[known], quantities=False)], latencies[known])
    answers = regression.predict([Features(features, quantities=False)])
    assert np.abs(answers / latencies - 1).max() < 8 * np.finfo(np.float32).eps  # the table's own precision
    assert np.abs(regression.left_out / latencies[known] - 1).max() < 1e-3


# Work of layers


def test_work_is_that_of_the_layers(space):
    conv = space.read("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|")
    empty = space.read("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    work, nothing = (work_of(space, cell, (3, 32, 32), 10) for cell in (conv, empty))
    convolution = 16 * 32 * 32 * 9 * 16  # equal in all stages: half the side, twice the channels
    assert work.by_kind["Conv2d (3, 3)"] - nothing.by_kind["Conv2d (3, 3)"] == 2 * 15 * convolution
    assert work.totals[0] == sum(work.by_kind.values())
    assert work.totals[3] == parameters_of(space.build(conv, (3, 32, 32), 10))


def test_weighted_sums_of_work_are_predicted_without_known_devices(space, tmp_path, no_tables):
    cost = {"AvgPool2d 3": 9e-4, "Conv2d (3, 3)": 2e-6, "BatchNorm2d ": 1e-5}

    def latency(cell):
        work = work_of(space, cell, (3, 8, 8), 10).by_kind
        return 0.1 + sum(weight * work.get(kind, 0) for kind, weight in cost.items())

    measured, unseen = sampled(space, 20), sampled(space, 30, seed=1)
    times_of(space, measured, [latency(cell) for cell in measured], tmp_path / "a.json")
    assert predictions(tmp_path / "a.json", space, unseen) == pytest.approx(
        [latency(cell) for cell in unseen], rel=1e-3
    )


def test_a_kind_of_layer_that_all_measured_architectures_had_may_be_missing(space, tmp_path, no_tables):
    pooled = [cell for cell in sampled(space, 60) if "avg_pool" in str(cell)][:8]
    convolved = [cell for cell in sampled(space, 60) if "avg_pool" not in str(cell)][:8]
    times_of(space, pooled, np.exp([4.0, 2.0, 5.0, 1.0, 3.0, 2.5, 1.5, 4.5]), tmp_path / "a.json")
    estimator = build("estimator", {"name": "latency", "measured": str(tmp_path / "a.json")})
    estimator.check(space)
    answers = predictions(tmp_path / "a.json", space, convolved)
    assert np.isfinite(answers).all()
    assert (answers > 0).all()


# Mistakes


def test_a_table_of_another_space_is_no_help(space, tmp_path):
    Table.of("stairs", (2, 2), {Column("phone", "latency_ms", "min"): np.ones(4)}, source="").write(
        tmp_path / "stairs.safetensors"
    )
    cells = sampled(space, 6)
    times_of(space, cells, [1, 2, 3, 4, 5, 6], tmp_path / "a.json")
    options = {"name": "latency", "measured": str(tmp_path / "a.json")}
    with_it = build("estimator", {**options, "path": str(tmp_path / "stairs.safetensors")})
    assert with_it.fingerprint == Measurements.read(tmp_path / "a.json").fingerprint
    with pytest.raises(DataError, match="there is no file"):
        build("estimator", {**options, "path": str(tmp_path / "missing.safetensors")})


def test_predictions_say_how_good_they_are(space, tmp_path, no_tables):
    times_of(space, sampled(space, 6), [1, 2, 3, 4, 5, 6], tmp_path / "a.json")
    estimator = build("estimator", {"name": "latency", "measured": str(tmp_path / "a.json")})
    estimator.check(space)
    assert estimator.about["latency_ms"].startswith("predicted from 6 architectures measured on a phone (cpu, 1 thread")


def test_a_table_of_a_sample_helps_inside_it(shared_data, tmp_path, no_tables):
    space = build("space", {"name": "fbnet"})
    with np.load(shared_data("atlas/help_fbnet.npz")) as file:
        vectors, latencies = file["arch"][:400].astype(int), file["latency_fpga"][:400].astype(float)
    columns = {Column("fpga", "latency_ms", "min"): latencies}
    Table.of("fbnet", space.cardinalities, columns, source="", vectors=vectors).write(tmp_path / "sample.npz")
    cells = [space.decode(vector) for vector in vectors]
    times_of(space, cells[:20], 3 * latencies[:20], tmp_path / "a.json")
    answers = predictions(tmp_path / "a.json", space, cells[20:], path=str(tmp_path / "sample.npz"))
    assert answers == pytest.approx(3 * latencies[20:], rel=1e-4)
