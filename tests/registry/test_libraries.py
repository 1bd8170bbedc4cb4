"""A library that cannot be imported is named, with the line that repairs it; it is no bug of nasforge or a plug-in."""

import importlib
import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nasforge import UnknownNameError
from nasforge.registry.entry_points import registry
from nasforge.registry.libraries import broken_library

TORCHVISION = Path(importlib.util.find_spec("torchvision").origin).parent
ANEW = "it is damaged, or built for other versions of what it needs. To install it anew: pip install --force-reinstall "


def test_a_torchvision_that_does_not_fit_is_named(in_process, tmp_path):
    """The real one without its operators, which a torchvision that was built for another torch cannot load."""
    copy = tmp_path / "front" / "torchvision"
    copy.mkdir(parents=True)
    for path in TORCHVISION.iterdir():
        if not path.name.startswith(("_C", "__pycache__")):
            (copy / path.name).symlink_to(path)
    done = in_process("report", "nowhere", path=[copy.parent])
    cause = "torchvision::nms does not exist"
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"nasforge: torchvision {version('torchvision')} cannot be imported (")
    assert f"{cause}): {ANEW}" in line


def sentence(module):
    """What is said of a module that cannot be imported."""
    try:
        importlib.import_module(module)
    except Exception as error:
        return broken_library(error)
    raise AssertionError(f"{module} can be imported")


@pytest.fixture
def failed(guest):
    """Install a library `brittle`, import it, and return what is said of it."""

    def install(code, *, entry_points=None, requires=None, files=None):
        facts = {"brittle-1.0.dist-info/top_level.txt": "brittle\n"}
        guest("brittle", entry_points or {}, {"brittle/__init__.py": code, **facts, **(files or {})}, requires)
        return sentence("brittle")

    return install


@pytest.mark.parametrize(
    ("requires", "unmet"),
    [
        ("numpy >=99", f"numpy>=99, and numpy {version('numpy')} is installed"),
        ("not-there >=1", "not-there>=1, which is not installed"),
    ],
)
def test_what_it_needs_and_does_not_find_is_named(failed, requires, unmet):
    assert failed("raise ValueError('numpy.dtype size changed')", requires=requires) == (
        "brittle 1.0 cannot be imported (ValueError: numpy.dtype size changed): "
        f"it needs {unmet}. To install both anew: pip install --upgrade brittle"
    )


def test_a_shared_library_that_is_not_there_is_named(failed):
    said = failed("import ctypes; ctypes.CDLL('libnowhere.so.7')")
    assert "libnowhere.so.7 is not on this machine. If the system should provide it, install it with" in said


def test_a_damaged_extension_is_installed_anew(failed):
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    said = failed("import brittle._speedups", files={f"brittle/_speedups{suffix}": "\x7fELF"})
    assert "file too short" in said
    assert said.endswith(f"{ANEW}brittle")


def test_pip_takes_torch_and_what_is_built_for_it_from_one_index(failed, monkeypatch):
    monkeypatch.setattr(
        "nasforge.registry.libraries.version", lambda name: "2.14.1+cpu" if name == "torch" else version(name)
    )
    said = failed("1 / 0", requires="torch")
    assert said.endswith(f"{ANEW}torch brittle --index-url https://download.pytorch.org/whl/cpu")


def test_what_nasforge_needs_and_does_not_find_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "nasforge_plugins.data.image_folder", raising=False)
    registry.cache_clear()
    with pytest.raises(
        UnknownNameError, match=r"library that nasforge needs is missing .*PIL.*: pip install nasforge$"
    ):
        registry("data")["image_folder"]
    registry.cache_clear()


def test_a_python_without_a_module_of_its_own_is_named(failed, monkeypatch):
    monkeypatch.setitem(sys.modules, "_lzma", None)
    monkeypatch.delitem(sys.modules, "lzma", raising=False)
    assert failed("import lzma") == ("this Python was built without its module _lzma; install another build of Python")


def test_code_that_is_no_librarys_is_not_blamed_on_one(failed, tmp_path, monkeypatch):
    assert failed("1 / 0", entry_points={"nasforge.space": ["brittle = brittle:Space"]}) == ""
    (tmp_path / "own_net.py").write_text("import numpy\nnumpy.zeros(-1)")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sentence("own_net") == ""
