"""Accuracies that supernets recorded after each epoch, over the seeds of a study that was really made."""

import csv
import json
import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nasforge
from nasforge.compare.comparison import compare
from nasforge.compare.fit_curves import common_curves, fit_curves, over_epochs

SMALL = {
    "space.channels": 4,
    "space.cells": 1,
    "strategy.epochs": 2,
    "strategy.warmup_epochs": 1,
    "strategy.population": 2,
    "strategy.samples": 1,
    "retrain.seeds": 0,
    "retrain.random": 0,
    "control.samples": 1,
}


@pytest.fixture(scope="module")
def study(few_images, tmp_path_factory):
    """The folder of searches with two seeds."""
    folder = tmp_path_factory.mktemp("study")
    for seed in range(2):
        options = {**SMALL, "data.path": str(few_images)}
        nasforge.search("egnas", "nasbench201", "arrays", run_dir=folder / str(seed), seed=seed, quiet=True, **options)
    return folder


def recorded(run):
    return json.loads((Path(run.folder) / "fits/supernet/history.json").read_text())["metrics"]["es_accuracy"]


def test_a_table_has_the_last_epochs_accuracy_and_a_chart_every_epochs(command, study):
    status, stdout, complaint = command("compare", str(study))
    assert status == 0, complaint
    assert "the individual of the evolution strategy whose direction the alphas follow" in " ".join(stdout.split())
    with open(study / "comparison.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    comparison = compare([study])
    assert [score.name for score in comparison.scores if score.tested] == ["es_accuracy_last", "parent_accuracy_last"]
    (group,) = comparison.groups
    last = [recorded(run)[-1] for run in group.runs]
    assert float(row["es_accuracy_last_mean"]) == pytest.approx(statistics.fmean(last))
    assert float(row["es_accuracy_last_deviation"]) == pytest.approx(statistics.stdev(last))
    band = over_epochs(group.name, group.runs, "es_accuracy")
    assert (band.x.tolist(), band.mean) == ([2], pytest.approx(statistics.fmean(last))), "the first epoch is a warm-up"
    assert "ES accuracy after each epoch" in (study / "comparison.html").read_text()
    assert (study / "comparison_es_accuracy_by_epoch.svg").exists()


def finished(histories, strategy="egnas"):
    return SimpleNamespace(
        folder=Path(), histories=histories, result=SimpleNamespace(strategy=strategy, space="nasbench201")
    )


def test_accuracies_of_training_and_of_retraining_are_left_out():
    metrics = {"es_accuracy": [None, 0.5, 0.75], "es_fitness": [None, 2.0, 1.0], "train_accuracy": [0.1, 0.2, 0.3]}
    retrained = {"metrics": {"held_out_accuracy": [0.9]}}
    run = finished({"supernet": {"metrics": metrics}, "retrain/found/seed-0": retrained})
    curves = fit_curves(run)
    assert list(curves) == ["es_accuracy"]
    assert np.isnan(curves["es_accuracy"].values[0])
    assert curves["es_accuracy"].last == 0.75


def test_only_accuracies_that_all_runs_recorded_for_one_kind_of_supernet_are_averaged():
    both = {"supernet": {"metrics": {"es_accuracy": [0.5], "parent_accuracy": [0.4]}}}
    one = {"supernet": {"metrics": {"parent_accuracy": [0.4]}}}
    assert common_curves([finished(both), finished(both)]) == ["es_accuracy", "parent_accuracy"]
    assert common_curves([finished(both), finished(one)]) == ["parent_accuracy"]
    assert common_curves([finished(both), finished(both, strategy="darts")]) == []
    several = {"init/0": both["supernet"], "init/1": both["supernet"]}
    assert common_curves([finished(several), finished(several)]) == [], "neither supernet speaks for the search"
