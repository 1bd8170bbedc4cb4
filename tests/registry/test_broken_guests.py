"""Packages that are broken in every way that packages are: named with the reason when asked for, silent otherwise."""

import pytest

from nasforge import __version__
from nasforge.diagnosis.soundness import fault, other_defaults

STRATEGY = """
from typing import Annotated
from pydantic import Field
from nasforge import AdamOptions, {base}
class Odd({base}):
    '''A strategy.'''
    def __init__(self, {options}):
        {body}
    def ask(self): ...
    def tell(self, evaluations): ...
"""
GROUPED = {"options": "*, adam: AdamOptions = AdamOptions()", "body": "pass"}
POINTS = {"nasforge.strategy": ["odd = odd_guest:Odd"], "nasforge.conf": ["odd = odd_conf"]}


@pytest.fixture
def odd(guest):
    """Install a strategy `odd`, sound but for what is said; None leaves its YAML out."""

    def install(yaml="name: odd\nsteps: 3\n", options="*, steps: Annotated[int, Field(ge=1)] = 3", **more):
        body, base = more.pop("body", "self.steps = steps"), more.pop("base", "AskTellStrategy")
        code = more.pop("code", STRATEGY.format(base=base, options=options, body=body))
        files = {"odd_guest.py": code, "odd_conf/__init__.py": ""}
        if yaml is not None:
            files["odd_conf/strategy/odd.yaml"] = yaml
        return guest("nasforge-odd", POINTS, files, **more)

    return install


def test_a_sound_one_has_no_fault(odd):
    odd()
    assert fault("strategy", "odd") == ""
    assert other_defaults("strategy", "odd") == {}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"yaml": None}, "has no configuration: the package must have strategy/odd.yaml"),
        ({"yaml": "name: odd\nsteps: [\n"}, "a configuration file is not YAML"),
        ({"yaml": "name: egnas\nsteps: 3\n"}, 'has name: "egnas"; it must have name: odd'),
        ({"yaml": "steps: 3\n"}, "has name: null; it must have name: odd"),
        ({"yaml": "name: odd\nsteps: 3\nstep: 1\n"}, "strategy/odd.yaml has step, which Odd does not take"),
        ({"yaml": "name: odd\n"}, "strategy/odd.yaml lacks steps, so KEY=VALUE cannot set it"),
        (
            {**GROUPED, "yaml": "name: odd\nadam: {learning_rate: 0.1}\n"},
            "strategy/odd.yaml lacks adam.weight_decay, so",
        ),
        ({**GROUPED, "yaml": "name: odd\nadam: {rate: 0.1}\n"}, "lacks adam.learning_rate, adam.weight_decay, so"),
        ({"yaml": "name: odd\nsteps: 0\n"}, "strategy.steps=0: it must be a whole number, at least 1"),
        ({"options": "steps: int = 3"}, "options must be keyword-only, `*` before steps"),
        ({"options": "**steps"}, "options must be keyword-only, `*` before steps"),
        ({"body": "1 / 0"}, "cannot be built from its configuration: ZeroDivisionError"),
        ({"body": "raise SystemExit(3)"}, "its constructor raised SystemExit: 3; raise an OptionError"),
        ({"body": "raise BaseException"}, "cannot be built from its configuration: BaseException"),
        ({"body": "from nasforge import OptionError; raise OptionError('no')"}, "strategy 'odd' of nasforge-odd: no"),
        ({"base": "Strategy"}, "is incomplete: Odd lacks search, which every Strategy must have"),
        ({"code": "raise SystemExit(3)"}, "cannot be loaded: SystemExit: 3"),
        ({"code": "import pytest; pytest.importorskip('not_there')"}, "cannot be loaded: Skipped: could not import"),
        ({"code": "def ("}, "cannot be loaded: SyntaxError"),
        ({"code": "# \xe9\nOdd = 3"}, "must be a class that inherits from nasforge.Strategy"),
        ({"requires": "nasforge >=9"}, f"needs nasforge >=9, and this is nasforge {__version__}: install another"),
    ],
)
def test_each_fault_is_a_sentence(odd, wrong, said):
    odd(**wrong)
    sentence = fault("strategy", "odd")
    assert said in sentence
    assert "\n" not in sentence


def test_the_package_is_named_where_the_sentence_is_about_it(odd):
    odd(yaml="name: odd\n")
    assert fault("strategy", "odd").startswith("strategy 'odd' of nasforge-odd: ")


