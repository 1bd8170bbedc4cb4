"""Tables: written, opened and looked up; whatever is wrong with a file is one sentence."""

import json
import os
import pickle

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from nasforge import Column, DataError, Objective, Origin, Table, UnknownNameError
from nasforge.tables.storage import HEADER

CARDINALITIES = (3, 1, 4, 2)
ROWS = 24
FOLLOWED = Column("digits", "accuracy", "max", about="validation")
TESTED = Column("digits", "test_accuracy", "max", report_only=True)
SIZE = Column("letters", "params_m", "min")


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return {SIZE: rng.uniform(0, 9, ROWS), TESTED: rng.random(ROWS), FOLLOWED: rng.random(ROWS)}


@pytest.fixture
def table(values):
    return Table.of("stairs", CARDINALITIES, values, source="nobody")


@pytest.fixture
def path(table, tmp_path):
    table.write(tmp_path / "stairs.safetensors")
    return tmp_path / "stairs.safetensors"


def complaint(act):
    with pytest.raises(DataError) as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read_all(path):
    table = Table.open(path)
    return table.matrix(table.columns)


def altered(path, header=None, tensors=None):
    """Write the file again with some entries of its header, or some tensors, replaced; None leaves one out."""
    with safe_open(path, framework="numpy") as file:
        written = json.loads(file.metadata()[HEADER])
    arrays = {**load_file(path), **(tensors or {})}
    content = {key: value for key, value in {**written, **(header or {})}.items() if value is not None}
    save_file({key: array for key, array in arrays.items() if array is not None}, path, {HEADER: json.dumps(content)})


# Written and read


def test_what_is_written_is_opened(table, path, values):
    opened = Table.open(path)
    assert opened.columns == table.columns == (SIZE, TESTED, FOLLOWED)
    assert (opened.space, opened.name, opened.source, opened.cardinalities) == (
        "stairs",
        "stairs",
        "nobody",
        (3, 1, 4, 2),
    )
    assert opened.path == path
    for column, array in values.items():
        assert opened.values(column).tolist() == array.tolist()
    assert opened.fingerprint == table.fingerprint


def test_equal_tables_give_equal_bytes(table, path, tmp_path):
    Table.open(path).write(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_other_users_may_read_it(path, tmp_path):
    (tmp_path / "plain").touch()
    assert os.stat(path).st_mode == os.stat(tmp_path / "plain").st_mode


def test_the_file_is_as_documented(path, values):
    with safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == {"digits/accuracy", "digits/test_accuracy", "letters/params_m"}
        assert set(file.metadata()) == {HEADER}
        header = json.loads(file.metadata()[HEADER])
        assert file.get_tensor("letters/params_m").tolist() == values[SIZE].tolist()
    assert list(header) == ["format", "name", "space", "cardinalities", "columns", "source"]
    assert [column["metric"] for column in header["columns"]] == ["params_m", "test_accuracy", "accuracy"]


def test_an_opened_table_travels_to_another_process(path):
    there = pickle.loads(pickle.dumps(Table.open(path)))
    assert there.matrix(there.columns).tolist() == read_all(path).tolist()


def test_a_column_is_read_when_it_is_asked_for(path, values):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # in the tensor that comes last
    path.write_bytes(content)
    opened = Table.open(path)
    readable = [column for column in opened.columns if column.key != sorted(c.key for c in opened.columns)[-1]]
    assert opened.matrix(readable).shape == (ROWS, 2)
    assert "is damaged: its checksum differs" in complaint(lambda: read_all(path))


# Looked up


def test_rows_are_numpys_own():
    table = Table.of("stairs", CARDINALITIES, {SIZE: np.zeros(ROWS)}, source="")
    vectors = np.stack(np.unravel_index(np.arange(ROWS), CARDINALITIES), axis=1)
    assert [table.row(vector) for vector in vectors] == list(range(ROWS))
    assert table.row([2, 0, 3, 1]) == np.ravel_multi_index((2, 0, 3, 1), CARDINALITIES)


@pytest.mark.parametrize("vector", [(3, 0, 0, 0), (0, 1, 0, 0), (-1, 0, 0, 0)])
def test_a_vector_of_another_space_has_no_row(table, vector):
    assert "space 'stairs' has no vector" in complaint(lambda: table.row(np.array(vector)))


def test_columns_side_by_side(table, values):
    matrix = table.matrix([FOLLOWED, SIZE])
    assert matrix.tolist() == np.stack([values[FOLLOWED], values[SIZE]], axis=1).tolist()
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1


def test_columns_by_data_set(table):
    assert table.datasets == ("letters", "digits")
    assert table.of_dataset("digits") == (TESTED, FOLLOWED)
    assert [column.objective for column in table.of_dataset("digits")] == [
        Objective("test_accuracy", "max", report_only=True),
        Objective("accuracy", "max"),
    ]
    with pytest.raises(UnknownNameError, match=r"no data set in table 'stairs' named 'digit'. Did you mean 'digits'\?"):
        table.of_dataset("digit")


def test_the_fingerprint_is_that_of_the_numbers(table, values):
    changed = {column: array.copy() for column, array in values.items()}
    changed[SIZE][7] += 1e-9
    assert Table.of("stairs", CARDINALITIES, values, source="elsewhere").fingerprint == table.fingerprint
    assert Table.of("stairs", CARDINALITIES, changed, source="nobody").fingerprint != table.fingerprint
    assert Table.of("ladder", CARDINALITIES, values, source="nobody").fingerprint != table.fingerprint


# A sample of a space, and compressed files

VECTORS = np.array([[2, 0, 3, 1], [0, 0, 0, 0], [1, 0, 2, 1]])


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_sample_is_written_and_looked_up(tmp_path, suffix):
    size = Column("letters", "params_m", "min", about="a guess", basis="predicted")
    origin = Origin("somewhere", "0" * 40, "MIT", "a paper", "nobody's")
    table = Table.of("stairs", CARDINALITIES, {size: np.arange(3)}, source="", vectors=VECTORS, origin=origin)
    table.write(tmp_path / f"sample.{suffix}")
    opened = Table.open(tmp_path / f"sample.{suffix}")
    assert (opened.columns, opened.origin, opened.rows) == ((size,), origin, 3)
    assert opened.columns[0].description == "predicted, a guess"
    assert [opened.row(vector) for vector in VECTORS] == [0, 1, 2]
    assert "lacks this architecture: it has a sample of 3 of 'stairs'" in complaint(lambda: opened.row([0, 0, 0, 1]))
    assert opened.fingerprint == table.fingerprint
    others = Table.of("stairs", CARDINALITIES, {size: np.arange(3)}, source="", vectors=VECTORS[::-1])
    assert others.fingerprint != table.fingerprint


@pytest.mark.parametrize(
    ("vectors", "sentence"),
    [
        (VECTORS[[0, 1, 0]], "1 of its architectures occur twice"),
        (VECTORS + 1, "one of its vectors is outside space 'stairs'"),
        (VECTORS[:, :3], r"its vectors are int64 of shape (3, 3); they must be int64 of shape (rows, 4)"),
        (VECTORS[:2], "'letters/params_m' is float64 of shape (3,); 2 architectures of 'stairs' need"),
    ],
)
def test_a_sample_of_impossible_vectors_is_refused(vectors, sentence):
    assert sentence in complaint(
        lambda: Table.of("stairs", CARDINALITIES, {SIZE: np.arange(3)}, source="", vectors=vectors).row(VECTORS[0])
    )


def test_a_compressed_table_is_read_by_column_and_checked(table, tmp_path):
    table.write(tmp_path / "stairs.npz")
    assert read_all(tmp_path / "stairs.npz").tolist() == table.matrix(table.columns).tolist()
    Table.open(tmp_path / "stairs.npz").write(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "stairs.npz").read_bytes()
    content = bytearray((tmp_path / "stairs.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "stairs.npz").write_bytes(content)
    assert "stairs.npz" in complaint(lambda: read_all(tmp_path / "stairs.npz"))


# Wrong


@pytest.mark.parametrize("left", [0, 4, 100, 0.5, -1])
def test_a_truncated_file_is_named(path, left):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left) if isinstance(left, float) else left])
    said = complaint(lambda: read_all(path))
    assert str(path) in said
    assert "import the table again" in said


