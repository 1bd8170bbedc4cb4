"""The house stays in order: imports point one way, folders mirror each other, YAML and constructors agree."""

import ast
import configparser
import inspect
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import nasforge
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge.registry.options import plain

ROOT = Path(__file__).resolve().parents[1]
TOP = ROOT / "nasforge"
SUITES = TOP / "testing"
PLUGINS = ROOT / "plugins" / "nasforge_plugins"
CORE_FILES = sorted(TOP.rglob("*.py"))
PLUGIN_FILES = sorted(PLUGINS.rglob("*.py"))
GUEST_FILES = sorted((ROOT / "tests" / "third_party").rglob("nasforge_*/*.py"))
KNOW_HYDRA = {"cli.py", "search_path.py", "configuration.py", "sweep_summary.py"}
ORDER = (
    {"devices"},
    {"contracts"},
    {"charts", "journal", "loggers", "networks", "plain", "registry"},
    {"bounds", "choices", "config", "execution", "latency", "statistics", "tables", "training"},
    {"run"},
    {"report"},
    {"compare", "diagnosis", "experiment"},
    {"export", "standalone"},
    {"judging"},
    {"command"},
    {"testing"},
)
"""The folders of the core, from the bottom up; each imports from those in earlier rows alone."""
CONTRACT_FILES = {"architecture.py", "space.py", "strategy.py", "estimator.py", "errors.py"}


def configured(kind):
    """(name, options) of every YAML of a kind."""
    for path in sorted((ROOT / "conf" / kind).glob("*.yaml")):
        options = yaml.safe_load(path.read_text())
        parts = {place.partition("@")[2]: name for default in options.pop("defaults", []) if isinstance(default, dict)
                 for place, name in default.items() if place.startswith(f"/{kind}@")}  # fmt: skip
        options = {"name": options.pop("name"), **{part: {"name": name} for part, name in parts.items()}, **options}
        yield path.stem, options


CONFIGURED = [(kind, stem, options) for kind in CONTRACTS for stem, options in configured(kind)]