def test_a_configuration_that_another_package_hides_is_found(odd):
    """`conf/strategy/odd.yaml` of a package that comes first."""
    site = odd()
    (site / "first_conf" / "strategy").mkdir(parents=True)
    (site / "first_conf" / "__init__.py").touch()
    (site / "first_conf" / "strategy" / "odd.yaml").write_text("name: random_search\n")
    facts = site / "nasforge_odd-1.0.dist-info" / "entry_points.txt"
    facts.write_text(facts.read_text() + "before = first_conf\n")
    assert "no package before this one may have a file of that name" in fault("strategy", "odd")


def test_an_estimator_whose_yaml_lacks_its_header_is_told_the_line(guest):
    code = "from nasforge import Estimator\nclass Odd(Estimator):\n    def estimate(self, architecture, context): ...\n"
    points = {"nasforge.estimator": ["odd = odd_guest:Odd"], "nasforge.conf": ["odd = odd_conf"]}
    files = {"odd_guest.py": code, "odd_conf/__init__.py": "", "odd_conf/estimator/odd.yaml": "name: odd\n"}
    guest("nasforge-odd", points, files)
    assert fault("estimator", "odd") == "estimator/odd.yaml must begin with the line `# @package estimator.odd`"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("class", "estimator 'odd' of nasforge-odd cannot be loaded: "),
        ("constructor", "estimator 'odd' of nasforge-odd: "),
    ],
)
def test_an_objective_without_a_direction_is_told_with_its_package(guest, mistake, place, said):
    """Of a class, and of an object, whose objectives depend on its options."""
    objectives = "objectives = (Objective('score', 'maximise'),)"
    code = "from nasforge import Estimator, Objective\nclass Odd(Estimator):\n"
    code += f"    {objectives}\n" if place == "class" else f"    def __init__(self): self.{objectives}\n"
    files = {"odd_guest.py": code + "    def estimate(self, architecture, context): ...\n", "odd_conf/__init__.py": ""}
    files["odd_conf/estimator/odd.yaml"] = "# @package estimator.odd\nname: odd\n"
    guest("nasforge-odd", {"nasforge.estimator": ["odd = odd_guest:Odd"], "nasforge.conf": ["odd = odd_conf"]}, files)
    said += "Objective('score') has direction 'maximise'; use 'max' or 'min'"
    assert fault("estimator", "odd") == said
    assert mistake("strategy=random_search", "space=nasbench201", "estimator=odd") == f"nasforge: {said}"


def test_options_that_a_user_must_give_are_no_fault(odd):
    odd(yaml="name: odd\nsteps: ???\n", options="*, steps: int")
    assert fault("strategy", "odd") == ""


def test_data_that_lie_elsewhere_are_no_fault(odd):
    odd(body="from nasforge import DataError; raise DataError('not here')")
    assert fault("strategy", "odd") == ""


def test_a_default_that_differs_is_found_and_keeps_nobody_from_using_it(odd, command):
    odd(yaml="name: odd\nsteps: 4\n")
    assert other_defaults("strategy", "odd") == {"steps": (4, 3)}
    said = "strategy 'odd' of nasforge-odd: strategy/odd.yaml has steps: 4, its constructor 3; make them equal"
    status, listed, _ = command("list", "strategy", "--check")
    assert status == 1
    assert f"  UNSOUND: {said}" in listed
    assert "UNUSABLE" not in listed + command("doctor")[1]


@pytest.mark.parametrize("given", ["4", "???"])
def test_an_option_without_a_default_in_the_constructor_differs_from_none(odd, given):
    odd(yaml=f"name: odd\nsteps: {given}\n", options="*, steps: int")
    assert other_defaults("strategy", "odd") == {}


# Another version of nasforge


@pytest.mark.parametrize(
    "needed",
    [
        *("nasforge", f"nasforge =={__version__}", "nasforge >=0.1,<0.2", "nasforge >=9 ; python_version < '3'"),
        *("torch", "no[ sense", "foo; sys_platform ~= 'linux'", "nasforge >=9 ; sys_platform ~= 'linux'"),
    ],
)
def test_requirements_that_this_version_meets(odd, needed):
    odd(requires=needed)
    assert fault("strategy", "odd") == ""


@pytest.mark.parametrize("needed", ["nasforge >=0.3", "NASForge<0.1", "nasforge~=1.0 ; python_version > '3'"])
def test_a_package_for_another_version_is_refused_when_used(odd, mistake, needed):
    odd(requires=needed)
    said = mistake("strategy=odd")
    assert "strategy 'odd' of nasforge-odd 1.0 needs nasforge " in said
    assert f"and this is nasforge {__version__}: install another release of nasforge-odd, or pip" in said


