"""The values: equality, JSON both ways, signs, fronts."""

import json
import math
import pickle

import numpy as np
import pytest

from nasforge import Architecture, ArchitectureError, Evaluation, Objective, OptionError, ParetoFront

CHAIN = Architecture.of("toy", {"ops": ["a", ["b", 1]], "depth": 2}, "a-b1")


def test_equality_is_that_of_the_genes_and_not_of_the_notation():
    same = Architecture.of("toy", {"depth": 2, "ops": ("a", ("b", 1))}, "written otherwise")
    assert same == CHAIN
    assert hash(same) == hash(CHAIN)
    assert Architecture.of("other", {"depth": 2, "ops": ("a", ("b", 1))}) != CHAIN
    assert str(CHAIN) == "a-b1"
    assert pickle.loads(pickle.dumps(CHAIN)) == CHAIN


def test_json_goes_both_ways():
    again = Architecture.from_json(json.loads(json.dumps(CHAIN.to_json())))
    assert again == CHAIN
    assert again["ops"] == ("a", ("b", 1))
    assert str(again) == "a-b1"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": "one"}, "field 'schema' of the architecture must be a JSON integer"),
        ({"schema": 99}, "field 'schema' is 99; this version reads 1"),
        ({"space": None}, "field 'space' of the architecture must be a JSON string"),
        ({"genes": []}, "field 'genes' of the architecture must be a JSON object"),
        ({"genes": {"ops": {"a": 1}}}, "field 'ops' holds"),
    ],
)
def test_a_broken_one_names_the_field(change, sentence):
    with pytest.raises(ArchitectureError, match=sentence):
        Architecture.from_json(CHAIN.to_json() | change)


def test_a_missing_gene_is_named():
    with pytest.raises(ArchitectureError, match="needs the field 'width'"):
        CHAIN["width"]


def test_costs_turn_signs_in_one_place():
    accuracy, size = Objective("accuracy", "max"), Objective("params_m", "min")
    good = Evaluation(CHAIN, {"accuracy": 0.9, "params_m": 2.0})
    assert good.cost(accuracy) == -0.9
    assert good.cost(size) == 2.0
    assert Evaluation(CHAIN, {}, "failed", "broke").cost(accuracy) == math.inf
    assert Evaluation(CHAIN, {"accuracy": math.nan}).cost(accuracy) == math.inf


def test_an_objective_finds_the_best_value_and_skips_what_is_unknown():
    values = np.array([0.2, np.nan, 0.9])
    assert Objective("accuracy", "max").best(values) == 0.9
    assert Objective("params_m", "min").best(values) == 0.2
    assert Objective("accuracy", "max").sign * Objective("accuracy", "max").cost({"accuracy": 0.5}) == 0.5


@pytest.mark.parametrize("word", ["maximise", "MAX", "", None])
def test_a_direction_that_is_none_is_refused(word):
    with pytest.raises(OptionError) as error:
        Objective("score", word)
    assert str(error.value) == f"Objective('score') has direction '{word}'; use 'max' or 'min'"


def test_a_label_that_is_no_text_is_refused_before_a_run_writes_it():
    with pytest.raises(OptionError, match=r"Objective\('score'\) needs texts as label and unit, not None and 'ms'"):
        Objective("score", "max", label=None, unit="ms")


def test_the_front_keeps_duplicates_and_drops_the_dominated():
    objectives = [Objective("accuracy", "max"), Objective("params_m", "min")]
    points = [(0.9, 3.0), (0.8, 1.0), (0.8, 2.0), (0.9, 3.0), (0.95, 4.0)]
    evaluations = [Evaluation(CHAIN, {"accuracy": a, "params_m": p}) for a, p in points]
    evaluations.append(Evaluation(CHAIN, {"accuracy": 1.0, "params_m": 0.0}, "failed", "broke"))
    front = ParetoFront(evaluations, objectives)
    assert [tuple(member.metrics.values()) for member in front] == [
        (0.9, 3.0),
        (0.8, 1.0),
        (0.9, 3.0),
        (0.95, 4.0),
    ]