def imports(path):
    """(module, names, level) of every import in a file, at whatever depth."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, (), 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", tuple(alias.name for alias in node.names), node.level


def name_of(path):
    return str(path.relative_to(ROOT))


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def entry_points(kind):
    lines = setup()["options.entry_points"].get(f"nasforge.{kind}", "").strip().splitlines()
    return {name.strip(): target.strip() for name, _, target in (line.partition("=") for line in lines)}


# Imports


@pytest.mark.parametrize("path", CORE_FILES, ids=name_of)
def test_the_core_knows_no_plug_in(path):
    assert not [module for module, _, _ in imports(path) if module.split(".")[0] == "nasforge_plugins"]


@pytest.mark.parametrize("path", [path for path in CORE_FILES if path.name not in KNOW_HYDRA], ids=name_of)
def test_only_four_files_know_hydra(path):
    assert not {"hydra", "omegaconf"} & {module.split(".")[0] for module, _, _ in imports(path)}


def core_folder(module):
    """The folder of the core in which a module lives; the modules at its top are the contracts."""
    first, *rest = module.removeprefix("nasforge.").split(".")
    return first if rest or (TOP / first).is_dir() else "contracts"


def folders_imported(path):
    """Those from which a file of the core imports, for types alone too."""
    for module, names, _ in imports(path):
        if module == "nasforge":  # a name may be a folder
            yield from (name for name in names if (TOP / name).is_dir())
        elif module.startswith("nasforge."):
            yield core_folder(module)


ENTRANCES = {TOP / "__init__.py", TOP / "__main__.py"}
NAMES_A_RUN = {TOP / "strategy.py"}  # in an annotation: a strategy is given one


@pytest.mark.parametrize("path", sorted({*CORE_FILES} - ENTRANCES - NAMES_A_RUN), ids=name_of)
def test_folders_import_only_what_lies_below_them(path):
    layer = {folder: number for number, folders in enumerate(ORDER) for folder in folders}
    own = "contracts" if path.parent == TOP else path.relative_to(TOP).parts[0]
    for folder in folders_imported(path):
        assert folder == own or layer[folder] < layer[own], f"{own} must not import {folder}"


def test_the_picture_of_the_folders_is_drawn_from_their_imports(capsys):
    runpy.run_path(str(ROOT / "docs" / "architecture_picture.py"), run_name="__main__")
    again = "`python docs/architecture_picture.py > docs/architecture.svg` draws it anew"
    assert (ROOT / "docs" / "architecture.svg").read_text() == capsys.readouterr().out, again


def test_every_folder_of_the_core_has_its_place():
    folders = {path.parent.relative_to(TOP).parts[0] for path in TOP.rglob("__init__.py") if path.parent != TOP}
    assert folders | {"contracts"} == {folder for folders in ORDER for folder in folders}


@pytest.mark.parametrize("folder", sorted({path.parent for path in CORE_FILES}), ids=name_of)
def test_no_folder_holds_more_than_fifteen_modules(folder):
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 15


@pytest.mark.parametrize("name", sorted(CONTRACT_FILES))
def test_the_contracts_know_no_lightning(name):
    known = {module.split(".")[0] for module, _, _ in imports(TOP / name)}
    assert not {"pytorch_lightning", "lightning", "hydra", "omegaconf"} & known


@pytest.mark.parametrize("path", [*PLUGIN_FILES, *GUEST_FILES], ids=name_of)
def test_plug_ins_take_public_names_only(path):
    for module, names, level in imports(path):
        if level == 0 and module.split(".")[0] == "nasforge":
            assert module == "nasforge", f"`from nasforge import ...`, not from {module}"
            assert set(names) <= set(nasforge.__all__)


@pytest.mark.parametrize("path", PLUGIN_FILES, ids=name_of)
def test_a_plug_in_knows_no_other_kind(path):
    kind = path.relative_to(PLUGINS).parts[0]
    for module, _, level in imports(path):
        parts = module.split(".")
        if level == 0 and parts[0] == "nasforge_plugins":
            assert parts[1] in (kind, "shared"), f"a {kind} must not import a {parts[1]}: they meet as objects"
        assert level <= len(path.relative_to(PLUGINS).parts) - 1, "a relative import that leaves its kind"


PLAIN_WORDS = {"arrays", "cascade", "digits", "latency", "module", "supernet", "tabular", "training"}
"""Names of plug-ins that are also words of a sentence: they count only as a whole text, or after an equals sign."""
EXAMPLES = {
    "command/api.py": {"arrays"},  # reads the file of images that were in memory
    "command/messages.py": {"egnas", "cifar10", "tabular"},  # the first commands of `nasforge --help`
    "config/configuration.py": {"egnas"},  # how to write an override
    "devices/environment.py": {"nevergrad"},  # the library, whose version a run records
    "diagnosis/new_plugin.py": {
        "egnas",
        "module",
        "nasbench201",
        "random_search",
        "supernet",
        "training",
    },  # its tests, a variable
    "run/estimates.py": {"training"},  # an estimator that needs no shared weights
    "testing/one_shot.py": {"darts", "egnas", "medarts", "single_path", "te_nas"},  # whose searches the suite runs
}


def texts(path):
    """All texts in a file's code, without docstrings."""
    tree = ast.parse(path.read_text())
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


NAMES = sorted({name for kind in CONTRACTS for name in entry_points(kind)})


def plugins_named(text):
    for name in NAMES:
        place = rf"\A{name}\Z|={name}\b" if name in PLAIN_WORDS else rf"\b{name}\b"
        if re.search(place, text):
            yield name


@pytest.mark.parametrize("path", CORE_FILES, ids=name_of)
def test_the_core_names_no_plug_in_except_in_examples(path):
    examples = EXAMPLES.get(str(path.relative_to(TOP)), set())
    assert {name for text in texts(path) for name in plugins_named(text)} == examples


