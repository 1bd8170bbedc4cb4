"""The official releases, written small here, become the table that their official readers would answer from."""

import bz2
import math
import os
import pickle

import numpy as np
import pytest
import torch
from small_release import CELLS, DEEP, FORMS, RESNET, as_dictionary, as_file, as_folder, as_pth, release, write_bz2

from nasforge import DataError
from nasforge_plugins.table.cells import CARDINALITIES, OPERATIONS
from nasforge_plugins.table.releases import read

PUBLISHED = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16_120": "ImageNet16-120"}
forms = pytest.mark.parametrize("write", FORMS)


def row(string):
    """By the digits of the string, without our own reader."""
    operations = [part.split("~")[0] for part in string.replace("+", "").split("|") if part]
    return np.ravel_multi_index([OPERATIONS.index(operation) for operation in operations], CARDINALITIES)


def number(table, key, string):
    (column,) = [column for column in table.columns if column.key == key]
    return table.values(column)[row(string)]


def keys(table):
    return [column.key for column in table.columns]


def complaint(path):
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Numbers


@forms
def test_every_form_gives_the_same_table(write, tmp_path):
    table = read(write(tmp_path, release()))
    assert table.fingerprint == read(as_folder(tmp_path / "again", release())).fingerprint
    assert (table.space, table.name, table.rows) == ("nasbench201", "nasbench201", 15625)
    assert table.datasets == ("cifar10", "cifar100", "imagenet16_120")


@pytest.mark.parametrize(
    ("key", "epochs", "name", "scored"),
    [
        ("cifar10/accuracy", "12", "cifar10-valid", "x-valid@11"),
        ("cifar10/accuracy_200ep", "200", "cifar10-valid", "x-valid@199"),
        ("cifar10/test_accuracy", "200", "cifar10", "ori-test@199"),
        ("cifar10/test_accuracy_12ep", "12", "cifar10", "ori-test@11"),
        ("cifar100/accuracy", "12", "cifar100", "x-valid@11"),
        ("cifar100/test_accuracy", "200", "cifar100", "x-test@199"),
        ("imagenet16_120/accuracy_200ep", "200", "ImageNet16-120", "x-valid@199"),
        ("imagenet16_120/test_accuracy_12ep", "12", "ImageNet16-120", "x-test@11"),
    ],
)
def test_accuracies_are_means_over_seeds_after_the_last_epoch(tmp_path, key, epochs, name, scored):
    content = release()
    table = read(as_folder(tmp_path, content))
    for index, string in enumerate(CELLS):
        results = content[index][epochs]["all_results"]
        percents = [one["eval_acc1es"][scored] for (of, _), one in results.items() if of == name]
        assert len(percents) == {"12": 2, "200": 3}[epochs]
        assert number(table, key, string) == pytest.approx(np.mean(percents) / 100, rel=1e-12)


def test_only_test_images_are_report_only_and_the_followed_column_comes_first(tmp_path):
    table = read(as_folder(tmp_path, release()))
    for dataset in table.datasets:
        columns = table.of_dataset(dataset)
        assert columns[0].metric == "accuracy"
        assert {column.metric for column in columns if column.report_only} == {"test_accuracy", "test_accuracy_12ep"}
        assert {column.metric for column in columns if column.direction == "max"} == {
            *("accuracy", "accuracy_200ep", "test_accuracy", "test_accuracy_12ep")
        }


