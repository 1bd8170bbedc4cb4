import importlib
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

# Before torch is imported: tests run in several processes, which must not each take all cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from sklearn.datasets import load_digits

from nasforge.command import cli
from nasforge.config import search_path
from nasforge.registry.entry_points import registry

TESTS = Path(__file__).parent
LONGEST = (".", "strategy", "execution", "training", "space", "registry")
"""The folders whose modules take longest, this one among them."""
collect_ignore = ["third_party"]  # an outside package: tests/test_third_party.py installs it and runs its tests


def pytest_collection_modifyitems(items):
    """Begin with the folders that take longest, so that the processes that share the modules end together."""
    order = {TESTS / folder: place for place, folder in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.parent, len(order)))


@pytest.fixture(autouse=True)
def logging_as_before():
    """A sweep in this process gives the root logger a handler, whose stream is closed when the test ends."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def environment_as_before():
    """A command in this process sets variables for its children, which the next test's children must not see."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def guest(tmp_path, monkeypatch):
    """Make an installed package: its entry points by group, its files, and one requirement."""
    site = tmp_path / "site-packages"

    def install(name, entry_points, files=None, requires=None):
        facts = site / f"{name.replace('-', '_')}-1.0.dist-info"
        facts.mkdir(parents=True)
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        groups = [f"[{group}]\n" + "\n".join(lines) for group, lines in entry_points.items()]
        (facts / "entry_points.txt").write_text("\n\n".join(groups) + "\n")
        for path, text in (files or {}).items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
        importlib.invalidate_caches()
        registry.cache_clear()
        return site

    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    yield install
    registry.cache_clear()
    search_path._warn_once.cache_clear()
    for name, module in list(sys.modules.items()):  # the next test's guest may have the same name
        if str(getattr(module, "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]


@pytest.fixture
def no_installed_tables(monkeypatch):
    """As if no package with tables were installed."""
    monkeypatch.setattr("nasforge.tables.installed.entry_points", lambda group: ())


@pytest.fixture(scope="session")
def few_images(tmp_path_factory):
    """The path of 48 real images of three digits, for `data=arrays`: where it does not matter what is learned."""
    digits = load_digits()
    three = digits.target < 3
    path = tmp_path_factory.mktemp("few_images") / "digits.npz"
    pixels, labels = (15 * digits.images[three][:48]).astype(np.uint8), digits.target[three][:48].astype(np.int64)
    np.savez(path, train_images=pixels, train_labels=labels, classes=np.array(["0", "1", "2"]))
    return path


@pytest.fixture(scope="session")
def shared_data():
    """The path of a file in the shared data, which lie beside the checkout; the test is skipped without it."""
    shared = Path(os.environ.get("NASFORGE_SHARED") or Path(__file__).resolve().parents[1].parent / "shared")

    def find(name):
        if not (shared / "data" / name).is_file():
            pytest.skip(f"REAL DATA NOT CHECKED: {shared} lacks data/{name}; NASFORGE_SHARED names another folder")
        return shared / "data" / name

    return find


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Run a command in this process, in an empty folder: (status, what it printed, what it complained of)."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["nasforge"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for variable in ("HYDRA_FULL_ERROR", "NASFORGE_TRACEBACK"):
        monkeypatch.setenv(variable, "0")

    def run(*words):
        capfd.readouterr()
        try:
            status = cli.run(words)
        except SystemExit as ending:
            status = ending.code or 0
        printed = capfd.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture
def mistake(command):
    """Run a command that must fail by a user's mistake; its one sentence."""

    def run(*words):
        status, _, complaint = command(*words)
        assert status == 2, complaint
        assert "Traceback" not in complaint
        lines = complaint.strip().splitlines()
        assert len(lines) == 1, complaint
        assert lines[0].startswith("nasforge: ")
        return lines[0]

    return run


@pytest.fixture
def in_process(tmp_path):
    """Run a command in a process of its own, with further folders on its path."""

    def run(*words, path=(), **options):
        folders = [*map(str, path), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
        return subprocess.run(
            [sys.executable, "-m", "nasforge", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            **options,
        )

    return run


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, few_images):
    """The folder of a finished search that trained the network it found three times. Copy it to change it."""
    import nasforge

    folder = tmp_path_factory.mktemp("trained") / "run"
    words = ("estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "budget.evaluations=3", "data=arrays")
    sizes = ("retrain.epochs=1", "retrain.channels=4", "retrain.cells=3", "retrain.random=1", "retrain.seeds=3")
    nasforge.search(
        "random_search", "darts", run_dir=folder, quiet=True, overrides=[*words, *sizes, f"data.path={few_images}"]
    )
    return folder
