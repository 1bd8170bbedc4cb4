"""`nasforge table`: imports, and says what is there."""

import subprocess
import sys

import numpy as np
import pytest

from nasforge import Column, Table

ACCURACY = Column("digits", "accuracy", "max", about="validation, 12 epochs")
TESTED = Column("digits", "test_accuracy", "max", report_only=True)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Only the user's cache, which is empty; `command` runs in an empty folder."""
    monkeypatch.delenv("NASFORGE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path / "caches/nasforge/tables"


@pytest.fixture
def written(tmp_path):
    accuracies = np.array([0.1, 0.75, np.nan, 0.5])
    table = Table.of("stairs", (2, 2), {ACCURACY: accuracies, TESTED: accuracies[::-1]}, source="a tower")
    table.write(tmp_path / "elsewhere/any.safetensors")
    return tmp_path / "elsewhere/any.safetensors"


def test_import_fills_the_users_cache_and_says_so(command, written, places):
    status, said, _ = command("table", "import", str(written))
    assert status == 0
    assert said == f"4 architectures of space 'stairs', 2 columns: {places}/stairs.safetensors\n"
    assert Table.open(places / "stairs.safetensors").fingerprint == Table.open(written).fingerprint


@pytest.mark.parametrize(("target", "file"), [("mine/", "mine/stairs.safetensors"), ("a.safetensors", "a.safetensors")])
def test_import_takes_a_target(command, written, tmp_path, target, file):
    assert command("table", "import", str(written), f"{tmp_path}/{target}")[0] == 0
    assert Table.open(tmp_path / file).source == "a tower"


def test_info_shows_every_column(command, written):
    status, said, _ = command("table", "info", str(written))
    assert status == 0
    for word in (str(written), "space stairs, 4 architectures; a tower"):
        assert word in said
    (followed,) = [" ".join(line.split()) for line in said.splitlines() if " accuracy " in line]
    assert followed == "digits accuracy more 0.1 to 0.75 3 of 4 validation, 12 epochs"
    (tested,) = [line for line in said.splitlines() if "test_accuracy" in line]
    assert "report only" in tested


def test_info_shows_all_tables_that_are_found(command, written, places):
    command("table", "import", str(written))
    command("table", "import", str(written), str(places / "other.safetensors"))
    np.savez(places / "pictures.npz", images=np.zeros(3))
    status, said, _ = command("table", "info")
    assert status == 0
    assert [line for line in said.splitlines() if line.endswith("safetensors")] == [
        f"{places}/other.safetensors",
        f"{places}/stairs.safetensors",
    ]
    assert "pictures" not in said


def test_info_names_a_broken_table_and_shows_the_others(command, written, places):
    command("table", "import", str(written))
    (places / "broken.safetensors").write_bytes(b"torn")
    status, said, _ = command("table", "info")
    assert status == 2
    assert "broken.safetensors is not a safetensors file" in said
    assert "space stairs" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "table needs an argument: nasforge table import SOURCE [TARGET], or nasforge table info [NAME or PATH]"),
        (["imprt", "x"], "table does not know 'imprt'. Did you mean 'import'?"),
        (["import"], "table import takes one source"),
        (["import", "a", "b", "c"], "table import takes one source"),
        (["import", "nowhere"], "there is no file nowhere"),
        (["import", "--force"], "table import takes no option --force"),
        (["info", "a", "b"], "table info takes one name or path"),
        (["info", "nowhere"], "there is no table 'nowhere': no package brings tables"),
        (["info", "./nowhere"], "there is no file nowhere"),
        (["info"], "make one: nasforge table import SOURCE"),
    ],
)
def test_each_mistake_is_one_sentence(no_installed_tables, mistake, words, sentence):
    assert sentence in mistake("table", *words)


def test_a_target_that_would_not_be_found_again_is_refused(mistake, written):
    assert "must be a folder, or a file that ends with .safetensors" in mistake(
        "table", "import", str(written), "a.bin"
    )


def test_it_answers_without_torch(written):
    code = (
        "import sys; from nasforge.command.cli import run; run(['table', 'info', sys.argv[1]]);"
        "heavy = {'torch', 'pytorch_lightning', 'hydra', 'matplotlib', 'sklearn'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, str(written)], check=True, capture_output=True)