def test_list_says_so_without_being_asked_to_check(odd, command):
    odd(requires="nasforge >=0.3")
    status, said, _ = command("list", "strategy")
    assert status == 1
    assert "UNUSABLE: strategy 'odd' of nasforge-odd 1.0 needs nasforge >=0.3" in said


# Metadata


@pytest.fixture
def shambles(guest):
    """Everything at once: metadata that are gone or nonsense, modules that raise, clash and exit."""
    guest("nasforge-nameless", {"nasforge.strategy": ["nameless = nowhere:A"], "nasforge.conf": ["nameless = nowhere"]})
    guest("nasforge-garbled", {"nasforge.strategy": ["garbled = 1 2:::"], "nasforge.conf": ["garbled = 1 2::"]})
    guest("nasforge-classless", {"nasforge.data": ["classless = json"]})
    guest("nasforge-old", {"nasforge.space": ["old = old:A"]}, requires="nasforge <0.0.1")
    guest("nasforge-clash", {"nasforge.estimator": ["latency = nowhere:A"], "nasforge.table": ["t = exits:read"]})
    points = {"nasforge.strategy": ["syntax = syntax_error:A"], "nasforge.conf": ["syntax = exits"]}
    site = guest("nasforge-syntax", points, {"syntax_error.py": "def (", "exits.py": "raise SystemExit(3)"})
    points = {
        "nasforge.strategy": ["skip = skips:A"],
        "nasforge.conf": ["skip = skips"],
        "nasforge.table": ["s = skips:r"],
    }
    guest("nasforge-skip", points, {"skips.py": "import pytest; pytest.importorskip('not_there')"})
    talks = {
        "talk/__init__.py": "print('TALK')",
        "talk/conf/__init__.py": "print('MORE TALK')",
        "talk/odd.py": "Odd = 3",
    }
    guest("nasforge-talk", {"nasforge.conf": ["talk = talk.conf"], "nasforge.space": ["talk = talk.odd:Odd"]}, talks)
    hydra = {"basic/__init__.py": "", "basic/hydra/launcher/basic.yaml": "{}", "basic/hydra/config.yaml": "{}"}
    guest("nasforge-basic", {"nasforge.conf": ["basic = basic"]}, hydra, requires="foo; sys_platform ~= 'linux'")
    (site / "nasforge_nameless-1.0.dist-info" / "METADATA").unlink()
    (site / "nasforge_rest-1.0.dist-info").mkdir()
    (site / "nasforge_rest-1.0.dist-info" / "entry_points.txt").write_text("nonsense\n[nasforge.strategy\n= =\n")
    return site


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["doctor"],
        ["--cfg", "job"],
        ["--info", "searchpath"],
        ["strategy=random_search", "space=nasbench201", "--cfg", "job", "--resolve"],
    ],
    ids=" ".join,
)
def test_broken_packages_break_no_command(shambles, command, words):
    status, said, complaint = command(*words)
    assert status == 0, complaint
    assert "bug in nasforge" not in complaint
    assert "TALK" not in said


def test_list_names_them_all(shambles, command):
    status, said, _ = command("list", "--check")
    assert status == 1
    broken = [line.split()[0] for line in said.splitlines() if "UNUSABLE" in line]
    assert broken == ["old", "talk", "garbled", "nameless", "skip", "syntax", "latency", "classless"]


def test_a_guest_may_not_take_the_place_of_hydras_own(shambles, command):
    _, _, complaint = command("--cfg", "job")
    assert (
        "the configurations of package nasforge-basic are left out: hydra/config.yaml would replace Hydra's "
        "own; give it another name"
    ) in complaint


def test_tab_completion_still_answers(shambles, command, monkeypatch):
    monkeypatch.setenv("COMP_LINE", "nasforge strategy=eg")
    status, said, _ = command("-sc", "query=bash")
    assert status == 0
    assert said.split() == ["strategy=egnas", "strategy=egnas_reference"]


def test_a_search_runs_and_reports_and_compares(shambles, command):
    words = ["strategy=random_search", "space=nasbench201", "estimator=zero_cost", "budget.evaluations=2"]
    words += ["retrain.seeds=0", "executor.threads=1", "trainer.accelerator=cpu"]
    for folder in ("a", "b"):
        status, _, complaint = command(*words, f"hydra.run.dir={folder}")
        assert status == 0, complaint
    assert command("report", "a")[0] == 0
    assert command("compare", "a", "b", "out=c")[0] == 0
