"""CSV and JSON as people keep a benchmark's numbers, and HW-NAS-Bench's pickle: read right, or refused by name."""

import csv
import io
import json
import pickle
import warnings

import numpy as np
import pytest

from nasforge import DataError, Table
from nasforge_plugins.shared import pickles
from nasforge_plugins.space.nasbench201.notations import from_index
from nasforge_plugins.table import hw_nas_bench, npz, sheets
from nasforge_plugins.table.cells import CARDINALITIES, OPERATIONS, rows_of_indices

INDICES = (6111, 9930, 857, 11472, 0)
CELLS = [str(from_index(index)) for index in INDICES]
ROWS = [
    np.ravel_multi_index([OPERATIONS.index(name) for name in from_index(i)["cell"]], CARDINALITIES) for i in INDICES
]
VALID, TEST = [84.0, 80.0, 10.0, 81.5, 70.25], [94.37, 93.5, 10.0, 93.97, 90.0]
PARAMS, LATENCY = [1.07, 1.2, 0.0733, 0.8, 0.3], [10.0, 12.5, 3.5, 9.0, 5.0]
SHEET = {"arch_str": CELLS, "cifar10_valid_acc": VALID, "cifar10-test": TEST, "cifar10_params": PARAMS}
KEYS = {"cifar10/accuracy": 0.01, "cifar10/test_accuracy": 0.01, "cifar10/params_m": 1.0}


def records(sheet):
    return [dict(zip(sheet, row, strict=True)) for row in zip(*sheet.values(), strict=True)]


def as_csv(sheet, delimiter=","):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(sheet)
    writer.writerows(zip(*sheet.values(), strict=True))
    return file.getvalue()


def by_cell(sheet):
    rest = records({name: column for name, column in sheet.items() if name != "arch_str"})
    return dict(zip(sheet["arch_str"], rest, strict=True))


def by_dataset(sheet):
    names = {"cifar10_valid_acc": "valid_acc", "cifar10-test": "test_acc", "cifar10_params": "params"}
    return {"cifar10": {cell: {names[name]: x for name, x in one.items()} for cell, one in by_cell(sheet).items()}}


FORMS = {
    "a.csv": as_csv,
    "semicolons.csv": lambda sheet: as_csv(sheet, ";"),
    "a.tsv": lambda sheet: "\ufeff" + as_csv(sheet, "\t"),
    "records.json": lambda sheet: json.dumps(records(sheet)),
    "columns.json": json.dumps,
    "pandas.json": lambda sheet: json.dumps({name: dict(enumerate(column)) for name, column in sheet.items()}),
    "by_cell.json": lambda sheet: json.dumps(by_cell(sheet)),
    "by_dataset.json": lambda sheet: json.dumps(by_dataset(sheet)),
}


@pytest.fixture
def saved(tmp_path):
    def save(name, content):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return save


@pytest.fixture
def read(saved):
    """The table of a CSV file with these columns."""
    return lambda **sheet: sheets.read(saved("mine.csv", as_csv({"arch_str": CELLS, **sheet})))


def numbers(table):
    return {column.key: table.values(column)[ROWS].tolist() for column in table.columns}


