"""`nasforge compare` on searches that were really made, on a table with training times."""

import csv
import json
import re
import shutil
import statistics
from dataclasses import replace

import numpy as np
import pytest

import nasforge
from nasforge import Column, RunError, Table
from nasforge.compare import charts
from nasforge.compare.comparison import compare, grouped
from nasforge.journal.journal import write_json
from nasforge.journal.records import read_as
from nasforge.result import Candidate, SearchResult
from nasforge.run.folders import read_runs

CARDINALITIES = (5,) * 6
EVALUATIONS = 40
SEEDS = range(3)
STRATEGIES = ("random_search", "nsga2")


def write_table(path):
    """Accuracies that rise with every choice, with noise; training takes longer the larger a network is."""
    rng = np.random.default_rng(0)
    choices = np.stack(np.unravel_index(np.arange(5**6), CARDINALITIES))  # (edges, rows)
    sizes = 0.1 + choices.sum(0) / 20
    accuracy = np.clip(0.3 + choices.sum(0) / 60 + 0.05 * rng.standard_normal(5**6), 0, 1)
    values = {
        Column("digits", "accuracy", "max"): accuracy,
        Column("digits", "params_m", "min"): sizes,
        Column("digits", "train_seconds", "min"): 60 * sizes,
        Column("digits", "test_accuracy", "max", report_only=True): np.clip(accuracy - 0.02, 0, 1),
    }
    Table.of("nasbench201", CARDINALITIES, values, source="made by a test").write(path)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A folder of six finished searches."""
    folder = tmp_path_factory.mktemp("sweep")
    write_table(folder / "small.safetensors")
    for number, (strategy, seed) in enumerate((strategy, seed) for strategy in STRATEGIES for seed in SEEDS):
        make(folder, folder / f"runs/{number}", strategy, seed)
    return folder


def make(folder, run, strategy, seed, **options):
    table = {"path": str(folder / "small.safetensors"), "dataset": "digits"}
    chosen = {"estimator": "tabular", "budget.evaluations": EVALUATIONS, "objectives": ["accuracy", "params_m"]}
    given = {**chosen, "estimator.tabular": table, **options}
    return nasforge.search(strategy, "nasbench201", run_dir=run, seed=seed, **given)


@pytest.fixture
def runs(sweep, tmp_path):
    """A copy of the runs that a test may spoil."""
    shutil.copytree(sweep / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def rows_of(run):
    return json.loads((run / "evaluations.json").read_text())


def test_the_command_writes_the_table_in_four_forms_and_the_curves(command, sweep, tmp_path):
    status, said, _ = command("compare", str(sweep / "runs"), f"out={tmp_path / 'out'}")
    assert status == 0
    assert f"comparison  {tmp_path / 'out' / 'comparison.html'}" in said
    written = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"test_accuracy", "accuracy", "seconds", "hypervolume", "fronts"}
    drawn = {f"comparison_{name}.{form}" for name in pictures for form in ("svg", "png")}
    assert written == drawn | {f"comparison.{form}" for form in ("html", "md", "tex", "csv")} | {"comparison_runs.csv"}
    for strategy in STRATEGIES:
        assert strategy in said
    markdown = (tmp_path / "out/comparison.md").read_text()
    assert len(re.findall(r"^\| (?:random_search|nsga2) \| 3 \|", markdown, re.M)) == 2
    latex = (tmp_path / "out/comparison.tex").read_text()
    assert "random\\_search & 3 & $" in latex
    assert latex.count("\\\\\n") == 3  # a heading and two strategies


def test_its_numbers_are_those_of_the_runs(command, sweep, tmp_path):
    command("compare", str(sweep / "runs"), f"out={tmp_path / 'out'}")
    with open(tmp_path / "out/comparison.csv", newline="") as file:
        table = {row["strategy"]: row for row in csv.DictReader(file)}
    for place, strategy in enumerate(STRATEGIES):
        last = []
        for seed in SEEDS:
            best = max(rows_of(sweep / f"runs/{3 * place + seed}"), key=lambda row: row["metrics"]["accuracy"])
            last.append(best["metrics"]["test_accuracy"])
        assert float(table[strategy]["test_accuracy_mean"]) == pytest.approx(statistics.mean(last))
        assert float(table[strategy]["test_accuracy_deviation"]) == pytest.approx(statistics.stdev(last))
    with open(tmp_path / "out/comparison_runs.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_where_colors_repeat_keys_are_hollow_and_lines_are_dashed(command, runs, monkeypatch):
    monkeypatch.setattr(charts, "SERIES", ("sep",))
    command("compare", str(runs))
    keys = re.findall(r'class="key" style="--fill: ([^;]+); --edge: ([^"]+)"', (runs / "comparison.html").read_text())
    assert keys == [("var(--sep)", "var(--sep)"), ("transparent", "var(--sep)")]
    assert "stroke-dasharray" in (runs / "comparison_accuracy.svg").read_text()


def test_a_sweeps_own_folder_takes_the_comparison(command, runs):
    assert command("compare", str(runs))[0] == 0
    assert (runs / "comparison.html").exists()
    assert command("compare", str(runs))[0] == 0, "what lies beside the runs is no run"


def test_the_page_says_what_is_chance_and_leads_to_the_runs(command, runs):
    command("compare", str(runs))
    page = (runs / "comparison.html").read_text()
    assert "Mann-Whitney U" in page
    assert "runs of each are needed" in page
    links = re.findall(r'<a href="([^"]+)">report</a>', page)
    assert len(links) == 6
    assert all((runs / link).exists() for link in links)
    assert not re.search(r'(?:src|href)="https?://', page)


def test_the_best_comes_first_and_seeds_are_in_order(sweep):
    comparison = compare([sweep / "runs"])
    headline = comparison.scores[0]
    assert headline.name == "test_accuracy"
    means = [headline.mean(place) for place in range(2)]
    assert means == sorted(means, reverse=True)
    assert [[run.seed for run in group.runs] for group in comparison.groups] == [[0, 1, 2]] * 2


def test_options_that_differ_make_a_group_of_their_own(sweep, tmp_path):
    make(sweep, tmp_path / "other", "nsga2", 0, **{"strategy.population": 8})
    comparison = compare([sweep / "runs", tmp_path / "other"])
    names = {group.name for group in comparison.groups}
    assert names >= {"nsga2 (population=8)", "nsga2 (population=20)"}
    tests = comparison.tests["test_accuracy"]
    assert sum(not test.possible for test in tests) == 2, "a single run can be tested against nobody"


def test_presets_of_an_experiment_name_the_groups_that_they_tell_apart(sweep):
    runs, _ = read_runs([sweep / "runs"])
    one, other = runs[:2]
    smaller = {**one.config, "strategy": {**one.config["strategy"], "batch": 4}}
    alike = [
        replace(one, words=["+experiment=study", "+experiment/study_parts=all", "hydra/launcher=joblib"]),
        replace(other, words=["+experiment/study_parts=smaller", "seed=1"], config=smaller),
    ]
    assert [group.name for group in grouped(alike)[0]] == [
        "random_search (study_parts=all)", "random_search (study_parts=smaller)",
    ]  # fmt: skip
    same_preset = [replace(run, words=["+experiment/study_parts=all"]) for run in alike]
    assert "batch=4" in grouped(same_preset)[0][1].name


def test_a_seed_that_comes_twice_counts_once_and_is_said(runs):
    shutil.copytree(runs / "0", runs / "copy")
    comparison = compare([runs])
    assert [len(group.runs) for group in comparison.groups] == [3, 3]
    assert any("repeats seed 0 of" in note for note in comparison.notes)


def test_a_run_that_has_not_ended_is_left_out_and_said(runs):
    (runs / "4/result.json").unlink()
    comparison = compare([runs])
    assert sorted(len(group.runs) for group in comparison.groups) == [2, 3]
    assert any(f"{runs / '4'} has not ended yet" in note for note in comparison.notes)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget.evaluations": 30}, r"evaluations is 40 and 30"),
        ({"objectives": ["accuracy"]}, r"objectives is \[accuracy, params_m\] and \[accuracy\]"),
        ({"constraints": ["params_m<=1.0"]}, r"constraints is \[\] and \[params_m<=1\]"),
    ],
)
def test_searches_with_different_tasks_are_not_averaged(sweep, tmp_path, options, sentence):
    make(sweep, tmp_path / "other", "random_search", 5, **options)
    with pytest.raises(RunError, match=f"{sweep / 'runs/0'} and {tmp_path / 'other'} cannot be compared: .*{sentence}"):
        compare([sweep / "runs", tmp_path / "other"])


def test_neither_are_spaces_and_data(runs):
    (runs / "5/journal.jsonl").unlink()  # else it says that the file was altered
    for key, value in (("space", "darts"), ("data", "cifar10")):
        result = json.loads((runs / "5/result.json").read_text())
        (runs / "5/result.json").write_text(json.dumps({**result, key: value}))
        with pytest.raises(RunError, match=rf"{key} is \w+ and {value}"):
            compare([runs])
        (runs / "5/result.json").write_text(json.dumps(result))


def test_results_and_candidates_are_read_back_to_the_byte(sweep, tmp_path):
    for run in sorted((sweep / "runs").iterdir()):
        write_json(tmp_path / "result.json", read_as(run / "result.json", SearchResult).to_json())
        candidates = read_as(run / "evaluations.json", list[Candidate])
        write_json(tmp_path / "evaluations.json", [candidate.to_json() for candidate in candidates])
        for name in ("result.json", "evaluations.json"):
            assert (tmp_path / name).read_bytes() == (run / name).read_bytes()


def test_mistakes_are_one_sentence(mistake, runs, tmp_path):
    assert "there is no folder nowhere" in mistake("compare", "nowhere")
    assert "compare needs runs" in mistake("compare")
    assert "compare does not accept --html" in mistake("compare", "--html", str(runs))
    assert "compare does not accept ouput=x" in mistake("compare", str(runs), "ouput=x")
    (tmp_path / "empty").mkdir()
    assert "holds no run" in mistake("compare", str(tmp_path / "empty"))
    (runs / "0/evaluations.json").write_text("[]")
    assert "0/evaluations.json was altered since the run ended; `nasforge resume" in mistake("compare", str(runs))
    (runs / "0/journal.jsonl").unlink()
    assert "is damaged: it has 0 rows" in mistake("compare", str(runs))
    result = json.loads((runs / "0/result.json").read_text())
    (runs / "0/result.json").write_text(json.dumps({key: value for key, value in result.items() if key != "seed"}))
    assert "0/result.json is damaged: it has no seed" in mistake("compare", str(runs))
    (runs / "0/result.json").write_text("{")
    assert "result.json is damaged" in mistake("compare", str(runs))