def test_a_file_that_is_not_there_or_no_table(tmp_path):
    assert "there is no file" in complaint(lambda: Table.open(tmp_path / "none.safetensors"))
    save_file({"weight": np.ones(3)}, tmp_path / "weights.safetensors", {"format": "pt"})
    assert Table.open(tmp_path / "weights.safetensors") is None


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"format": 2}, "has table format 2; this version reads 1"),
        ({"space": None}, "its header is damaged (KeyError: 'space')"),
        ({"columns": 5}, "its header is damaged (TypeError"),
        ({"columns": [{"dataset": "digits", "sha256": ""}]}, "its header is damaged (TypeError"),
        (
            {"columns": [{"dataset": "a", "metric": "b", "direction": "up", "sha256": ""}]},
            "its header is damaged (ValueError: the direction of 'a/b' is 'up')",
        ),
        ({"cardinalities": [3, 2, 4, 2]}, "48 architectures of 'stairs' need float64 of shape (48,)"),
    ],
)
def test_a_damaged_header_is_named(path, header, sentence):
    altered(path, header=header)
    assert sentence in complaint(lambda: read_all(path))


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (None, "lacks the column 'digits/accuracy' that its header lists"),
        (np.zeros(ROWS), "the column 'digits/accuracy' is damaged: its checksum differs"),
        (np.zeros(ROWS - 1), "'digits/accuracy' is float64 of shape (23,); 24 architectures of 'stairs' need"),
        (np.zeros(ROWS, np.float32), "'digits/accuracy' is float32"),
    ],
)
def test_a_damaged_column_is_named(path, array, sentence):
    altered(path, tensors={"digits/accuracy": array})
    assert sentence in complaint(lambda: read_all(path))


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (SIZE, np.inf, "'letters/params_m' holds an infinite number, at row 5"),
        (FOLLOWED, 93.5, "'digits/accuracy' holds 93.5; accuracies are fractions between 0 and 1"),
        (TESTED, -0.1, "'digits/test_accuracy' holds -0.1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(values, column, value, sentence):
    values[column][5] = value
    assert sentence in complaint(lambda: Table.of("stairs", CARDINALITIES, values, source=""))


def test_nan_stands_for_what_was_not_measured(values, tmp_path):
    values[FOLLOWED][3] = np.nan
    Table.of("stairs", CARDINALITIES, values, source="").write(tmp_path / "partial.safetensors")
    opened = Table.open(tmp_path / "partial.safetensors")
    assert np.flatnonzero(np.isnan(opened.values(FOLLOWED))).tolist() == [3]
