"""Tables are found where they are said to lie, and other people's files are read by whoever knows their form."""

import numpy as np
import pytest

from nasforge import Column, DataError, Table, find_table
from nasforge.tables.files import cache, readers, recognised, tables

SIZE = Column("digits", "params_m", "min")
READER = """
import numpy as np
from nasforge import Column, DataError, Table

def read(source):
    if source.suffix != ".npz":
        return None
    return Table.of("stairs", (2, 2), {Column("digits", "params_m", "min"): np.load(source)["sizes"]}, source="guest")
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty working folder, a user's cache, and $NASFORGE_DATA."""
    for folder in ("here", "named", "caches"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("NASFORGE_DATA", str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return tmp_path


def put(path, size):
    Table.of("stairs", (2, 2), {SIZE: np.full(4, float(size))}, source="").write(path)
    return path


def size_of(table):
    return table.values(SIZE)[0]


def complaint(*arguments):
    with pytest.raises(DataError) as caught:
        find_table(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_nearest_place_wins(here):
    lying = [put(cache() / "stairs.safetensors", 1)]
    assert size_of(find_table("stairs")) == 1
    lying.append(put(here / "here/data/stairs.safetensors", 2))
    assert size_of(find_table("stairs")) == 2
    lying.append(put(here / "named/stairs.safetensors", 3))
    assert size_of(find_table("stairs")) == 3
    put(here / "mine.safetensors", 4)
    assert size_of(find_table("stairs", str(here / "mine.safetensors"))) == 4
    assert size_of(find_table("stairs", str(here / "here/data"))) == 2
    assert list(tables()) == lying[2:]


def test_the_cache_is_the_users(here, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(here))
    put(here / ".cache/nasforge/tables/stairs.safetensors", 5)
    assert size_of(find_table("stairs")) == 5


def test_where_a_table_was_looked_for_is_said(here):
    said = complaint("stairs")
    for place in (here / "named", here / "here/data", here / "caches/nasforge/tables"):
        assert str(place) in said
    assert "nasforge table import SOURCE" in said


def test_a_broken_table_does_not_make_way_for_the_next(here):
    put(cache() / "stairs.safetensors", 1)
    (here / "named/stairs.safetensors").write_bytes(b"torn")
    assert f"{here}/named/stairs.safetensors is not a safetensors file, or is incomplete" in complaint("stairs")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere.safetensors", "there is no file"),
        ("release.pth", "`nasforge table import"),
        ("pictures.npz", "is not a table, and none of the installed readers knows it: "),
    ],
)
def test_a_path_that_is_no_table(here, name, sentence):
    if not name.startswith("nowhere"):
        np.savez(here / "pictures.npz", images=np.zeros(3))
        (here / name).touch()
    said = complaint("stairs", str(here / name))
    assert str(here / name) in said
    assert sentence in said


def test_a_guests_reader_is_asked(here, guest):
    guest("towers", {"nasforge.table": ["a_tower = tower:read"]}, {"tower.py": READER})
    np.savez(here / "named/stairs.npz", sizes=np.full(4, 6.0))
    assert size_of(find_table("stairs")) == 6
    put(here / "named/stairs.safetensors", 7)
    assert size_of(find_table("stairs")) == 7


def test_a_reader_that_cannot_be_imported_is_left_out(here, guest):
    guest("ruin", {"nasforge.table": ["a_ruin = ruin:read"]}, {"ruin.py": "import not_there"})
    with pytest.warns(UserWarning, match="reader 'a_ruin' is skipped: ModuleNotFoundError"):
        assert "a_ruin" not in readers()
    with pytest.warns(UserWarning, match="a_ruin"):
        assert recognised(here) is None
