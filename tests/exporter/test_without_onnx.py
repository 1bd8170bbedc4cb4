"""Where a format's packages are not installed: the default does without, and who asks for it gets the pip line."""

import sys

import pytest

from nasforge.export import writing


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """An environment without the packages."""
    gone = {"onnx", "onnxruntime", "onnxscript", "timm", "executorch"}
    find = writing.find_spec
    monkeypatch.setattr(writing, "find_spec", lambda name: None if name in gone else find(name))


@pytest.mark.parametrize("name", ["onnx", "timm", "executorch"])
def test_a_format_that_was_asked_for_is_refused_with_the_pip_line(name, run, mistake):
    sentence = mistake("export", str(run), "--to", name)
    assert sentence.endswith(f"--to {name} needs packages that are not installed: pip install 'nasforge[{name}]'")
    assert not (run / "export").exists()


def test_an_option_of_a_missing_format_asks_for_it(run, mistake):
    assert "pip install 'nasforge[onnx]'" in mistake("export", str(run), "--int8")


def test_the_default_writes_source_code_and_says_how_to_get_the_rest(run, command, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # so that an import leaves what it compiled
    status, printed, _ = command("export", str(run))
    assert status == 0
    assert "pip install 'nasforge[onnx]'" in printed.splitlines()[-1]
    assert sorted(path.suffix for path in (run / "export").iterdir()) == [".py", ".safetensors"]
