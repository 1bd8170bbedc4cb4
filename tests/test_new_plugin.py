"""`nasforge new-plugin`: what it writes installs, is sound, passes its own tests and linters, and searches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nasforge.diagnosis.new_plugin import LONGEST, TEMPLATES, Package, new_plugin, requirement
from nasforge.registry.entry_points import CONTRACTS

ROOT = Path(__file__).resolve().parents[1]
ALL = Package("all_kinds", tuple(CONTRACTS))
LONG = Package("the_longest_name_that_one_may_choose", tuple(CONTRACTS))
SINGLE = [*(Package(f"one_{kind}", (kind,)) for kind in CONTRACTS), Package("one_supernet", ("space",), True)]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Packages with all kinds and with each alone, as the command writes them."""
    place = tmp_path_factory.mktemp("written")
    for package in (ALL, *SINGLE):
        kinds = ["supernet"] if package.shares_weights else package.kinds
        words = [package.distribution, *kinds, f"in={place}"]
        assert new_plugin(words) == 0
    return place


@pytest.fixture(scope="session")
def installed(written, tmp_path_factory):
    """Where pip put them."""
    target = tmp_path_factory.mktemp("new_site")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    folders = sorted(map(str, written.iterdir()))
    subprocess.run([*pip, "--no-build-isolation", "--target", target, *folders], check=True)
    return target


