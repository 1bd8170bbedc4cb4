"""The tables in `.npz` files: the shared ones, by the numbers that the literature quotes, and broken ones by name."""

import numpy as np
import pytest

from nasforge import DataError
from nasforge_plugins.table import latencies, npz
from nasforge_plugins.table.cells import CARDINALITIES, EDGES, OPERATIONS

CELLS = 40
DATASETS = ("cifar10", "cifar100", "imagenet16_120")
RANGES = {"ep": (1, 90), "an": (1, 90), "_m": (1.6, 1.9)}
"""Accuracies in percent; parameters and multiply-accumulates in millions, which may be either here."""


def vectors():
    rng = np.random.default_rng(0)
    rows = rng.choice(np.prod(CARDINALITIES), CELLS, replace=False)
    return np.stack(np.unravel_index(rows, CARDINALITIES), axis=1)


def strings(ops):
    names = [[OPERATIONS[choice] for choice in vector] for vector in ops]
    return np.array([f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a, b, c, d, e, f in names])


def accuracies():
    """The arrays of a small file of accuracies."""
    rng = np.random.default_rng(1)
    arrays = {"ops": vectors().astype(np.uint8), "op_names": np.array(OPERATIONS), "edges": np.array(EDGES)}
    for dataset in DATASETS:
        arrays |= {f"{dataset}_{suffix}": rng.uniform(*RANGES[suffix[-2:]], CELLS) for suffix in npz.NUMBERS}
    return arrays


def times():
    """The arrays of a small file of latencies."""
    latency = np.random.default_rng(2).uniform(1, 9, (CELLS, 3))
    return {"arch_str": strings(vectors()), "devices": np.array(["phone", "fpga", "gpu_1"]), "latency_ms": latency}


@pytest.fixture
def saved(tmp_path):
    """Write a file; its path."""

    def save(arrays):
        np.savez(tmp_path / "any.npz", **{key: array for key, array in arrays.items() if array is not None})
        return tmp_path / "any.npz"

    return save


def complaint(read, path):
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def by_key(table):
    return {column.key: table.values(column) for column in table.columns}


# The shared files


@pytest.fixture(scope="module")
def published(shared_data):
    return npz.read(shared_data("nasbench201.npz"))


@pytest.mark.parametrize(
    ("dataset", "index", "percent"),
    [("cifar10", 6111, 94.3733), ("cifar100", 9930, 73.5133), ("imagenet16_120", 857, 47.3111)],
)
def test_the_optimum_of_each_data_set_is_the_one_that_the_literature_quotes(
    published, shared_data, dataset, index, percent
):
    column = by_key(published)[f"{dataset}/test_accuracy"]
    with np.load(shared_data("nasbench201.npz")) as arrays:
        best = published.row(arrays["ops"][index])
    assert column[best] == column.max() == pytest.approx(percent / 100, abs=5e-7)


def test_every_number_stands_in_the_row_of_its_architecture_string(published, shared_data):
    columns = by_key(published)
    with np.load(shared_data("nasbench201.npz")) as arrays:
        for index in np.random.default_rng(3).integers(15625, size=200):
            operations = [part.split("~")[0] for part in str(arrays["arch_str"][index]).split("|") if "~" in part]
            row = np.ravel_multi_index([OPERATIONS.index(operation) for operation in operations], (5,) * 6)
            for dataset in DATASETS:
                assert columns[f"{dataset}/accuracy"][row] == arrays[f"{dataset}_valid_acc_12ep"][index] / 100
                assert columns[f"{dataset}/params_m"][row] == arrays[f"{dataset}_params_m"][index]
                assert columns[f"{dataset}/macs_m"][row] == arrays[f"{dataset}_macs_m"][index]


def test_the_shared_table_is_whole_and_its_test_columns_are_report_only(published):
    assert published.datasets == DATASETS
    for column in published.columns:
        assert np.isfinite(published.values(column)).all()
        assert column.report_only == column.metric.startswith("test_")
    assert not [key for key in by_key(published) if "single" in key]


def test_latencies_are_those_of_hw_nas_benchs_readme(shared_data):
    table = latencies.read(shared_data("hwnasbench201.npz"))
    first = [4, 2, 1, 2, 1, 1]  # |avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip...~1|skip...~2|
    columns = by_key(table)
    row = np.ravel_multi_index(first, CARDINALITIES)
    quoted = {"raspi4": 10.481976820010459, "pixel3": 3.60585, "eyeriss": 3.645620000000001, "fpga": 2.57296}
    assert {device: columns[f"{device}/latency_ms"][row] for device in quoted} == pytest.approx(quoted, rel=1e-15)
    assert len(columns) == 27
    assert table.name == "hwnasbench201"
    assert table.space == "nasbench201"


# Small ones


def test_any_order_of_operations_and_edges_is_understood(saved):
    plain = npz.read(saved(accuracies()))
    turned = accuracies()
    order, shuffle = np.array([3, 0, 4, 1, 2]), np.array([5, 0, 2, 1, 4, 3])
    turned["op_names"], turned["edges"] = np.array(OPERATIONS)[order], np.array(EDGES)[shuffle]
    turned["ops"] = np.argsort(order)[turned["ops"]][:, shuffle].astype(np.uint8)
    assert npz.read(saved(turned)).fingerprint == plain.fingerprint


