"""Architectures with names: the best of each generation, and how they are found again."""

import json

import pytest

from nasforge import Architecture, Evaluation, Objective, OptionError, RunError
from nasforge.journal.named import NamedArchitectures, best_of_each

ACCURACY = Objective("accuracy", "max")


def architecture(number):
    return Architecture.of("toy", {"number": number}, str(number))


def evaluation(number, accuracy, epochs=None, status="ok"):
    return Evaluation(architecture(number), {"accuracy": accuracy}, status=status, epochs=epochs)


def test_the_best_so_far_after_each_generation():
    evaluations = [evaluation(number, accuracy) for number, accuracy in enumerate([0.5, 0.3, 0.4, 0.5, 0.6])]
    best = dict(best_of_each(evaluations, ACCURACY, {0: 2, 1: 4, 2: 5}))
    assert best == {0: architecture(0), 1: architecture(0), 2: architecture(4)}


def test_a_generation_before_any_success_has_no_best():
    failed = evaluation(0, 0.9, status="failed")
    assert list(best_of_each([failed, evaluation(1, 0.1)], ACCURACY, {0: 0, 1: 1, 2: 2})) == [(2, architecture(1))]


def test_only_evaluations_after_the_most_epochs_so_far_are_compared():
    evaluations = [evaluation(0, 0.9, epochs=1), evaluation(1, 0.2, epochs=3), evaluation(2, 0.8, epochs=1)]
    best = dict(best_of_each(evaluations, ACCURACY, {1: 1, 2: 2, 3: 3}))
    assert best == {1: architecture(0), 2: architecture(1), 3: architecture(1)}


@pytest.fixture
def named():
    every = NamedArchitectures()
    for generation, number in enumerate([7, 7, 8]):
        every.add("generation", str(generation), architecture(number))
    every.add("member", "init/0", architecture(7))
    return every


def test_the_file_holds_each_architecture_once(named, tmp_path):
    named.write(tmp_path)
    content = json.loads((tmp_path / "named_architectures.json").read_text())
    assert len(content["architectures"]) == 2
    assert NamedArchitectures.of(tmp_path) == named


def test_the_first_architecture_of_a_name_keeps_it(named):
    named.add("generation", "2", architecture(1))
    assert named.chosen("generation", ["2"], "RUN") == {"2": architecture(8)}
    assert list(named.names_of(architecture(7))) == [("generation", "0"), ("generation", "1"), ("member", "init/0")]


def test_a_search_that_names_nothing_leaves_no_file(tmp_path):
    NamedArchitectures().write(tmp_path)
    assert not any(tmp_path.iterdir())
    assert NamedArchitectures.of(tmp_path) == NamedArchitectures()


def test_a_message_says_which_names_there_are(named):
    with pytest.raises(OptionError, match=r"^RUN has no generation 9; it has 0 to 2$"):
        named.chosen("generation", ["1", "9"], "RUN")
    with pytest.raises(OptionError, match=r"^RUN has no member mid/0; it has init/0$"):
        named.chosen("member", ["mid/0"], "RUN")


def test_a_message_says_which_kinds_there_are(named):
    del named.by_kind["member"]
    with pytest.raises(OptionError, match=r"^RUN has no members to retrain: it has 3 generations$"):
        named.chosen("member", None, "RUN")
    with pytest.raises(OptionError, match=r"^RUN has no generations to retrain: its strategy has none, or "):
        NamedArchitectures().chosen("generation", None, "RUN")


@pytest.mark.parametrize("content", ["[]", '{"architectures": [], "names": {"generation": {"0": 0}}}', "{"])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "named_architectures.json").write_text(content)
    with pytest.raises(RunError, match="damaged"):
        NamedArchitectures.of(tmp_path)
