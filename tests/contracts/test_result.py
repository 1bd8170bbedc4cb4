"""`result.json` as values: read back as written, whatever version wrote it, or refused by file and key."""

import json
from dataclasses import replace

import pytest

from nasforge import Architecture, Objective, RunError, words
from nasforge.journal.records import read_as
from nasforge.result import EvaluationCounts, SearchResult, Step

RESULT = SearchResult(
    strategy="nsga2",
    space="nasbench201",
    data="digits",
    seed=3,
    status="finished",
    architecture=Architecture.of("nasbench201", {"cell": ["none"] * 6}, "|none~0|"),
    objectives=[Objective("accuracy", "max"), Objective("test_accuracy", "max", report_only=True)],
    evaluations=EvaluationCounts(requested=4, distinct=3),
    followed=["accuracy"],
    metrics={"accuracy": float("inf")},
    next=[Step(command="nasforge retrain RUN", why="train it", epochs=8)],
)


def reread(path, **changes):
    content = {**RESULT.to_json(), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "left out"}))
    return read_as(path, SearchResult)


def test_it_is_read_as_it_was_written(tmp_path):
    assert reread(tmp_path / "result.json") == RESULT
    assert RESULT.to_json()["next"] == [{"command": "nasforge retrain RUN", "why": "train it", "epochs": 8}]


def test_a_key_of_another_version_is_passed_over_and_an_optional_one_may_be_missing(tmp_path):
    assert reread(tmp_path / "result.json", hue="blue") == RESULT
    older = reread(tmp_path / "result.json", front="left out", control="left out", followed="left out")
    assert older.control is None
    assert older.goals == RESULT.goals


def test_labels_are_written_where_an_objective_has_some(tmp_path):
    named = Objective("warmth", "min", label="warmth of a network", unit="K")
    objectives = replace(RESULT, objectives=[named, *RESULT.objectives]).to_json()["objectives"]
    assert [objective.get("label") for objective in objectives] == ["warmth of a network", None, None]
    assert reread(tmp_path / "result.json", objectives=objectives).by_metric["warmth"] == named
    older = reread(tmp_path / "result.json", objectives=[{"metric": "latency_ms", "direction": "min"}])
    assert [words(objective) for objective in older.objectives] == ["latency, ms"]


def test_values_are_still_found_by_key():
    assert RESULT["evaluations"]["requested"] == RESULT.evaluations.requested
    with pytest.raises(KeyError):
        RESULT["nonsense"]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"seed": "left out", "space": "left out"}, "it has no space and no seed"),
        ({"seed": "three"}, "seed: Input should be a valid integer"),
        ({"architecture": {"schema": 1, "space": "x"}}, "architecture: field 'genes' of the architecture must be"),
        (
            {"objectives": [{"metric": "x", "direction": "up"}]},
            "objectives.0.direction: Input should be 'max' or 'min'",
        ),
        ({"retrain": {"epochs": 1, "rows": [{}]}}, "it has no retrain.rows.0.mean and no retrain.rows.0.std"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_key(tmp_path, changes, wrong):
    with pytest.raises(RunError) as error:
        reread(tmp_path / "result.json", **changes)
    assert str(error.value).startswith(f"{tmp_path / 'result.json'} is damaged: {wrong}")