def test_some_data_sets_and_some_cells_are_enough(saved):
    arrays = {key: array for key, array in accuracies().items() if not key.startswith("cifar100_")}
    table = npz.read(saved(arrays))
    assert table.datasets == ("cifar10", "imagenet16_120")
    assert np.isfinite(table.values(table.columns[0])).sum() == CELLS
    assert np.isfinite(by_key(latencies.read(saved(times())))["phone/latency_ms"]).sum() == CELLS


def test_accuracies_may_be_fractions_and_sizes_may_be_counted_one_by_one(saved):
    plain, turned = by_key(npz.read(saved(accuracies()))), accuracies()
    turned = {key: array / 100 if "_acc_" in key else array for key, array in turned.items()}
    turned |= {key: 1e6 * array for key, array in turned.items() if key.endswith("_params_m")}
    turned |= {key: 1e3 * array for key, array in turned.items() if key.endswith("_macs_m")}
    for key, values in by_key(npz.read(saved(turned))).items():
        assert np.allclose(values, plain[key], rtol=1e-15, equal_nan=True), key


@pytest.mark.parametrize("read", [npz.read, latencies.read])
def test_other_files_are_left_to_others(saved, tmp_path, read):
    assert read(saved({"images": np.zeros(3)})) is None
    assert read(tmp_path / "table.csv") is None
    assert npz.read(saved(times())) is None
    assert latencies.read(saved(accuracies())) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ops": None}, "has no array 'ops'; it holds cifar100_macs_m,"),
        ({"cifar10_valid_acc_12ep": None}, "has no array 'cifar10_valid_acc_12ep'"),
        ({"cifar10_macs_m": np.zeros(CELLS - 1)}, "'cifar10_macs_m' has the shape (39,); it must be (40,)"),
        ({"cifar10_macs_m": np.full(CELLS, "many")}, "'cifar10_macs_m' holds <U4; it must hold numbers"),
        ({"cifar10_macs_m": np.full(CELLS, np.inf)}, "'cifar10_macs_m' holds inf to inf; networks of NAS-Bench-201"),
        ({"cifar10_macs_m": np.full(CELLS, None)}, "'cifar10_macs_m' cannot be read"),
        ({"cifar10_valid_acc_12ep": np.full(CELLS, 120.0)}, "'cifar10_valid_acc_12ep' holds 120; an accuracy is"),
        ({"cifar10_valid_acc_12ep": np.full(CELLS, -0.1)}, "holds -0.1; an accuracy is a fraction, or 0 to 100"),
        (
            {"cifar100_valid_acc_12ep": np.full(CELLS, 0.61)},
            "so it is in percent, but 'cifar100_valid_acc_12ep' only to 0.61; all accuracies of a file must be in",
        ),
        ({"cifar10_params_m": np.full(CELLS, 30.0)}, "'cifar10_params_m' holds 30 to 30; networks of NAS-Bench-201"),
        ({"cifar10_macs_m": np.full(CELLS, 440.0)}, "multiply-accumulates, which are half as many as FLOPs"),
        ({"op_names": np.array(["none", "max_pool_3x3"])}, "'op_names' and 'edges' must be those of NAS-Bench-201"),
        ({"ops": vectors() + 1}, "'ops' must hold whole numbers from 0 to 4"),
        ({"ops": np.zeros((CELLS, 6), int)}, "cells 0 and 1 (counted from 0) are the same"),
        ({"ops": vectors()[:, :5]}, "'ops' has the shape (40, 5); it must be (40, 6)"),
    ],
)
def test_wrong_accuracies_are_named(saved, changes, sentence):
    assert sentence in complaint(npz.read, saved({**accuracies(), **changes}))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"devices": None}, "has no array 'devices'"),
        ({"devices": np.array(["phone", "phone"])}, "'latency_ms' has the shape (40, 3); it must be (40, 2)"),
        ({"latency_ms": -times()["latency_ms"]}, "a latency must be above 0"),
        ({"latency_ms": times()["latency_ms"] / 1e3}, "'latency_ms of phone' must be in milliseconds, but goes up to"),
        ({"latency_ms": times()["latency_ms"] * 1e4}, "which looks like microseconds; convert it"),
        ({"arch_str": np.full(CELLS, "|none~0|")}, "'|none~0|' is not a cell of NAS-Bench-201"),
        ({"arch_str": strings(np.zeros((CELLS, 6), int))}, "are the same"),
    ],
)
def test_wrong_latencies_are_named(saved, changes, sentence):
    assert sentence in complaint(latencies.read, saved({**times(), **changes}))


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_named(saved, left):
    path = saved(accuracies())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * left)])
    for read in (npz.read, latencies.read):
        assert "is not an .npz file, or is incomplete" in complaint(read, path)


def test_a_damaged_member_is_named(saved):
    path = saved(accuracies())
    content = bytearray(path.read_bytes())
    place = content.index(accuracies()["cifar10_macs_m"].tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert "'cifar10_macs_m' cannot be read (Bad CRC-32" in complaint(npz.read, path)
