"""A package made outside nasforge is installed with pip and used; a broken and a clashing one disturb nobody."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nasforge.registry.entry_points import registry

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tests" / "third_party" / "nasforge-hillclimb"
SMALL = [
    *("budget.evaluations=4", "strategy.neighbours=2", "estimator.training.epochs=1", "estimator.training.channels=4"),
    *("retrain.epochs=1", "retrain.seeds=1", "retrain.random=1", "retrain.channels=4", "retrain.cells=2"),
    *("hydra.run.dir=run", "executor.threads=1", "trainer.accelerator=cpu"),
]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A copy of the package, since building leaves files beside it."""
    copy = tmp_path_factory.mktemp("source") / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    return copy


@pytest.fixture(scope="session")
def site(source, tmp_path_factory):
    """Where pip installed it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", target, source], check=True)
    return target


@pytest.fixture
def beside(guest, site, monkeypatch, command):
    """Run a command in this process, with the package on its path."""
    monkeypatch.syspath_prepend(str(site))
    registry.cache_clear()
    return command


def result():
    return json.loads((Path.cwd() / "run" / "result.json").read_text())


def test_it_is_listed_with_its_package(in_process, site):
    said = in_process("list", path=[site])
    assert said.returncode == 0
    listed = " ".join(said.stdout.split())
    assert "hillclimb nasforge-hillclimb 1.0.0 Change the best architecture a little" in listed
    assert "nasforge-hillclimb 1.0.0 Plain convolutional networks" in listed
    assert "hillclimb" not in in_process("list").stdout


@pytest.mark.parametrize("space", ["stairs", "darts"])
def test_its_strategy_searches_its_own_space_and_ours(beside, space):
    more = ["estimator.training.cells=2"] if space == "darts" else []
    status, _, complaint = beside("strategy=hillclimb", f"space={space}", *SMALL, *more)
    assert status == 0, complaint
    found = result()
    assert (found["strategy"], found["space"]) == ("hillclimb", space)
    assert found["evaluations"]["requested"] == 4
    assert Path("run/report.html").is_file()


def test_its_run_resumes_and_retrains_and_knows_its_package(beside, site, monkeypatch):
    assert beside("strategy=hillclimb", "space=stairs", *SMALL)[0] == 0
    status, _, complaint = beside("resume", "run", "budget.evaluations=6")
    assert status == 0, complaint
    assert result()["evaluations"]["requested"] == 6
    status, _, complaint = beside("retrain", "run", "retrain.epochs=2", "retrain.random=0")
    assert status == 0, complaint
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder != str(site)])
    registry.cache_clear()
    unknown = "no space named 'stairs'."
    searched = "searched the space 'stairs', which no installed package has"
    for command, sentence in {"report": unknown, "retrain": unknown, "export": searched}.items():
        status, _, complaint = beside(command, "run")
        assert status == 2
        assert sentence in complaint
        assert "was made with nasforge-hillclimb 1.0.0, which this Python lacks: install that again" in complaint


def test_it_sweeps(beside):
    small = [word for word in SMALL if not word.startswith("hydra.run.dir")]
    status, _, complaint = beside("-m", "strategy=hillclimb", "space=stairs", "seed=1,2", *small, "hydra.sweep.dir=s")
    assert status == 0, complaint
    assert [json.loads(Path("s", job, "result.json").read_text())["seed"] for job in "01"] == [1, 2]


def test_our_strategy_refuses_its_space_by_name(beside, guest, mistake):
    guest("nasforge-broken", {"nasforge.space": ["broken_space = not_there:Broken"]})
    said = mistake("strategy=egnas", "space=stairs")
    for word in ("egnas", "stairs", "WeightSharing", "darts"):
        assert word in said


def test_its_mistakes_are_sentences_too(beside, mistake):
    said = mistake("strategy=hillclimb", "strategy.neighbour=3")
    assert "no option strategy.neighbour. Did you mean strategy.neighbours? strategy has: neighbours, patience." in said


def test_its_own_tests_pass(source, site):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    said = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_it_can_be_installed_in_an_environment_of_its_own(source, tmp_path):
    """As a person would: a fresh environment (that sees this one's packages), `pip install`, `nasforge`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    outer = [f"import site; site.addsitedir({path!r})\n" for path in sys.path if path.endswith("site-packages")]
    (packages / "outer.pth").write_text("".join(outer))
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", source], check=True)
    said = subprocess.run([python, "-m", "nasforge", "list", "strategy"], capture_output=True, text=True, cwd=tmp_path)
    assert "hillclimb nasforge-hillclimb 1.0.0" in " ".join(said.stdout.split()), said.stderr
    command = [python, "-m", "nasforge", "--cfg", "job", "strategy=hillclimb"]
    assert "neighbours: 4" in subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout


# Guests that misbehave


@pytest.fixture
def bad_guests(guest):
    """One that cannot be imported, configurations included, and one that claims a name of ours and of hillclimb's."""
    points = {
        "nasforge.strategy": ["broken = broken_guest.strategy:Broken"],
        "nasforge.space": ["broken_space = broken_guest.strategy:Broken"],
        "nasforge.conf": ["broken = broken_guest.conf"],
    }
    guest("nasforge-broken", points, {"broken_guest/__init__.py": "raise RuntimeError('half installed')"})
    return guest("nasforge-clashing", {"nasforge.strategy": ["hillclimb = clashing:Other", "egnas = clashing:Other"]})


def test_bad_guests_break_nothing_of_others(in_process, site, bad_guests):
    said = in_process("strategy=egnas_reference", "--cfg", "job", path=[site, bad_guests])
    assert said.returncode == 0
    assert said.stderr.count("package nasforge-broken are left out: RuntimeError: half installed") == 1
    listed = in_process("list", path=[site, bad_guests])
    assert "strategy 'egnas' is claimed by nasforge and nasforge-clashing" in listed.stdout
    assert "darts" in listed.stdout
    assert "Traceback" not in said.stderr + listed.stderr


def test_a_broken_guest_lets_others_search(beside, guest):
    points = {
        "nasforge.space": ["broken_space = broken_guest:Broken"],
        "nasforge.conf": ["broken = broken_guest"],
    }
    guest("nasforge-broken", points, {"broken_guest.py": "import not_there"})
    status, _, complaint = beside("strategy=hillclimb", "space=stairs", *SMALL)
    assert status == 0, complaint
    assert result()["strategy"] == "hillclimb"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["strategy=hillclimb"], "strategy 'hillclimb' is claimed by nasforge-clashing and nasforge-hillclimb"),
        (["strategy=broken"], "strategy 'broken' of nasforge-broken cannot be loaded: RuntimeError: half installed"),
    ],
)
def test_bad_guests_are_named_when_they_are_asked_for(beside, bad_guests, words, sentence):
    status, _, complaint = beside(*words)
    assert status == 2
    assert sentence in complaint
    assert "Traceback" not in complaint