@pytest.mark.parametrize("index", range(len(CELLS)))
@pytest.mark.parametrize("dataset", PUBLISHED)
def test_the_official_reader_gives_the_same_numbers(tmp_path, dataset, index):
    reason = "NOT CHECKED AGAINST THE OFFICIAL READER: pip install nats_bench"
    topology = pytest.importorskip("nats_bench.api_topology", reason=reason)
    folder = as_folder(tmp_path, release())
    official = topology.NATStopology(str(folder), fast_mode=True, verbose=False)
    table, string = read(folder), CELLS[index]
    name = PUBLISHED[dataset]
    halved = "cifar10-valid" if dataset == "cifar10" else name
    for epochs, suffix in (("12", ""), ("200", "_200ep")):
        said = official.get_more_info(index, halved, hp=epochs, is_random=False)
        assert number(table, f"{dataset}/accuracy{suffix}", string) == pytest.approx(said["valid-accuracy"] / 100)
    for epochs, suffix in (("12", "_12ep"), ("200", "")):
        said = official.get_more_info(index, name, hp=epochs, is_random=False)
        assert number(table, f"{dataset}/test_accuracy{suffix}", string) == pytest.approx(said["test-accuracy"] / 100)
    said = official.get_more_info(index, halved, hp="12", is_random=False)
    seconds = said["train-all-time"] + said["valid-per-time"]
    assert number(table, f"{dataset}/train_seconds", string) == pytest.approx(seconds)
    cost = official.get_cost_info(index, name, hp="200")
    assert number(table, f"{dataset}/params_m", string) == pytest.approx(cost["params"])
    assert number(table, f"{dataset}/macs_m", string) == pytest.approx(cost["flops"])
    assert number(table, f"{dataset}/gpu_latency_ms", string) == pytest.approx(cost["latency"] * 1000)


def test_where_trials_disagree_on_a_size_seed_888_is_right(tmp_path):
    content = release()
    for (name, seed), one in content[0]["200"]["all_results"].items():
        if name == "cifar10":
            one["params"] = np.float64(seed / 1000)
    assert number(read(as_folder(tmp_path, content)), "cifar10/params_m", RESNET) == 0.888


@forms
def test_what_a_partial_release_lacks_is_nan(write, tmp_path):
    content = release()
    del content[1]
    table = read(write(tmp_path, content))
    for column in table.columns:
        there = np.flatnonzero(~np.isnan(table.values(column)))
        assert set(there) == {row(CELLS[0]), row(CELLS[2])}
        assert math.isnan(number(table, column.key, DEEP))


def test_the_first_release_timed_only_its_short_trainings_on_cifar10(tmp_path):
    """NAS-Bench-201 v1.0: 12 epochs on cifar10-valid alone; the long trainings have scores of the last epoch only."""
    content = release()
    for of_one in content.values():
        short, long = of_one["12"], of_one["200"]
        short["dataset_seed"] = {"cifar10-valid": [111, 777]}
        short["all_results"] = {key: one for key, one in short["all_results"].items() if key[0] == "cifar10-valid"}
        for training in long["all_results"].values():
            scores = {key: score for key, score in training["eval_acc1es"].items() if key.endswith("@199")}
            training.update(train_times=None, eval_acc1es=scores, eval_times={})
    table = read(as_pth(tmp_path, content))
    assert {"cifar10/accuracy", "cifar10/train_seconds", "cifar100/accuracy_200ep"} <= set(keys(table))
    assert not {"cifar10/test_accuracy_12ep", "cifar100/accuracy", "cifar100/train_seconds"} & set(keys(table))
    assert table.of_dataset("cifar100")[0].metric == "accuracy_200ep"
    assert table.values(table.columns[0])[row(RESNET)] > 0


@forms
def test_trained_weights_are_left_unread(write, tmp_path):
    content = release()
    for training in content[0]["200"]["all_results"].values():
        training["net_state_dict"] = {"weight": torch.rand(3, 3), "count": torch.tensor(7)}
    assert read(write(tmp_path, content)).fingerprint == read(as_folder(tmp_path / "again", release())).fingerprint


# Safety


