"""The process that the suites compare with: it is where this one is, remembers nothing, and survives every question."""

import os
import sys

import pytest

from nasforge.testing.another_process import elsewhere


def failure(function, *arguments):
    with pytest.raises(pytest.fail.Exception) as error:
        elsewhere(function, *arguments)
    return str(error.value)


def test_text_hashes_otherwise_there():
    assert elsewhere(hash, "text") == elsewhere(hash, "text") != hash("text")


def test_it_has_the_folder_the_variables_and_the_path_of_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASFORGE_DATA", "somewhere")
    assert elsewhere(os.getcwd) == str(tmp_path)
    assert elsewhere(os.getenv, "NASFORGE_DATA") == "somewhere"
    monkeypatch.delenv("NASFORGE_DATA")
    assert elsewhere(os.getenv, "NASFORGE_DATA") is None
    assert elsewhere(eval, "__import__('sys').path") == sys.path


def test_nothing_stays_of_earlier_questions():
    elsewhere(exec, "import os; os.kept = 1")
    assert elsewhere(eval, "hasattr(__import__('os'), 'kept')") is False


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (divmod, (1, 0), "ZeroDivisionError: "),
        (sys.exit, (3,), "SystemExit: 3"),
        (os._exit, (3,), "it ended at once, as in a crash"),
        (exec, ("assert False, 'an estimate failed'",), "fails in another: an estimate failed"),
        (input, (), "EOFError"),
    ],
)
def test_what_fails_there_fails_the_test_and_no_later_one(function, arguments, said):
    assert said in failure(function, *arguments)
    assert elsewhere(print, "what it prints is in nobody's way") is None
