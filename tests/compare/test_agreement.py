"""How the same candidates rank in different measurements, in a sweep that was really made."""

import csv
import json
import statistics

import numpy as np
import pytest
from scipy.stats import pearsonr

import nasforge
from nasforge import RunError
from nasforge.compare.agreement import Pairs
from nasforge.compare.comparison import compare
from nasforge.compare.sections import sections_of

SMALL = {
    "space.channels": 4,
    "space.cells": 1,
    "budget.evaluations": 4,
    "estimator.training.epochs": 1,
    "estimator.training.channels": 4,
    "estimator.training.cells": 1,
    "estimator.training.held_out": 0.5,
    "retrain.seeds": 0,
    "retrain.random": 0,
    "data.batch_size": 8,
}


@pytest.fixture(scope="module")
def sweep(few_images, tmp_path_factory):
    """The folder of searches that train the same four networks on ever more images; twice on 18 of them."""
    folder = tmp_path_factory.mktemp("sweep")
    for number, (images, seed) in enumerate([(8, 0), (12, 0), (18, 0), (18, 1)]):
        make(few_images, folder / str(number), seed, **{"estimator.training.images": images, "strategy.draw_seed": 3})
    return folder


def make(few_images, run, seed, **options):
    options = {**SMALL, "data.path": str(few_images), **options}
    return nasforge.search("random_search", "nasbench201", "arrays", run_dir=run, seed=seed, quiet=True, **options)


def accuracies(run):
    rows = json.loads((run / "evaluations.json").read_text())
    return {row["notation"]: row["metrics"]["accuracy"] for row in rows}


def test_runs_with_other_seeds_draw_the_same_networks_and_train_them_anew(sweep):
    first, other = accuracies(sweep / "2"), accuracies(sweep / "3")
    assert list(first) == list(other)
    assert len(first) == 4
    assert first != other


def test_the_table_and_the_chart_pair_adjacent_numbers_of_images(command, sweep):
    status, stdout, complaint = command("compare", str(sweep))
    assert status == 0, complaint
    printed = " ".join(stdout.split())
    assert "the searches measured the same candidates in different ways" in printed
    assert "The same candidates were measured in 3 ways; the mean accuracy of all candidates is " in printed
    assert "significantly" not in printed, "no number of images can be the better search"
    several = [accuracies(sweep / "2"), accuracies(sweep / "3")]
    means = [accuracies(sweep / "0"), accuracies(sweep / "1")]
    means.append({notation: statistics.fmean(run[notation] for run in several) for notation in several[0]})
    section = next(section for section in sections_of(compare([sweep])) if "rank alike" in section.title)
    (grid,) = section.grids
    assert [row[:2] for row in grid.rows] == [("8 and 12", "4"), ("12 and 18", "4"), ("all together", "8")]
    r = pearsonr([means[1][notation] for notation in means[2]], list(means[2].values())).statistic
    assert grid.rows[1][2].startswith(f"{r:.3f} [")
    assert f"| 12 and 18 | 4 | {r:.3f} [" in (sweep / "comparison.md").read_text()
    assert (sweep / "comparison_agreement.svg").exists()
    with open(sweep / "comparison.csv", newline="") as file:
        rows = {row["strategy"]: row for row in csv.DictReader(file)}
    score = rows["random_search (estimator.training.images=8)"]["mean_accuracy_mean"]
    assert float(score) == pytest.approx(statistics.fmean(means[0].values()))


def test_measurements_that_are_all_equal_have_no_correlation():
    pairs = Pairs("1 and 2", np.array([0.5, 0.5, 0.5]), np.array([0.1, 0.2, 0.3]))
    assert pairs.row == ("1 and 2", "3", "–", "–")


def test_other_candidates_by_other_estimators_are_not_compared(sweep, few_images, tmp_path):
    make(few_images, tmp_path / "other", 0, **{"estimator.training.images": 8, "strategy.draw_seed": 4})
    with pytest.raises(RunError, match=r"cannot be compared: estimator\.training\.images is 12 and 8"):
        compare([sweep / "1", tmp_path / "other"])
