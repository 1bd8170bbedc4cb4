"""space=nasbench201 against the benchmark's own table, where the project's shared folder lies beside it."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.space.nasbench201.cell import EDGES, OPERATIONS

SHARED = Path(os.environ.get("NASFORGE_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")
TABLE, PROXIES = SHARED / "data" / "nasbench201.npz", SHARED / "data" / "nasbench201_zerocost.npz"
DATA = {"cifar10": ((3, 32, 32), 10), "cifar100": ((3, 32, 32), 100), "imagenet16_120": ((3, 16, 16), 120)}


@pytest.fixture(scope="module")
def table():
    missing = [str(file) for file in (TABLE, PROXIES) if not file.is_file()]
    if missing:
        pytest.skip(f"THE TABLE NOT CHECKED: {', '.join(missing)} not there; NASFORGE_SHARED names another folder")
    with np.load(PROXIES, allow_pickle=False) as proxies:
        published = np.union1d(proxies["setA_index"], proxies["setB_index"])
    with np.load(TABLE, allow_pickle=False) as file:
        return {"published": published, **{name: file[name] for name in file.files}}


@pytest.fixture(scope="module")
def space():
    return NASBench201()


@pytest.fixture(scope="module")
def cells(space, table):
    """The architecture of every row."""
    return [space.read(text) for text in table["arch_str"]]


def test_strings_and_vectors_are_the_tables(space, table, cells):
    assert list(OPERATIONS) == table["op_names"].tolist()
    assert [list(edge) for edge in EDGES] == table["edges"].tolist()
    assert [str(cell) for cell in cells] == table["arch_str"].tolist()
    assert np.array_equal([space.encode(cell) for cell in cells], table["ops"])


def test_function_keys_part_the_cells_as_the_table_does(space, table, cells):
    keys = [space.function_key(cell) for cell in cells]
    pairs = set(zip(keys, table["iso_class"].tolist(), strict=True))
    assert len(pairs) == len(set(keys)) == len(set(table["iso_class"].tolist())) == 6_466
    assert len(set(cells)) == 15_625


def test_presets_are_what_their_names_say(space, table):
    row = {text: index for index, text in enumerate(table["arch_str"].tolist())}
    for data in DATA:
        accuracies = table[f"{data}_test_acc_200ep_mean"]
        assert accuracies[row[str(space.presets[f"best_{data}"])]] == accuracies.max()
    for name, index, accuracy in (("resnet", 11472, 93.91), ("all_conv_3x3", 1462, 93.76), ("all_skip", 1835, 54.30)):
        assert row[str(space.presets[name])] == index
        assert table["cifar10_test_acc_200ep_mean"][index] == pytest.approx(accuracy, abs=0.005)


def built(space, one, data):
    shape, classes = DATA[data]
    with torch.device("meta"):
        return space.build(one, shape, classes)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("data", DATA)
def test_every_cell_has_the_tables_parameters(space, table, data):
    """Parameters add up over the edges, which builds of the published rows confirm."""
    nothing = parameters(built(space, space.decode(np.zeros(6, int)), data))
    alone = np.zeros((6, 5), int)
    for edge in range(6):
        for choice in range(5):
            vector = choice * (np.arange(6) == edge)
            alone[edge, choice] = parameters(built(space, space.decode(vector), data)) - nothing
    counts = nothing + sum(alone[edge, table["ops"][:, edge]] for edge in range(6))
    assert np.array_equal(np.round(table[f"{data}_params_m"] * 1e6).astype(int), counts)
    assert np.allclose(table[f"{data}_params_m"], counts / 1e6, rtol=0, atol=1e-12)
    assert len(table["published"]) == 1_104
    for row in np.random.default_rng(0).choice(table["published"], 40, replace=False):
        assert parameters(built(space, space.decode(table["ops"][row]), data)) == counts[row]


def operations_as_the_table_counts(network, images):
    """Multiply-accumulates of convolutions and the classifier; a BatchNorm counts 2 a value and a ReLU 1, a pool its
    window. The window of the last pool, over the whole map, was taken one pixel too large each way."""
    total = 0

    def count(layer, inputs, out):
        nonlocal total
        match layer:
            case nn.Conv2d():
                total += layer.weight.numel() * out[0, 0].numel()
            case nn.Linear():
                total += layer.weight.numel()
            case nn.BatchNorm2d():
                total += 2 * out[0].numel()
            case nn.ReLU():
                total += out[0].numel()
            case nn.AvgPool2d():
                side = layer.kernel_size
                total += side**2 * out[0].numel()
            case nn.AdaptiveAvgPool2d():
                height, width = inputs[0].shape[-2:]
                total += (height + 1) * (width + 1) * out[0].numel()

    for layer in network.modules():
        layer.register_forward_hook(count)
    network.eval()(images)
    return total


@pytest.mark.parametrize("data", DATA)
def test_published_operation_counts_by_the_tables_own_rule(space, table, data):
    images = torch.empty(1, *DATA[data][0], device="meta")
    for row in np.random.default_rng(1).choice(table["published"], 25, replace=False):
        network = built(space, space.decode(table["ops"][row]), data)
        assert operations_as_the_table_counts(network, images) / 1e6 == table[f"{data}_macs_m"][row]
