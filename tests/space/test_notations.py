"""Architectures as people have them: every published form of each space is read, or the sentence says which are."""

import hashlib
import json

import numpy as np
import pytest

from nasforge import ArchitectureError, UnknownNameError
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.space.nasbench201 import NASBench201
from nasforge_plugins.space.nasbench201.notations import from_index
from nasforge_plugins.space.reolon import Reolon
from nasforge_plugins.space.tsenas import TSENAS

SPACES = {space.name: space for space in (DARTS, NASBench201, Reolon, TSENAS)}
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
NORMAL = [("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_3x3", 1)]
NORMAL += [("skip_connect", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 2)]
REDUCE = [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 0)]
REDUCE += [("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("avg_pool_3x3", 0)]
CONCAT = [2, 3, 4, 5]
ORDER = "83abc799e45cf34e9d2163654668ab998b9a54d01c39e72ca1f71f2cdf356d84"
DARTS_V1 = f"Genotype(normal={NORMAL}, normal_concat={CONCAT}, reduce={REDUCE}, reduce_concat=range(2, 6))"


def nested(pairs):
    return [pairs[at : at + 2] for at in range(0, len(pairs), 2)]


def complaint(space, text, kind=ArchitectureError):
    with pytest.raises(kind) as caught:
        space.read(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


# Each space


@pytest.mark.parametrize(
    "text",
    [
        f"genotype = {DARTS_V1}",
        f"11/12 03:21:12 PM genotype = {DARTS_V1}",
        f"genotypes.{DARTS_V1},",
        f"{DARTS_V1}\n{DARTS_V1}\n",
        DARTS_V1.replace("), (", "),\n    (").replace("normal=", "\n  normal="),
        DARTS_V1.replace(str(NORMAL), str(nested(NORMAL))).replace(str(REDUCE), str(nested(REDUCE))),
        f"Genotype({NORMAL}, {CONCAT}, {REDUCE}, range(2, 6))",
        str({"normal": NORMAL, "normal_concat": CONCAT, "reduce": REDUCE, "reduce_concat": CONCAT}),
        json.dumps({"normal": nested(NORMAL), "normal_concat": CONCAT, "reduce": REDUCE, "reduce_concat": CONCAT}),
    ],
)
def test_genotypes_are_read_as_they_stand_in_logs_and_code(text):
    assert DARTS().read(text) == DARTS().read("DARTS_V1")


@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_an_odd_number_of_nested_nodes_is_read(nodes):
    cell = nested((REDUCE + REDUCE)[: 2 * nodes])
    text = f"Genotype(normal={cell}, normal_concat=[2], reduce={cell}, reduce_concat=[2])"
    assert len(DARTS().read(text)["normal"]) == nodes


@pytest.mark.parametrize(
    "text",
    [
        f"Structure(4 nodes with {RESNET})",
        f"[Search] 1234 : the best arch is Structure(4 nodes with {RESNET}), accuracy 93.97%",
        f"arch_str: '{RESNET}'",
        f"{RESNET}, 93.97",
        "[(('nor_conv_3x3', 0),), (('none', 0), ('nor_conv_3x3', 1)), "
        "(('skip_connect', 0), ('none', 1), ('skip_connect', 2))]",
        "ResNet_CODE = Structure(\n  [(('nor_conv_3x3', 0), ), (('none', 0), ('nor_conv_3x3', 1)),\n"
        "   (('skip_connect', 0), ('none', 1), ('skip_connect', 2))])",
        str({"1<-0": "nor_conv_3x3", "2<-0": "none", "2<-1": "nor_conv_3x3", "3<-0": "skip_connect"})[:-1]
        + ", '3<-1': 'none', '3<-2': 'skip_connect'}",
        json.dumps({"1<-0": "nor_conv_3x3", "2<-0": "none", "2<-1": "nor_conv_3x3", "3<-0": "skip_connect"})[:-1]
        + ', "3<-1": "none", "3<-2": "skip_connect"}',
        "11472",
    ],
)
def test_cells_of_nas_bench_201_are_read_as_its_tools_write_them(text):
    """11472 is the index of the cell that makes a ResNet (NATS-Bench's documentation)."""
    assert NASBench201().read(text) == NASBench201().read("resnet")


def test_indices_are_those_of_the_release(shared_data):
    space = NASBench201()
    with np.load(shared_data("nasbench201.npz")) as table:
        strings = table["arch_str"].tolist()
    assert [str(from_index(index)) for index in range(15625)] == strings
    assert space.read("6111") == space.read("best_cifar10"), "the best of CIFAR-10, as the literature has it"


def test_the_order_of_the_indices_never_changes():
    """The digest is that of all strings of the release, in its order."""
    strings = "\n".join(str(from_index(index)) for index in range(15625))
    assert hashlib.sha256(strings.encode()).hexdigest() == ORDER


def test_six_operations_that_two_tools_order_differently_are_given_in_both():
    space = NASBench201()
    said = complaint(space, "[4, 0, 3, 1, 4, 3]")
    official = "|avg_pool_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    naslib = "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    assert f"means {official} in the order of NAS-Bench-201's own code, and {naslib} in NASLib's" in said
    assert space.encode(space.read(official)).tolist() == [4, 0, 3, 1, 4, 3]
    assert "in NASLib's" in complaint(space, "['none', 'skip_connect', 'nor_conv_1x1', 'none', 'none', 'none']")


def test_six_operations_that_both_tools_order_alike_are_read():
    names = ("none", "skip_connect", "skip_connect", "skip_connect", "skip_connect", "none")
    assert NASBench201().read(str(names))["cell"] == names


def test_a_chromosome_may_be_a_list():
    space = TSENAS()
    assert space.read("[0, 0,0,2, 0,1,6, 1,2,5, 0,3,1]") == space.read("0 | 0 0 2 | 0 1 6 | 1 2 5 | 0 3 1")


@pytest.mark.parametrize(
    ("space", "text", "sentence"),
    [
        ("darts", f"{DARTS_V1} {DARTS_V1.replace('sep_conv_3x3', 'sep_conv_5x5')}", "2 different genotypes; give one"),
        ("darts", "Genotype(normal=[('sep_conv_3x3', 1)], normal_concat=[2", "cannot be read as Genotype("),
        ("darts", DARTS_V1.replace("range(2, 6)", "range(2, 1000000000)"), "field 'reduce_concat' is "),
        ("darts", "Genotype(" + "[" * 5000, "cannot be read as Genotype("),
        ("darts", "4, 2, 1 and so on", "'4, 2, 1 and so on' holds no architecture of space 'darts'; Genotype(normal=["),
        ("nasbench201", f"{RESNET} then {RESNET.replace('none', 'skip_connect')}", "holds 2 different cells; give one"),
        ("nasbench201", "15625", "there is no cell 15625: the indices of NAS-Bench-201 go from 0 to 15624"),
        ("nasbench201", "-1", "there is no cell -1"),
        ("nasbench201", "9" * 5000, "holds no architecture of space 'nasbench201'; |nor_conv_3x3~0|+|none~0|"),
        ("nasbench201", "[(('nor_conv_3x3', 0),), (('none', 0),), ()]", "edge 2<-1 is missing"),
        ("nasbench201", "(0, 1, 2, 3, 4, 9)", "edge 3<-2: '9' is not one of none, skip_connect"),
        ("nasbench201", "8:16:24:32:40", "an index from 0 to 15624, JSON and files of these can be read"),
        ("nasbench201", "[" * 9000, "holds no architecture of space 'nasbench201'"),
        ("reolon", "5", "must end in `--SHARED  DATASET`"),
        ("tsenas", "5", "begins with 0, the input layer; this one begins with 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(space, text, sentence):
    assert sentence in complaint(SPACES[space](), text, (ArchitectureError, UnknownNameError))


# Files


@pytest.fixture
def genotypes(tmp_path):
    """A file as DARTS's genotypes.py, whose last architecture has an operation that nobody else knows."""
    odd = DARTS_V1.replace("sep_conv_3x3", "mystery_3x3")
    other = DARTS_V1.replace("max_pool", "avg_pool")
    lines = [
        "from collections import namedtuple",
        "Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')",
        "",
        f"FIRST = {DARTS_V1}",
        f"SECOND = {other}".replace("), (", "),\n    ("),
        f"ODD = {odd}",
        "DARTS = SECOND",
    ]
    (tmp_path / "genotypes.py").write_text("\n".join(lines))
    return tmp_path / "genotypes.py"


def test_a_file_may_hold_a_line_of_a_log(tmp_path):
    for name in ("found.txt", "found.json", "log"):
        (tmp_path / name).write_text(f"BEST = {DARTS_V1}\n")
        assert DARTS().read(str(tmp_path / name)) == DARTS().read("DARTS_V1")


def test_one_of_several_in_a_file_is_taken_by_its_name(genotypes):
    space = DARTS()
    assert space.read(f"{genotypes}:FIRST") == space.read("DARTS_V1")
    assert space.read(f"{genotypes}:SECOND")["reduce"][0][0] == ("avg_pool_3x3", 0)
    assert "operation 'mystery_3x3'" in complaint(space, f"{genotypes}:ODD")
    assert "holds no architecture of space 'darts'" in complaint(space, f"{genotypes}:DARTS")
    said = complaint(space, f"{genotypes}:THIRD")
    assert "has no line that begins with 'THIRD ='; it has Genotype, FIRST, SECOND, ODD, DARTS" in said


def test_a_file_of_several_says_how_to_take_one(genotypes):
    genotypes.write_text(
        genotypes.read_text().replace("mystery", "sep_conv").replace("sep_conv_3x3_3x3", "sep_conv_5x5")
    )
    said = complaint(DARTS(), str(genotypes))
    assert said.startswith(f"{genotypes}: ")
    assert f"'{genotypes}:" in said


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"no architecture", b"[" * 9000, b"{" * 9000])
@pytest.mark.parametrize("name", ["found.json", "found.txt"])
@pytest.mark.parametrize("space", SPACES)
def test_a_file_of_anything_else_is_named(tmp_path, space, name, content):
    (tmp_path / name).write_bytes(content)
    said = complaint(SPACES[space](), str(tmp_path / name))
    assert str(tmp_path / name) in said


# The command


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("value", ["-1", "true", "[1,2]", "{a: 1}", "1e400", "''", "[]", "'[[[]]]'", "~nobody/x", "\0"])
def test_no_value_of_the_option_is_a_fault_of_ours(mistake, space, value):
    said = mistake("retrain", f"space={space}", f"architecture={value}", "hydra.run.dir=run")
    assert "fault" not in said


def test_texts_longer_than_a_path_may_be_are_read(mistake, command):
    small = ("retrain.epochs=1", "retrain.seeds=1", "retrain.random=0", "retrain.cells=1", "retrain.channels=4")
    words = (
        "space=nasbench201",
        "retrain.auxiliary=false",
        f'architecture="{"log " * 99}{RESNET}"',
        "hydra.run.dir=run",
    )
    status, said, wrong = command("retrain", *small, *words)
    assert status == 0, wrong
    assert "genotype" not in said
    long = mistake("retrain", "space=darts", f'architecture="{"log " * 99}"', "hydra.run.dir=other")
    assert "holds no architecture of space 'darts'" in long
