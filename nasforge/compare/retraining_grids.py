"""Retrained networks as tables, and the best of each generation as a curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from nasforge.compare.charts import Chart, drawn
from nasforge.compare.comparison import Comparison
from nasforge.compare.retrainings import Row, TrainedAlike, trained_alike
from nasforge.compare.sections import Grid, Section
from nasforge.compare.trajectories import Band
from nasforge.wording import amount, words

CAPTION = (
    "Test accuracy after training from scratch: mean ± sample standard deviation over runs, or over the trainings of a "
    "single run. In the search: the value by which the network was chosen, on images of the search."
)


def retraining_section(comparison: Comparison) -> Iterator[Section]:
    """A table for each recipe by which networks of these runs were retrained, and its chart over generations."""
    if recipes := trained_alike(comparison):
        grids = tuple(_grid(comparison, recipe) for recipe in recipes)
        yield Section("Retrained networks", CAPTION, grids, tuple(_charts(comparison, recipes)))


def _grid(comparison: Comparison, recipe: TrainedAlike) -> Grid:
    goal = comparison.first.followed[0] if comparison.first.followed else None
    several = len(comparison.groups) > 1
    searched = goal is not None and any(math.isfinite(row.searched) for row in recipe.rows)
    heads = ["network", *(["strategy"] if several else []), "runs", "trainings"]
    heads += [*([f"{words(goal)} in the search"] if goal and searched else []), "test accuracy, %", "parameters, M"]
    rows = []
    for row in recipe.rows:
        trainings = sum(len(each.network.seeds) for each in row.retrainings)
        cells = [
            " ".join(row.name).strip(),
            *([row.group] if several else []),
            str(len(row.retrainings)),
            str(trainings),
        ]
        if goal and searched:
            cells.append(amount(goal, row.searched) if math.isfinite(row.searched) else "–")
        rows.append((*cells, _accuracy(row), f"{row.params_m:.3g}"))
    return Grid(_title(recipe), tuple(heads), tuple(rows), names=True)


def _title(recipe: TrainedAlike) -> str:
    options = ", ".join(f"{key}={value}" for key, value in list(recipe.options.items())[:3])
    return f"retrained from scratch for {recipe.duration}{f' ({options})' if options else ''}"


def _accuracy(row: Row) -> str:
    deviation = "" if math.isnan(row.deviation) else f" ± {100 * row.deviation:.2f}"
    return f"{100 * row.mean:.2f}{deviation}"


def _charts(comparison: Comparison, recipes: Sequence[TrainedAlike]) -> Iterator[Chart]:
    """For each recipe, the accuracy over generations, if those of at least two were retrained."""
    for number, recipe in enumerate(recipes):
        if bands := list(_bands(comparison, recipe.rows)):
            name = "generations" if len(recipes) == 1 else f"generations_{number + 1}"
            title = f"Test accuracy of the best network of each generation, {_title(recipe)}"
            yield Chart(name, title, drawn(bands, "generation", "test_accuracy"))


def _bands(comparison: Comparison, rows: Sequence[Row]) -> Iterator[Band]:
    for group in comparison.groups:
        own = [row for row in rows if row.group == group.name and row.name[0] == "generation"]
        if len(own) > 1:
            numbers = np.array([[float(row.name[1]), row.mean, row.deviation] for row in own])
            yield Band(group.name, *numbers.T)
