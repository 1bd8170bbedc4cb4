"""Which curves of a run's fits go into which chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nasforge.charts.plots import SERIES, Curve, curves
from nasforge.journal.run_folder import RunFolder
from nasforge.wording import words

_SHARED = ("accuracy", "loss")
"""Kinds of metric that train, validation and the search's own values share a chart for."""

Histories = Mapping[str, Mapping[str, Sequence[float | None]]]
"""By fit: a value an epoch of each metric."""


@dataclass(frozen=True)
class FitChart:
    """A chart of one kind of metric.

    Attributes:
        title: the kind, "accuracy".
        svg: the picture.
        about: (label of a curve, what it shows) where a module explains it.
    """

    title: str
    svg: str
    about: tuple[tuple[str, str], ...] = ()


def fit_charts(run: RunFolder, *, called: str = "found") -> list[tuple[str, list[FitChart]]]:
    """(what was fitted, its charts) of all fits of a run; the many of one group share their charts.

    Args:
        called: how the architecture is called that was trained from scratch with each seed.
    """
    files = [file for file in run.histories if run.owns(file)]
    read = {file.parent.relative_to(run.fits).as_posix(): json.loads(file.read_text()) for file in files}
    groups = groupby(sorted(read), key=lambda name: name.split("/")[0])
    charts = [(group, _group({name: read[name] for name in names}, called)) for group, names in groups]
    return sorted(charts, key=lambda chart: chart[0] == "retrain")  # first the search


def _group(read: Mapping[str, Mapping[str, Any]], called: str) -> list[FitChart]:
    fits: Histories = {name: history["metrics"] for name, history in read.items()}
    about = {metric: text for history in read.values() for metric, text in history.get("about", {}).items()}
    kinds = dict.fromkeys(_kind(metric) for metrics in fits.values() for metric in metrics)
    charts = []
    for kind in sorted(kinds, key=lambda kind: _SHARED.index(kind) if kind in _SHARED else len(_SHARED)):
        lines = _many(fits, kind, called) if len(fits) > 1 else _one(next(iter(fits.values())), kind)
        told = tuple((_label(metric, kind), text) for metric, text in about.items() if _kind(metric) == kind)
        charts.append(FitChart(words(kind), curves(lines, percent=kind == "accuracy"), told))
    return charts


def _one(metrics: Mapping[str, Sequence[float | None]], kind: str) -> list[Curve]:
    """A colour for each metric."""
    names = sorted((name for name in metrics if _kind(name) == kind), key=lambda name: not name.startswith("train"))
    return [Curve(_label(name, kind), metrics[name], SERIES[i % len(SERIES)]) for i, name in enumerate(names)]


def _many(fits: Histories, kind: str, called: str) -> list[Curve]:
    """A colour for each part of the group, in the legend once; random ones are grey together."""
    colours: dict[str, str] = {}
    lines = []
    for fit, metrics in fits.items():
        part = fit.split("/")[1] if "/" in fit else fit
        part = "random" if part.startswith("random") else called if part == "found" else part
        fresh = part not in colours
        colour = {called: "found", "random": "random"}.get(part, SERIES[len(colours) % len(SERIES)])
        colour = colours.setdefault(part, colour)
        names = [name for name in metrics if _kind(name) == kind]
        for i, name in enumerate(names):
            first = fresh and i == 0 and len(colours) <= 2 * len(SERIES)
            lines.append(
                Curve(part if first else "", metrics[name], colour, name.startswith("train") and names[1:] != [])
            )
    return sorted(lines, key=lambda line: line.colour == "found")  # on top of the others


def _kind(metric: str) -> str:
    return next((kind for kind in _SHARED if metric.endswith(kind)), metric)


def _label(metric: str, kind: str) -> str:
    return words(metric.removesuffix(kind).rstrip("_")) if metric != kind else ""
