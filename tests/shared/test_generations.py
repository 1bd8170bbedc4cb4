"""Charts of populations hold what they are about: stages, slices, shares in percent, and no failed network."""

import re

import pytest

from nasforge import Architecture, Evaluation, Objective
from nasforge_plugins.shared.generations import (
    Generation,
    fitness_over_generations,
    inherited_over_generations,
    population_slices,
)

ACCURACY = Objective("accuracy", "max")


def someone(number, accuracy, status="ok"):
    metrics = {"accuracy": accuracy, "params_m": number / 10, "inherited": 0.5} if status == "ok" else {}
    return Evaluation(Architecture.of("any", {"number": number}, str(number)), metrics, status)


@pytest.fixture
def generations():
    made = []
    for index, stage in enumerate(["rough", "rough", "rough", "fine", "fine", "fine"]):
        members = (someone(2 * index, 0.5 + index / 20), someone(2 * index + 1, 0.6), someone(99, 0.0, "failed"))
        made.append(Generation(stage, members, members))
    return made


def texts(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_change_of_stage_is_marked_once(generations):
    assert texts(fitness_over_generations(generations, ACCURACY)).count("fine →") == 1
    assert "fine →" not in texts(fitness_over_generations(generations[:3], ACCURACY))


def test_accuracies_and_shares_are_in_percent(generations):
    assert any(text.endswith(" %") for text in texts(fitness_over_generations(generations, ACCURACY)))
    assert "100 %" in texts(inherited_over_generations(generations))


def test_values_of_several_decades_are_on_a_logarithmic_axis():
    def shown(*conditions):
        met = [Evaluation(Architecture.of("any", {"n": n}, ""), {"ntk": one}, "ok") for n, one in enumerate(conditions)]
        return texts(fitness_over_generations([Generation("", tuple(met))], Objective("ntk", "min")))

    assert {"100", "1000", "10000"} <= set(shown(20.0, 40_000.0))
    assert {"20000", "30000", "40000"} <= set(shown(20_000.0, 40_000.0))


def test_slices_name_their_generations_and_cover_all_of_them(generations):
    named = [text for text in texts(population_slices(generations, ACCURACY)) if text.startswith("generation")]
    assert named == ["generations 0 to 1", "generation 2", "generation 3", "generation 4", "generation 5"]


def test_a_generation_without_a_usable_network_is_left_out():
    broken = Generation("rough", (someone(1, 0.0, "failed"),))
    svg = fitness_over_generations([broken, Generation("rough", (someone(2, 0.7),))], ACCURACY)
    assert "median" in texts(svg)
