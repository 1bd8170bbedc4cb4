"""A growing journal is read line by line, each line once, whatever happens to the file."""

import pytest

from nasforge.journal.growing import GrowingJournal
from nasforge.journal.journal import Journal


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def growing(tmp_path):
    return GrowingJournal(tmp_path)


def keys(growing):
    lines, first = growing.new_lines()
    return [line["key"] for line in lines], first


def test_each_line_comes_once(journal, growing):
    assert keys(growing) == ([], True)
    journal.write("fit", "a")
    journal.write("fit", "b")
    assert keys(growing) == (["a", "b"], True)
    assert keys(growing) == ([], False)
    journal.write("fit", "c")
    assert keys(growing) == (["c"], False)


def test_only_what_is_new_is_checked(journal, growing, monkeypatch):
    for key in "abc":
        journal.write("fit", key)
    growing.new_lines()
    checked = []
    monkeypatch.setattr("nasforge.journal.growing.checked", checked.append)
    journal.write("fit", "d")
    growing.new_lines()
    assert len(checked) == 1


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_torn_last_line_is_left_for_the_next_read(journal, growing, cut):
    journal.write("fit", "a")
    start = journal.path.stat().st_size
    journal.write("fit", "b")
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[: start + cut])
    assert keys(growing) == (["a"], True)
    assert keys(growing) == ([], False)
    with journal.path.open("ab") as file:
        file.write(whole[start + cut :])
    assert keys(growing) == (["b"], False)


def test_a_torn_line_that_a_resume_drops_is_never_read(journal, growing):
    journal.write("fit", "a")
    with journal.path.open("ab") as file:
        file.write(b'{"kind": "fit", "key": "to')
    assert keys(growing) == (["a"], True)
    journal.close()
    with pytest.warns(UserWarning, match="torn"):
        again = Journal(journal.path.parent)
    again.write("fit", "b")
    again.close()
    assert keys(growing) == (["b"], False)


def test_a_damaged_line_is_passed_over(journal, growing):
    journal.write("fit", "a", seconds=1)
    journal.write("fit", "b", seconds=1)
    journal.path.write_bytes(journal.path.read_bytes().replace(b'"seconds": 1', b'"seconds": 2', 1))
    assert keys(growing) == (["b"], True)
    journal.write("fit", "c")
    assert keys(growing) == (["c"], False)


def test_a_journal_that_was_shortened_is_read_anew(journal, growing):
    journal.write("fit", "a")
    start = journal.path.stat().st_size
    journal.write("fit", "b")
    growing.new_lines()
    journal.path.write_bytes(journal.path.read_bytes()[:start])
    assert keys(growing) == (["a"], True)


def test_a_journal_that_was_replaced_is_read_anew_though_it_is_longer(journal, growing, tmp_path):
    journal.write("fit", "a")
    growing.new_lines()
    other = Journal(tmp_path / "other")
    for key in "xyz":
        other.write("fit", key)
    other.close()
    other.path.replace(journal.path)
    assert keys(growing) == (["x", "y", "z"], True)


def test_a_journal_may_go_away_and_come_back(journal, growing):
    journal.write("fit", "a")
    growing.new_lines()
    content = journal.path.read_bytes()
    journal.path.unlink()
    assert keys(growing) == ([], True)
    journal.path.write_bytes(content)
    assert keys(growing) == (["a"], True)
