"""What the README, the citation and the release script say of the package is what its metadata say."""

import configparser
import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "Programming Language :: Python :: "


@pytest.fixture(scope="module")
def metadata():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def pythons(metadata):
    """The versions of Python that the classifiers name."""
    classifiers = metadata["metadata"]["classifiers"].split("\n")
    return [line.removeprefix(PYTHON) for line in classifiers if re.fullmatch(rf"{PYTHON}3\.\d+", line)]


@pytest.fixture(scope="module")
def badges():
    """What each badge of the README says, without the color: by its left part."""
    words = re.findall(r"img\.shields\.io/badge/([^)]+)-blue", (ROOT / "README.md").read_text())
    parts = [re.split(r"(?<!-)-(?!-)", unquote(word), maxsplit=1) for word in words]
    return {left: right.replace("--", "-") for left, right in parts}


def test_a_release_is_tried_with_the_pythons_of_its_classifiers(metadata, pythons):
    (default,) = re.findall(r'^\[ "\$#" -gt 0 \] \|\| set -- (.+)$', (ROOT / ".ci/release").read_text(), re.MULTILINE)
    assert default.split() == pythons
    assert metadata["options"]["python_requires"] == f">={pythons[0]}"


def test_badges_are_true(metadata, pythons, badges):
    assert badges.pop("Python") == " | ".join(pythons)
    assert badges.pop("license") == metadata["metadata"]["license"]
    assert badges.pop("types") == "mypy --strict"
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["strict"]
    assert "/mypy" in (ROOT / ".ci/run").read_text()
    assert not badges


def test_the_citation_names_this_release(metadata):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == metadata["metadata"]["version"]
    assert citation["license"] == metadata["metadata"]["license"]