def complaint(path, reader=sheets.read):
    with pytest.raises(DataError) as caught:
        reader(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check_outcome(reader, path):
    """A damaged file may still be a table, or none; else a sentence names it."""
    try:
        found = reader(path)
    except DataError as error:
        found = str(error)
    assert found is None or isinstance(found, Table) or (str(path) in found and "\n" not in found)


# Forms


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_numbers(saved, form):
    table = sheets.read(saved(form, FORMS[form](SHEET)))
    assert (table.space, table.name) == ("nasbench201", form.partition(".")[0])
    found = numbers(table)
    for (key, unit), column in zip(KEYS.items(), (VALID, TEST, PARAMS), strict=True):
        assert found[key] == pytest.approx([unit * value for value in column], rel=1e-15)
    for column in table.columns:
        assert np.isfinite(table.values(column)).sum() == len(CELLS)
        assert column.report_only == (column.metric == "test_accuracy")


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_a_table_or_one_sentence(saved, form):
    whole = FORMS[form](SHEET).encode()
    rng = np.random.default_rng(0)
    harmed = [whole[:at] for at in rng.integers(len(whole), size=20)]
    for at in rng.integers(len(whole), size=40):
        harmed.append(whole[:at] + bytes([rng.integers(256)]) + whole[at + 1 :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns whose names say nothing any more
        for content in harmed:
            check_outcome(sheets.read, saved(form, content))


def test_the_published_table_survives_as_csv(shared_data, saved):
    """Its own arrays under other names, in the release's order, with an index in place of the cells."""
    with np.load(shared_data("nasbench201.npz")) as arrays:
        sheet = {
            "index": range(15625),
            "CIFAR10ValidAccuracy12Epochs": arrays["cifar10_valid_acc_12ep"].tolist(),
            "CIFAR10TestAccuracy200Epochs": arrays["cifar10_test_acc_200ep_mean"].tolist(),
            "CIFAR10 params": (1e6 * arrays["cifar10_params_m"]).tolist(),
            "CIFAR10 FLOPs (M)": arrays["cifar10_macs_m"].tolist(),
        }
    published = npz.read(shared_data("nasbench201.npz"))
    expected = {column.key: published.values(column) for column in published.columns}
    found = sheets.read(saved("all.csv", as_csv(sheet)))
    assert len(found.columns) == 4
    for column in found.columns:
        assert np.allclose(found.values(column), expected[column.key], rtol=1e-12), column.key


# Names and units


def test_v_taos_and_mini_nas_benchs_columns_are_known(read):
    found = read(CIFAR10TestAccuracy200Epochs=TEST, CIFAR100TestAccuracy200Epochs=VALID, **{"imagenet-val": VALID})
    assert list(numbers(found)) == ["cifar10/test_accuracy", "cifar100/test_accuracy", "imagenet16_120/accuracy"]


@pytest.mark.parametrize(
    ("name", "key", "scale"),
    [
        ("raspi4_latency_ms", "raspi4/latency_ms", 1),
        ("raspi4_latency_s", "raspi4/latency_ms", 1000),
        ("cifar10_edgegpu_latency_us", "edgegpu/latency_ms", 0.001),
        ("cifar100_edgegpu_latency (ms)", "edgegpu-cifar100/latency_ms", 1),
        ("1080ti_256/latency_ms", "1080ti_256/latency_ms", 1),
        ("fpga_energy_mJ", "fpga/energy_mj", 1),
        ("fpga_energy_J", "fpga/energy_mj", 1000),
        ("cifar10_train_seconds", "cifar10/train_seconds", 1),
        ("cifar10_training_time_hours", "cifar10/train_seconds", 3600),
    ],
)
def test_the_unit_in_a_name_counts(read, name, key, scale):
    found = numbers(read(**{name: [value / scale for value in LATENCY]}))
    assert found[key] == pytest.approx(LATENCY)


def test_a_column_of_no_data_set_belongs_to_the_only_one(read):
    assert list(numbers(read(cifar10_valid_acc=VALID, params=PARAMS, latency_ms=LATENCY))) == [
        "cifar10/accuracy",
        "cifar10/params_m",
        "cifar10/latency_ms",
    ]


def test_what_is_empty_was_not_measured(read):
    found = numbers(read(cifar10_valid_acc=["", *VALID[1:]]))["cifar10/accuracy"]
    assert np.isnan(found[0])
    assert found[1] == 0.8


def test_columns_that_say_nothing_are_left_out_with_a_warning(read):
    with pytest.warns(UserWarning, match=r"ignored columns: synflow, train_loss, cifar10_train_acc$"):
        found = read(cifar10_valid_acc=VALID, synflow=TEST, train_loss=TEST, cifar10_train_acc=TEST)
    assert list(numbers(found)) == ["cifar10/accuracy"]


@pytest.mark.parametrize(
    ("sheet", "sentence"),
    [
        ({"cifar10_accuracy": VALID}, "'cifar10_accuracy' does not say whether its accuracies are of validation or of"),
        ({"cifar10_eval_acc": VALID}, "does not say whether its accuracies are of validation or of test images"),
        ({"edgegpu_latency": LATENCY}, "'edgegpu_latency' does not say its unit; name it by one of latency_ms, laten"),
        ({"fpga_energy": LATENCY}, "does not say its unit; name it by one of energy_mj, energy_j, energy_uj, or leave"),
        ({"cifar10_train_time": LATENCY}, "name it by one of train_time_s, train_time_seconds, train_time_minutes"),
        ({"raspi4_latency_ms": [value / 1000 for value in LATENCY]}, "must be in milliseconds, but goes up to 0.0125"),
        ({"raspi4_latency_ms": [0, *LATENCY[1:]]}, "'raspi4_latency_ms' holds 0; a latency must be above 0"),
        ({"fpga_energy_mJ": [-1, *LATENCY[1:]]}, "'fpga_energy_mJ' holds -1; it must be above 0"),
        ({"valid_acc": VALID}, "'valid_acc' does not say its data set; name it cifar10_valid_acc"),
        (
            {"cifar10_valid_acc": VALID, "cifar100_valid_acc": TEST, "params": PARAMS},
            "'params' does not say its data set",
        ),
        ({"cifar10_valid_acc": VALID, "cifar10-val": VALID}, "and 'cifar10-val' are both cifar10/accuracy"),
        (
            {"cifar10_valid_acc": VALID, "cifar10_test_acc": [share / 100 for share in TEST]},
            "'cifar10_test_acc' only to",
        ),
        ({"cifar10_valid_acc": [*VALID[1:], "much"]}, "'cifar10_valid_acc' holds 'much', entry 5; it must hold number"),
        ({"cifar10_valid_acc": [*VALID[1:], "93,97"]}, "holds '93,97', entry 5"),
        ({"cifar10_valid_acc": [*VALID[1:], "inf"]}, "'cifar10_valid_acc' holds inf; an accuracy is"),
        ({"cifar10_params": [30] * 5}, "'cifar10_params' holds 30 to 30; networks of NAS-Bench-201 have 0.07 to 1.54"),
        ({"cifar10_flops": [440.0] * 5}, "which are half as many as FLOPs"),
        ({}, "no column whose name says what it holds, such as cifar10_valid_acc, cifar10_test_acc_200ep"),
    ],
)
def test_what_leaves_open_what_it_means_is_refused(saved, sheet, sentence):
    path = saved("mine.csv", as_csv({"arch_str": CELLS, **sheet}))
    assert sentence in complaint(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (as_csv(SHEET).replace("94.37", "94,37"), "row 2 has 5 entries, but the first row names 4 columns"),
        (as_csv(SHEET).replace("none~0", "zero~0"), "names the operation 'zero'"),
        (as_csv(SHEET) + as_csv(SHEET).splitlines()[1], "cells 0 and 5 (counted from 0) are the same"),
        (as_csv(SHEET).replace("cifar10-test", "arch_str"), "has two columns 'arch_str'"),
        (as_csv({"index": [0, 1, 15625], "cifar10-val": VALID[:3]}), "there is no cell 15625"),
        (as_csv({"index": [0, 1.5, 2], "cifar10-val": VALID[:3]}), "must hold whole numbers, the indices of NAS-Bench"),
        (b"arch_str,\xff\xfe\n", "cannot be read as text"),
        ('arch_str,x\n"' + CELLS[0], "is not a complete CSV file"),
    ],
)
def test_a_broken_csv_is_named(saved, content, sentence):
    assert sentence in complaint(saved("mine.csv", content))


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff", b"9" * 5000])
def test_a_broken_json_is_named(saved, content):
    complaint(saved("mine.json", content))


@pytest.mark.parametrize("content", ["{}", "[]", "3", '"text"', '{"a": 1}', '{"a": []}', '[{"seed": 1}]', "[[1, 2]]"])
def test_other_json_is_left_to_others(saved, content):
    assert sheets.read(saved("mine.json", content)) is None


@pytest.mark.parametrize("name", ["mine.csv", "mine.json"])
def test_the_command_makes_a_table_of_it(saved, command, tmp_path, name):
    path = saved(name, FORMS["a.csv" if name.endswith("csv") else "records.json"](SHEET))
    status, said, wrong = command("table", "import", str(path), f"{tmp_path}/tables/")
    assert status == 0, wrong
    assert said == f"15,625 architectures of space 'nasbench201', 3 columns: {tmp_path}/tables/mine.safetensors\n"


def test_indices_are_those_of_the_space():
    vectors = [[OPERATIONS.index(name) for name in from_index(index)["cell"]] for index in range(0, 15625, 97)]
    rows = rows_of_indices(np.arange(0, 15625, 97), "here")
    assert rows.tolist() == [np.ravel_multi_index(vector, CARDINALITIES) for vector in vectors]


# HW-NAS-Bench


def hardware(numbers=np.array):
    """The published structure, small; the file itself is not at hand."""
    config = [{"name": "infer.tiny", "C": 16, "N": 5, "arch_str": cell, "num_classes": 10} for cell in CELLS]
    metrics = {"edgegpu_latency": numbers(LATENCY), "fpga_energy": numbers(LATENCY), "raspi4_latency": LATENCY}
    of_one = {"config": config, **metrics, "eyeriss_arithmetic_intensity": numbers(LATENCY)}
    return {
        "nasbench201": dict.fromkeys(("cifar10", "ImageNet16-120"), of_one),
        "fbnet": {"edgegpu_latency": {"a": 1.0}},
    }


@pytest.mark.parametrize("kind", [np.array, list, lambda values: [np.float64(value) for value in values]])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_hw_nas_benchs_pickle_is_read(saved, kind, protocol):
    table = hw_nas_bench.read(saved("HW-NAS-Bench-v1_0.pickle", pickle.dumps(hardware(kind), protocol)))
    assert (table.name, table.space) == ("hwnasbench201", "nasbench201")
    found = numbers(table)
    assert list(found) == [
        f"{device}{network}/{metric}"
        for network in ("", "-imagenet16_120")
        for device, metric in (("edgegpu", "latency_ms"), ("fpga", "energy_mj"), ("raspi4", "latency_ms"))
    ]
    assert all(column == LATENCY for column in found.values())


class Evil:
    def __reduce__(self):
        return (open, ("pwned", "w"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be read"),
        (b"no pickle", "cannot be read"),
        (pickle.dumps(Evil()), "it asks for"),
        (pickle.dumps(np.array([Evil()])), "it asks for"),
        (pickle.dumps(np.array(["a"])), "it holds numpy numbers of type U1"),
        (pickle.dumps(np.zeros((2, 2))), "it holds an array of shape (2, 2)"),
        (pickle.dumps([1, 2]), "is not HW-NAS-Bench's pickle"),
        (pickle.dumps({"nasbench201": {"cifar10": {}}}), "does not have the published form (KeyError: 'config')"),
        (pickle.dumps({"nasbench201": {}}), "holds no latency and no energy"),
        (
            pickle.dumps(hardware(lambda values: values[1:])),
            "'edgegpu_latency' has the shape (4,); it must be one number for each of 5 cells",
        ),
        (pickle.dumps(hardware(lambda values: [-1.0] * 5)), "holds -1; it must be above 0"),
    ],
)
def test_another_pickle_is_named_and_runs_nothing(saved, tmp_path, monkeypatch, content, sentence):
    monkeypatch.chdir(tmp_path)
    assert sentence in complaint(saved("HW-NAS-Bench-v1_0.pickle", content), hw_nas_bench.read)
    assert not (tmp_path / "pwned").exists()


def test_a_damaged_pickle_is_a_table_or_one_sentence(saved):
    whole = pickle.dumps(hardware())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(whole), size=150):
        for content in (whole[:at], whole[:at] + bytes([rng.integers(256)]) + whole[at + 1 :]):
            check_outcome(hw_nas_bench.read, saved("HW-NAS-Bench-v1_0.pickle", content))


def test_arrays_become_lists(saved):
    arrays = {"f": np.array([1.5, 2.5]), "i": np.arange(3, dtype=">i4"), "none": np.zeros(0), "yes": np.array([True])}
    for protocol in range(6):
        found = pickles.load(saved("any.pickle", pickle.dumps(arrays, protocol)))
        assert found == {"f": [1.5, 2.5], "i": [0, 1, 2], "none": [], "yes": [True]}
