"""Choose which curves of a run's fits share a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nasforge.charts.plots import SERIES, Curve, curves, known
from nasforge.journal.records import read_histories
from nasforge.journal.run_folder import RunFolder
from nasforge.wording import amount, words

_SHARED = ("accuracy", "loss")
"""Kinds of metric whose training, validation and search curves share one chart."""

Histories = Mapping[str, Mapping[str, Sequence[float | None]]]
"""For each fit, the values of each metric, one per epoch."""


@dataclass(frozen=True)
class FitChart:
    """A chart of one kind of metric.

    Attributes:
        title: the kind, such as "accuracy".
        svg: the picture.
        about: (label of a curve, what it shows), if the module explains it.
        ends: the last values, for those who do not see the picture: "; in the end: train 80.7 %".
    """

    title: str
    svg: str
    about: tuple[tuple[str, str], ...] = ()
    ends: str = ""


def fit_charts(run: RunFolder, *, called: str = "found") -> list[tuple[str, list[FitChart]]]:
    """(name, charts) for each group of fits of a run; fits of one group share their charts.

    Args:
        called: the name of the architecture that was trained from scratch with each seed.
    """
    read = read_histories(run)
    groups = groupby(sorted(read), key=lambda name: name.split("/")[0])
    charts = [(group, _group({name: read[name] for name in names}, called)) for group, names in groups]
    return sorted(charts, key=lambda chart: chart[0] == "retrain")  # the search comes first


def _group(read: Mapping[str, Mapping[str, Any]], called: str) -> list[FitChart]:
    fits: Histories = {name: history["metrics"] for name, history in read.items()}
    about = {metric: text for history in read.values() for metric, text in history.get("about", {}).items()}
    kinds = dict.fromkeys(_kind(metric) for metrics in fits.values() for metric in metrics)
    charts = []
    for kind in sorted(kinds, key=lambda kind: _SHARED.index(kind) if kind in _SHARED else len(_SHARED)):
        lines = _many(fits, kind, called) if len(fits) > 1 else _one(next(iter(fits.values())), kind)
        explained = tuple((_label(metric, kind), text) for metric, text in about.items() if _kind(metric) == kind)
        svg = curves(lines, percent=kind == "accuracy")
        charts.append(FitChart(words(kind), svg, explained, _ends(lines, kind)))
    return charts


def _one(metrics: Mapping[str, Sequence[float | None]], kind: str) -> list[Curve]:
    """The curves of a single fit, one color per metric."""
    names = sorted((name for name in metrics if _kind(name) == kind), key=lambda name: not name.startswith("train"))
    return [Curve(_label(name, kind), metrics[name], SERIES[i % len(SERIES)]) for i, name in enumerate(names)]


def _many(fits: Histories, kind: str, called: str) -> list[Curve]:
    """The curves of several fits, one color and one legend entry per part; random networks are gray."""
    colors: dict[str, str] = {}
    lines = []
    for fit, metrics in fits.items():
        part = fit.split("/")[1] if "/" in fit else fit
        part = "random" if part.startswith("random") else called if part == "found" else part
        fresh = part not in colors
        color = {called: "found", "random": "random"}.get(part, SERIES[len(colors) % len(SERIES)])
        color = colors.setdefault(part, color)
        names = [name for name in metrics if _kind(name) == kind]
        for i, name in enumerate(names):
            first = fresh and i == 0 and len(colors) <= 2 * len(SERIES)
            lines.append(
                Curve(part if first else "", metrics[name], color, name.startswith("train") and names[1:] != [])
            )
    return sorted(lines, key=lambda line: line.color == "found")  # drawn last, so on top


def _ends(lines: Sequence[Curve], kind: str) -> str:
    """The last values of the curves in the legend."""
    last = [(line.label, [value for value in line.values if known(value)][-1:]) for line in lines]
    named = [f"{label} {amount(kind, float(value[0] or 0))}".strip() for label, value in last if value]
    return f"; in the end: {', '.join(named[:6])}" if named else ""


def _kind(metric: str) -> str:
    return next((kind for kind in _SHARED if metric.endswith(kind)), metric)


def _label(metric: str, kind: str) -> str:
    return words(metric.removesuffix(kind).rstrip("_")) if metric != kind else ""
