"""Names become classes through entry points: lazily, checked, and guarded against bad guests."""

import subprocess
import sys

import pytest

from nasforge import OptionError, Strategy, UnknownNameError
from nasforge.registry.entry_points import CONTRACTS, build, registry

GOOD = "from nasforge import Strategy\nclass Good(Strategy):\n    def search(self, run): ...\n"


def refused(kind, name):
    with pytest.raises(UnknownNameError) as error:
        registry(kind)[name]
    return str(error.value)


@pytest.mark.parametrize("kind", CONTRACTS)
def test_every_built_in_loads_under_its_own_name(kind):
    assert len(registry(kind)) > 0
    for name, found in registry(kind).items():
        assert found.name == name


def test_it_is_a_read_only_mapping():
    strategies = registry("strategy")
    assert "egnas" in strategies
    assert "nobody" not in strategies
    assert issubclass(strategies["egnas"], Strategy)
    with pytest.raises(TypeError):
        strategies["mine"] = Strategy


def test_listing_imports_nothing():
    code = """import sys
from nasforge.registry.entry_points import registry
list(registry("space"))
print("torch" in sys.modules)"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_an_unknown_name_gets_the_nearest_and_all_installed():
    said = refused("strategy", "egna")
    assert said.startswith("no strategy named 'egna'. Did you mean 'egnas'? Available: ")
    assert "egnas" in said


def test_an_unknown_kind_is_refused():
    with pytest.raises(UnknownNameError, match=r"no kind of plug-in named 'spaces'. Did you mean 'space'\?"):
        registry("spaces")


def test_a_guest_comes_in_by_the_same_door(guest):
    guest("good", {"nasforge.strategy": ["good = good_guest:Good"]}, {"good_guest.py": GOOD})
    assert registry("strategy")["good"].name == "good"
    assert isinstance(build("strategy", {"name": "good"}), Strategy)


def test_a_clash_is_refused_with_both_named_and_breaks_nothing_else(guest):
    guest("impostor", {"nasforge.strategy": ["egnas = impostor:Egnas"]})
    assert refused("strategy", "egnas") == (
        "strategy 'egnas' is claimed by impostor and nasforge; uninstall all but one of them"
    )
    assert registry("space")["darts"]


def test_a_guest_that_cannot_be_imported_is_named_with_the_cause(guest):
    guest("broken", {"nasforge.strategy": ["broken = broken_guest:B"]}, {"broken_guest.py": "import not_there"})
    assert refused("strategy", "broken") == (
        "strategy 'broken' of broken cannot be loaded: ModuleNotFoundError: No module named 'not_there'"
    )
    assert "broken" not in registry("strategy").working
    assert "egnas" in registry("strategy").working


def test_a_class_of_another_kind_is_refused(guest):
    guest("good", {"nasforge.space": ["good = good_guest:Good"]}, {"good_guest.py": GOOD})
    assert "space 'good' of good is not a SearchSpace" in refused("space", "good")


def test_a_class_that_calls_itself_otherwise_is_refused(guest):
    named = GOOD.replace("    def", "    name = 'bad'\n    def")
    guest("good", {"nasforge.strategy": ["good = good_guest:Good"]}, {"good_guest.py": named})
    assert "calls itself 'bad'" in refused("strategy", "good")


@pytest.mark.parametrize("first", ["odd", "even"])
def test_two_names_of_one_class_are_told_so_whichever_is_used_first(guest, first):
    guest("good", {"nasforge.strategy": ["odd = good_guest:Good", "even = good_guest:Good"]}, {"good_guest.py": GOOD})
    second = {"odd": "even", "even": "odd"}[first]
    assert registry("strategy")[first].name == first
    assert refused("strategy", second) == (
        f"strategy '{second}' of good is also the class of '{first}': "
        f"a class has one name, so give '{second}' a subclass of Good"
    )


def test_an_error_of_many_lines_is_one_sentence(guest):
    code = "raise ImportError('libodd.so is missing;\\n    install it')"
    guest("broken", {"nasforge.strategy": ["broken = broken_guest:B"]}, {"broken_guest.py": code})
    assert refused("strategy", "broken").endswith("cannot be loaded: ImportError: libodd.so is missing; install it")


def test_a_stop_while_a_guest_is_imported_is_no_fault_of_the_guest(guest):
    code = "raise KeyboardInterrupt"
    guest("slow", {"nasforge.strategy": ["slow = slow_guest:S"]}, {"slow_guest.py": code})
    with pytest.raises(KeyboardInterrupt):
        registry("strategy")["slow"]


def test_build_checks_the_options():
    with pytest.raises(OptionError, match=r"strategy\.samples=0"):
        build("strategy", {"name": "egnas", "samples": 0})
    with pytest.raises(OptionError, match=r"estimator\.training\.epoch\. Did you mean estimator\.training\.epochs\?"):
        build("estimator", {"name": "training", "epoch": 1})
    with pytest.raises(OptionError, match=r"space\.name=None"):
        build("space", {})


def test_an_estimator_knows_all_its_options():
    assert build("estimator", {"name": "training", "epochs": 1}).options["channels"] == 8
