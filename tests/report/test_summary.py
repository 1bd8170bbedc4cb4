"""The table at a run's end: fits a terminal, keeps what is to be copied in one piece, and says failures."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nasforge import Architecture
from nasforge.report.summary import in_folder, print_summary
from nasforge.result import (
    EvaluationCounts,
    Failure,
    Retrained,
    SearchResult,
    Spread,
    Step,
    TableLookup,
    TableRow,
    Timing,
    TrainedNetwork,
)
from nasforge.statistics.verdicts import control_verdict

FOLDER = Path("/a/rather/long/path/to/the/folder/of/a/run/that/goes/on/beyond/a/terminal")
PAIRS = ", ".join("('sep_conv_3x3', 0), ('skip_connect', 1)" for _ in range(4))
NOTATION = f"Genotype(normal=[{PAIRS}], normal_concat=range(2, 6), reduce=[{PAIRS}], reduce_concat=range(2, 6))"
ROW = {"notation": NOTATION, "params_m": 0.05, "macs_m": 1.2}
RETRAIN = Retrained(
    epochs=6,
    rows=[
        TrainedNetwork(**ROW, name="found", seeds=[0, 1, 2], test_accuracy=[0.98, 0.97, 0.99], mean=0.98, std=0.01),
        TrainedNetwork(**ROW, name="random 1", seeds=[0], test_accuracy=[0.975], mean=0.975, std=0.0),
    ],
    random=Spread(mean=0.975, std=0.0),
    sentence="Trained from scratch it does not stand out.",
)
RESULT = SearchResult(
    strategy="egnas",
    space="darts",
    data="digits",
    seed=0,
    status="finished",
    architecture=Architecture.of("darts", {}, NOTATION),
    objectives=[],
    evaluations=EvaluationCounts(requested=0, distinct=0),
    next=[Step(command="nasforge retrain RUN retrain.epochs=24", why="train the found network longer")],
)


def summary(**changes):
    out = io.StringIO()
    print_summary(replace(RESULT, **changes), FOLDER, Timing(total=97.0), console=Console(file=out, width=80))
    return out.getvalue()


def test_it_fits_a_terminal_and_keeps_paths_and_commands_whole():
    text = summary(retrain=RETRAIN, control=control_verdict(0.6, [0.5] * 20))
    assert "98.00% ± 1.00%" in text
    assert f"report  {FOLDER}/report.html\n" in text
    assert f"  nasforge retrain {FOLDER} retrain.epochs=24\n" in text
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert all(line.startswith(("report ", "  nasforge ")) for line in wide)
    assert "\x1b" not in text


def test_an_accuracy_has_its_interval_if_the_number_of_test_images_is_known():
    (row,) = [line for line in summary(retrain=replace(RETRAIN, images=1000)).splitlines() if line.startswith("found")]
    assert row.split()[4:7] == ["96.93", "to", "98.70%"]  # scipy's binomtest(980, 1000).proportion_ci(0.95, "wilson")
    assert " to " not in next(line for line in summary(retrain=RETRAIN).splitlines() if line.startswith("found"))


def test_trainings_that_stopped_early_have_their_own_numbers_of_epochs():
    assert "Trained from scratch for 6 epochs" in summary(retrain=RETRAIN)
    early = replace(RETRAIN, rows=[replace(RETRAIN.rows[0], stopped_after=[4, 6, 5]), *RETRAIN.rows[1:]])
    assert "Trained from scratch for up to 6 epochs" in summary(retrain=early)
    assert [result.epochs_of(seed) for result in (early, RETRAIN) for seed in (0, 2)] == [4, 5, 6, 6]


def test_what_estimates_said_of_the_architecture():
    text = summary(
        metrics={"accuracy": 0.5, "params_m": 0.55}, evaluations=EvaluationCounts(requested=500, distinct=244)
    )
    assert "accuracy              50.00 %" in text
    assert "parameters, millions     0.55" in text
    assert "best of 500 estimates, 244 of them distinct" in text
    assert "estimates" not in summary()
    trained = EvaluationCounts(requested=2, distinct=2, simulated_seconds=9000.0)
    assert "training them would have taken 2.5 hours" in " ".join(summary(evaluations=trained).split())


def test_what_a_table_knows_stands_beside_the_paper():
    found = TableRow(name="found", test_accuracy={"a": 0.9356, "b": None})
    rows = [found, TableRow(name="paper", test_accuracy={"b": 0.7})]
    text = summary(table=TableLookup(about="test, 200 epochs", datasets=["a", "b"], rows=rows))
    assert "Accuracies in the table (test, 200 epochs)" in text
    assert [line.split() for line in text.splitlines() if line.startswith(("a,", "b,"))] == [
        ["a,", "test", "93.56%"],
        ["b,", "test", "70.00%"],
    ]


def test_validation_accuracies_stand_above_test_accuracies():
    found = TableRow(name="found", test_accuracy={"a": 0.9356}, validation_accuracy={"a": 0.84, "b": 0.5})
    paper = TableRow(name="paper", test_accuracy={"a": 0.95})
    measured = {"about": "test, 200 epochs", "validation": "validation, 12 epochs"}
    text = summary(table=TableLookup(**measured, datasets=["a"], rows=[found, paper]))
    assert "Accuracies in the table (validation, 12 epochs; test, 200 epochs)" in text
    assert [line.split() for line in text.splitlines() if line.startswith("a,")] == [
        ["a,", "validation", "84.00%"],
        ["a,", "test", "93.56%", "95.00%"],
    ]


def test_a_notation_breaks_between_its_parts_only():
    lines = [line for line in summary().splitlines() if "conv" in line]
    assert len(lines) > 3
    for line in lines:
        assert not line.rstrip(",").endswith("'")
    assert "range(2, 6)" in summary()


@pytest.mark.parametrize(("found", "words"), [(0.9, "Better than random"), (0.1, "NOT clearly better than random")])
def test_the_controls_sentence_is_there(found, words):
    assert words in summary(control=control_verdict(found, [0.5] * 20))


def test_what_is_missing_is_left_out():
    text = summary()
    assert "Trained from scratch" not in text
    assert "Failed" not in text


def test_failures_are_named_and_the_rest_counted():
    text = summary(failures=[Failure(architecture="a", reason="out of [memory]")] * 5)
    assert text.count("Failed: out of [memory]") == 3
    assert "and 2 more failed" in text


def test_a_folder_with_blanks_is_quoted_and_only_the_word_run_replaced():
    command = in_folder("nasforge retrain RUN architecture=RUNNER", Path("/my runs/1"))
    assert command == "nasforge retrain '/my runs/1' architecture=RUNNER"