class Foreign:
    """Asks for a function to be called when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@forms
def test_nothing_foreign_is_run(write, tmp_path):
    content = release()
    content[1]["12"]["arch_config"] = Foreign(tmp_path / "entered")
    said = complaint_below(write(tmp_path, content))
    assert "it asks for posix.mkdir" in said or "it asks for nt.mkdir" in said
    assert not (tmp_path / "entered").exists()


def complaint_below(path):
    """Of a release whose folder or file is broken."""
    with pytest.raises(DataError) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("value", [{1, 2}, np.float32(1.5), np.int64(-3), np.bool_(True), np.dtype(">f8").type(2)])
@pytest.mark.parametrize("protocol", [2, 4])
def test_numbers_of_every_kind_are_read(tmp_path, value, protocol):
    from nasforge_plugins.shared.pickles import load_bz2

    with bz2.open(tmp_path / "one.pbz2", "wb") as file:
        pickle.dump({"value": value}, file, protocol=protocol)
    assert load_bz2(tmp_path / "one.pbz2") == {"value": value}


@pytest.mark.parametrize(
    "value", [np.zeros((2, 2)), np.array(["a"]), np.complex128(1j), np.datetime64("2020-01-01"), (3).__class__, len]
)
def test_what_is_no_number_is_refused(tmp_path, value):
    write_bz2(tmp_path / "0.pickle.pbz2", {"value": value})
    assert "must be complete and hold only numbers and strings" in complaint(tmp_path / "0.pickle.pbz2")


# Wrong


@forms
def test_a_torn_file_is_named(write, tmp_path):
    path = write(tmp_path, release())
    torn = path / "000001.pickle.pbz2" if path.is_dir() else path
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    with pytest.raises(DataError, match=f"{torn} cannot be read"):
        read(path)


@pytest.mark.parametrize("name", ["weights.pth", "other.pickle.pbz2"])
def test_other_files_of_these_kinds_are_named(tmp_path, name):
    if name.endswith(".pth"):
        torch.save({"state_dict": {}}, tmp_path / name)
    else:
        write_bz2(tmp_path / name, [1, 2])
    assert "has no 'arch2infos'" in complaint(tmp_path / name)
    (tmp_path / name).write_bytes(b"something else")
    assert "cannot be read" in complaint(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "folder"])
def test_files_of_other_kinds_are_left_to_others(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / name).touch()
    assert read(tmp_path / name) is None


def broken(change):
    content = release()
    change(content)
    return content


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda content: content[2]["12"].pop("all_results"),
            "architecture 2 does not have the published form (KeyError",
        ),
        (lambda content: content[2]["12"].pop("arch_str"), "architecture 2: its trainings must be of one architecture"),
        (lambda content: content[2]["12"].update(arch_str=DEEP), "its trainings must be of one architecture"),
        (lambda content: content.update({7: content[0]}), "cells 0 and 3 (counted from 0) are the same"),
        (lambda content: content.clear(), "holds no architectures"),
        (
            lambda content: content[1]["12"]["all_results"]["cifar10-valid", 111].update(epochs=10**12),
            "architecture 1 does not have the published form (ValueError: a training of 1000000000000 epochs)",
        ),
        (
            lambda content: [record.update(arch_str="8:8:8:8:8") for record in content[1].values()],
            "is of NATS-Bench's size space (8:8:8:8:8), and nasforge has no such space",
        ),
        (
            lambda content: [record.update(arch_str=DEEP.replace("1x1", "7x7")) for record in content[1].values()],
            "names the operation 'nor_conv_7x7'; the operations are none, skip_connect,",
        ),
    ],
)
def test_results_of_another_form_are_named(tmp_path, change, sentence):
    assert sentence in complaint(as_file(tmp_path, broken(change)))


def test_our_release_is_written_as_the_official_reader_of_nas_bench_201_reads_it(tmp_path):
    reason = "NOT CHECKED AGAINST THE OFFICIAL READER: pip install nas-bench-201"
    official = pytest.importorskip("nas_201_api", reason=reason)
    content = release()
    api = official.NASBench201API(as_dictionary(content), verbose=False)
    table = read(as_pth(tmp_path, content))
    for index, string in enumerate(CELLS):
        said = api.get_more_info(index, "cifar10", None, hp="200", is_random=False)
        assert number(table, "cifar10/test_accuracy", string) == pytest.approx(said["test-accuracy"] / 100)
        said = api.get_more_info(index, "cifar10-valid", None, hp="12", is_random=False)
        assert number(table, "cifar10/accuracy", string) == pytest.approx(said["valid-accuracy"] / 100)