def python(*words, cwd, path=(), **variables):
    """The status and all that a Python program said."""
    folders = [*map(str, path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1", **variables}
    said = subprocess.run([sys.executable, "-m", *words], cwd=cwd, env=environment, capture_output=True, text=True)
    return said.returncode, said.stdout + said.stderr


@pytest.mark.parametrize(("packages", "threads"), [([ALL], "2"), (SINGLE, "1")], ids=["together", "alone"])
def test_their_own_tests_pass(written, installed, packages, threads):
    """Untouched, and however many threads torch has."""
    tests = [str(written / package.distribution / "tests") for package in packages]
    command = ["pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests]
    status, said = python(*command, cwd=written, path=[installed], OMP_NUM_THREADS=threads)
    assert status == 0, said
    assert "skipped" not in said


def test_they_are_listed(installed, written):
    status, said = python("nasforge", "list", cwd=written, path=[installed])
    assert status == 0, said
    listed = " ".join(said.split())
    assert "all_kinds nasforge-all-kinds 0.1.0 Change the best architecture a little" in listed
    assert "one_strategy nasforge-one-strategy 0.1.0 Change the best" in listed


def test_the_search_that_it_suggests_runs(installed, tmp_path):
    words = [*ALL.words, "retrain.seeds=0"]
    status, said = python("nasforge", *words, "hydra.run.dir=run", cwd=tmp_path, path=[installed])
    assert status == 0, said
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert {found[kind] for kind in ("space", "strategy", "data")} == {"all_kinds"}
    assert found["evaluations"]["requested"] == 8


def test_linters_have_nothing_to_say(written, tmp_path):
    pytest.importorskip("ruff", reason="ruff is not installed: pip install -e '.[dev]'")
    assert len(LONG.name) == LONGEST
    for path, text in LONG.files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for folder in (tmp_path, *(written / package.distribution for package in (ALL, *SINGLE))):
        for words in (["check", "."], ["format", "--check", "."]):
            status, said = python("ruff", *words, cwd=folder)
            assert status == 0, said


def test_types_agree_with_the_contracts(written, tmp_path):
    """With the big libraries left out, whose types take mypy half a minute to read."""
    pytest.importorskip("mypy", reason="mypy is not installed: pip install -e '.[dev]'")
    loose = ["disallow_subclassing_any", "warn_return_any", "disallow_any_unimported", "disallow_untyped_decorators"]
    libraries = ["torch", "numpy", "pytorch_lightning", "torchvision", "PIL", "rich", "matplotlib", "pydantic"]
    lines = ["[mypy]", "strict = true", "disable_error_code = var-annotated", *(f"{name} = false" for name in loose)]
    lines += ["[mypy-nasforge.*]", "follow_imports = silent"]
    lines += [f"[{','.join(f'mypy-{name}.*' if name == libraries[0] else f'{name}.*' for name in libraries)}]"]
    (tmp_path / "mypy.ini").write_text("\n".join([*lines, "follow_imports = skip"]))
    sources = f"{ROOT}{os.pathsep}{ROOT / 'plugins'}"
    words = ["mypy", "--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path), "-p", ALL.module]
    status, said = python(*words, cwd=written / ALL.distribution, MYPYPATH=sources)
    assert status == 0, said


def test_it_says_what_to_type_next(command):
    status, said, _ = command("new-plugin", "nasforge-hill-climb")
    assert status == 0
    for line in ("cd nasforge-hill-climb", "pip install -e '.[dev]'", "nasforge strategy=hill_climb space=nasbench201"):
        assert f"\n  {line}" in said
    assert "To write more kinds, add their names: space, estimator, data, supernet." in said
    assert Path("nasforge-hill-climb/nasforge_hill_climb/strategy.py").is_file()
    assert not Path("nasforge-hill-climb/nasforge_hill_climb/space.py").exists()


@pytest.mark.parametrize("name", ["hill-climb", "hill_climb", "nasforge-hill-climb", "nasforge_hill_climb"])
def test_however_the_name_is_written(command, name):
    assert command("new-plugin", name)[0] == 0
    assert Path("nasforge-hill-climb/nasforge_hill_climb/conf/strategy/hill_climb.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "new-plugin needs a name: nasforge new-plugin NAME [space or supernet] [strategy]"),
        (["space"], "new-plugin needs a name"),
        (["mine", "spaces"], "takes one name, and kinds (space, strategy, estimator, data, supernet), not 'spa"),
        (["mine", "space", "supernet"], "supernet is a space with shared weights, so omit space"),
        (["mine", "at=here"], "new-plugin has no option at=; nasforge new-plugin NAME"),
        (["Hill Climb!"], "a letter first, for example hill-climb"),
        (["HillClimb"], "a letter first, for example hill-climb"),
        (["9lives"], "a letter first, for example lives"),
        (["-"], "a letter first, for example hill-climb"),
        *(
            (
                [word],
                f"'{word}' cannot be a plug-in's name: YAML or the command line misreads it; try my-{word}",
            )
            for word in ("null", "true", "false", "nan", "inf", "on", "off", "yes", "no")
        ),
        (["x" * 37], "has 37 characters; a name has at most 36"),
        (["ask-tell"], "the class of strategy 'ask_tell' would have the name AskTellStrategy, which nasforge uses"),
        (["search", "data", "estimator"], "the class of data 'search' would have the name SearchData, which nasforge"),
        (["egnas"], "strategy 'egnas' is already installed, from nasforge 0.1.0; choose another name"),
        (["egnas-reference"], "strategy=egnas_reference is already a configuration of nasforge"),
        (["digits", "strategy", "data"], "data 'digits' is already installed"),
        (["plugins"], "a package nasforge_plugins is already installed"),
        (["mine", "in=nowhere"], "in=nowhere: there is no such folder"),
    ],
)
def test_each_mistake_is_a_sentence_and_leaves_nothing(mistake, words, sentence):
    assert sentence in mistake("new-plugin", *words)
    assert list(Path.cwd().iterdir()) == []


def test_what_is_there_is_left_alone(mistake):
    Path("nasforge-mine").mkdir()
    assert "nasforge-mine exists already" in mistake("new-plugin", "mine")
    assert list(Path("nasforge-mine").iterdir()) == []


@pytest.mark.parametrize(
    ("version", "asked"),
    [("0.1.0", ">=0.1,<0.2"), ("0.12.3.dev4", ">=0.12,<0.13"), ("1.4.2", ">=1.4,<2"), ("2.0rc1", ">=2.0,<3")],
)
def test_the_package_asks_for_releases_with_the_same_contracts(version, asked):
    assert requirement(version) == asked


def test_the_templates_are_shipped(tmp_path):
    """setuptools finds all of them by `package_data`."""
    from setuptools.config.setupcfg import read_configuration

    patterns = read_configuration(ROOT / "setup.cfg")["options"]["package_data"]["nasforge.diagnosis"]
    shipped = {path for pattern in patterns for path in (ROOT / "nasforge" / "diagnosis").glob(pattern)}
    assert {path for path in TEMPLATES.rglob("*") if path.is_file()} <= shipped
