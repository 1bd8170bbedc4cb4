"""What `nasforge compare` makes of sweeps over strategies that search different spaces, and over numbers."""

import csv
import re
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest

from nasforge import Column, Table
from nasforge.config.configuration import compose
from nasforge.experiment.parts import Parts

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from kill_and_resume import images

STAGE = "{name: init, cells: 3, epochs: 1, population: 1, channels: 4, images: null, parents: null}"
FOUR = {
    "egnas": [
        *("space.channels=4", "space.cells=2", "strategy.epochs=1", "strategy.warmup_epochs=0"),
        *("strategy.population=2", "strategy.samples=1"),
    ],
    "medarts": ["space.channels=4", f"strategy.stages=[{STAGE}]"],
    "tsenas": [
        *("space.max_cells=4", "space.reductions=1", "space.channels=4", "estimator.training.epochs=1"),
        *("estimator.training.channels=4", "strategy.population=2", "strategy.generations=1"),
        *("strategy.fine_population=1", "strategy.fine_generations=1", "strategy.supernet.epochs=1"),
        *("strategy.supernet.chains=0", "strategy.from_scratch=0"),
    ],
    "ntk_ga": [
        *("strategy.population=2", "strategy.offspring=2", "strategy.generations=1", "strategy.tournament.period=0"),
        *("strategy.landmarks=0", "space.channels=4", "space.cells=2"),
        *(f"estimator.zero_cost.{size}" for size in ("batch_size=4", "ntk_batch_size=4", "region_images=100")),
    ],
}
ALIKE = ["data=arrays", "data.batch_size=16", "retrain.epochs=1", "retrain.seeds=1", "retrain.random=0"]
ALIKE += ["retrain.channels=4", "retrain.cells=2", "executor.threads=1"]
PLACES = {"egnas": "darts", "medarts": "darts", "tsenas": "tsenas", "ntk_ga": "darts"}


@pytest.mark.parametrize("strategy", FOUR)
def test_a_strategys_defaults_fit_each_other(strategy):
    parts = Parts(compose([f"strategy={strategy}", "seed=3"]).config)
    assert parts.strategy.name == strategy
    assert parts.space.name == PLACES[strategy]
    assert parts.estimators
    assert parts.goals


@pytest.mark.parametrize("words", [["space=reolon", "strategy=ntk_ga"], ["strategy=ntk_ga", "space=reolon"]])
def test_a_space_that_is_named_wins(words):
    assert Parts(compose(words).config).space.name == "reolon"


def test_a_space_that_does_not_fit_is_refused_all_the_same(mistake):
    assert "strategy 'tsenas' needs a space with CellChain, which space 'darts' lacks" in mistake(
        "strategy=tsenas", "space=darts"
    )


@pytest.fixture
def four(command, tmp_path):
    """Four strategies, each on its own space, with one retraining."""
    images(tmp_path / "images.npz")
    for number, (strategy, options) in enumerate(FOUR.items()):
        status, _, complaint = command(
            *(f"strategy={strategy}", *options, *ALIKE, f"data.path={tmp_path / 'images.npz'}"),
            f"hydra.run.dir={tmp_path / 'sweep' / str(number)}",
        )
        assert status == 0, complaint
    return tmp_path / "sweep"


def test_strategies_on_different_spaces_are_compared_by_what_they_found(command, four):
    status, said, complaint = command("compare", str(four))
    assert status == 0, complaint
    assert "the searches differ in space and estimator" in " ".join(said.split())
    with open(four / "comparison.csv", newline="") as file:
        rows = {row["strategy"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(FOUR)
    assert {name.rpartition("_")[0] for name in rows["egnas"]} == {
        "",
        "retrained_accuracy",
        "params_m",
        "search_seconds",
    }
    assert "darts and tsenas" in said
    assert not list(four.glob("*.svg")), "no curve of one search is held against another's"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "small.safetensors"
    choices = np.stack(np.unravel_index(np.arange(5**6), (5,) * 6))
    noise = np.random.default_rng(0).normal(scale=0.02, size=5**6)
    values = {Column("digits", "accuracy", "max"): 0.3 + choices.sum(0) / 60 + noise}
    Table.of("nasbench201", (5,) * 6, values, source="made by a test").write(path)
    return path


def swept(command, table, tmp_path, *words):
    """The folder of a sweep on a table, compared; what was said."""
    fixed = ["strategy=regularized_evolution", "space=nasbench201", "estimator=tabular", "budget.evaluations=40"]
    fixed += [f"estimator.tabular.path={table}", "estimator.tabular.dataset=digits"]
    status, _, complaint = command("-m", *fixed, *words, f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert status == 0, complaint
    status, said, complaint = command("compare", str(tmp_path / "sweep"))
    assert status == 0, complaint
    return tmp_path / "sweep", said


def means(sweep):
    with open(sweep / "comparison_runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: statistics.fmean(float(row["accuracy"]) for row in rows if row["strategy"] == name)
            for name in {row["strategy"] for row in rows}}  # fmt: skip


def test_two_numbers_make_a_table_of_rows_and_columns_and_a_heatmap(command, table, tmp_path):
    sweep, said = swept(command, table, tmp_path, "strategy.population=5,8,12", "strategy.sample=2,4", "seed=1,2")
    markdown = (sweep / "comparison.md").read_text()
    section = markdown[markdown.index("## Scores by population and sample") :]
    assert "| population | sample = 2 | sample = 4 |" in section
    for name, mean in means(sweep).items():
        population, sample = map(int, re.findall(r"\d+", name))
        row = next(line for line in section.splitlines() if line.startswith(f"| {population} |"))
        cell = row.split(" | ")[1 if sample == 2 else 2]
        assert float(cell.split(" ± ")[0]) == pytest.approx(100 * mean, abs=0.006)
    assert "sample = 4" in said
    assert (sweep / "comparison_accuracy_by_option.svg").exists()
    assert "Scores by population and sample" in (sweep / "comparison.html").read_text()


def test_one_number_makes_a_curve_and_another_strategy_none(command, table, tmp_path):
    sweep, _ = swept(command, table, tmp_path, "strategy.population=10,12", "seed=1,2")
    page = (sweep / "comparison.html").read_text()
    assert "Scores by population" in page
    assert "bars are one standard deviation" in page
    assert "| population | mean |" in (sweep / "comparison.md").read_text()
    other = tmp_path / "other"
    other.mkdir()
    sweep, _ = swept(command, table, other, "strategy=regularized_evolution,random_search", "seed=1,2")
    assert "How it depends" not in (sweep / "comparison.html").read_text()