def test_the_core_is_whole_without_the_plug_ins():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in CORE_FILES
        if path.name != "__main__.py" and path.parent != SUITES
    ]
    code = (
        "import sys, importlib; sys.modules['nasforge_plugins'] = None;"
        "[importlib.import_module(name) for name in sys.argv[1:]]"
    )
    subprocess.run([sys.executable, "-c", code, *modules], check=True)


def test_pytest_is_needed_by_the_suites_alone():
    assert {path.parent for path in CORE_FILES if "pytest" in {m for m, _, _ in imports(path)}} == {SUITES}
    assert not [path for path in CORE_FILES if path.parent != SUITES and "nasforge.testing" in str(list(imports(path)))]


# Functions


def lines_of(function):
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", [*CORE_FILES, *PLUGIN_FILES], ids=name_of)
def test_no_function_is_longer_than_forty_lines(path):
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    assert {node.name: lines_of(node) for node in functions if lines_of(node) > 40} == {}


# Public names


def test_public_names_are_the_same_for_people_and_type_checkers():
    tree = ast.parse((TOP / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {(node.module, alias.asname) for node in block.body for alias in node.names}
    assert seen == {(f"nasforge.{home}", name) for name, home in nasforge._HOME_OF.items()}


def test_no_public_name_is_also_a_module():
    """Importing `nasforge.x` puts the module where a function `x` should be found."""
    assert not {path.stem for path in CORE_FILES} & set(nasforge.__all__)


def test_public_names_resolve():
    assert [name for name in nasforge.__all__ if not hasattr(nasforge, name)] == []


# Packaging


def test_every_package_is_listed():
    listed = set(setup()["options"]["packages"].split())
    found = {"nasforge", "nasforge.conf"}
    for top in (TOP, PLUGINS):
        for path in top.rglob("__init__.py"):
            found.add(".".join(path.parent.relative_to(top.parent).parts))
    assert listed == found


def test_installed_entry_points_are_those_of_setup_cfg():
    for kind in CONTRACTS:
        installed = {
            claim.name: f"{claim.module}:{claim.attribute}"
            for claims in registry(kind).plugins.values()
            for claim in claims
            if claim.package == "nasforge"
        }
        assert installed == entry_points(kind), "run `pip install -e .` again"


@pytest.mark.parametrize("kind", CONTRACTS)
def test_every_plug_in_has_entry_point_and_configuration(kind):
    here = {path.stem for path in (PLUGINS / kind).iterdir() if not path.name.startswith(("_", "."))}
    targets = {name: target.partition(":")[0] for name, target in entry_points(kind).items()}
    configurations = {stem for stem, _ in configured(kind)}
    assert {module.split(".")[2] for module in targets.values()} <= here, "an entry point without a module"
    assert set(targets) <= configurations, "an entry point without a configuration"
    assert here & configurations <= set(targets), "a module with a configuration but no entry point"
    assert {options["name"] for _, options in configured(kind)} == set(targets), "a configuration of no entry point"


# Configuration


@pytest.mark.parametrize(("kind", "stem", "options"), CONFIGURED, ids=[f"{k}/{s}" for k, s, _ in CONFIGURED])
def test_yaml_lists_every_option_of_its_class_with_its_default(kind, stem, options):
    given = dict(options)
    found = registry(kind)[given.pop("name")]
    parameters = inspect.signature(found).parameters
    assert {p.kind for p in parameters.values()} <= {inspect.Parameter.KEYWORD_ONLY}, "options are keyword-only"
    assert list(given) == list(parameters)
    if stem == found.name:  # other files of a class are its presets
        assert given == json.loads(json.dumps({name: p.default for name, p in parameters.items()}, default=plain))


@pytest.mark.parametrize("name", registry("estimator"))
def test_estimators_compose(name):
    header = (ROOT / "conf" / "estimator" / f"{name}.yaml").read_text().splitlines()[0]
    assert header == f"# @package estimator.{name}"
