"""`report.html`: what a run found, how good it is, and how it got there, in one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from nasforge.architecture import CellGraph, Objective
from nasforge.charts import candidates, plots
from nasforge.charts.drawing import FAMILIES, cell_svg, family
from nasforge.charts.fronts import candidate_table, front_table, hypervolume_sentence
from nasforge.charts.svg import image, inline
from nasforge.report.curves import FitChart, fit_charts
from nasforge.report.pages import write_page
from nasforge.report.sections import class_rows, known_rows, matrix
from nasforge.report.summary import in_folder, time_ahead
from nasforge.run.folders import followed, is_own
from nasforge.statistics.confusion import FILE, Confusions
from nasforge.statistics.verdicts import conclusion
from nasforge.wording import amount, sentence_case, words

_ABSENT: Mapping[str, Any] = {
    "control": None, "table": None, "retrain": None, "size": None, "metrics": {}, "evaluations": {"requested": 0},
    "objectives": [], "front": [], "known": {}, "notes": [], "failures": [], "next": [],
}  # fmt: skip


def write_report(folder: Path, graphs: Sequence[CellGraph]) -> Path:
    """Write `folder/report.html` from what lies in the folder; parts that are not there are left out.

    Args:
        folder: a run's, with `result.json` at least.
        graphs: of the found architecture.
    """
    return write_page(folder / "report.html", "report/report.html.jinja", _content(folder, graphs))


def _content(folder: Path, graphs: Sequence[CellGraph]) -> dict[str, Any]:
    result = {**_ABSENT, **_json(folder, "result.json")}
    timing = _json(folder, "timing.json") or {"seconds": {}, "total": 0.0}
    evaluations = _json(folder, "evaluations.json") or []
    objectives = followed(result)
    data = _json(folder, "data.json") or {}
    confusions = Confusions.read(text) if (text := _text(folder, FILE)) else None
    constant = set(result["evaluations"].get("constant", []))
    used = {family(operation) for graph in graphs for _, _, operation in graph.edges if operation}
    return {
        "result": result,
        "cells": [_both_ways(graph, f"cell{i}") for i, graph in enumerate(graphs)],
        "families": {kind: name for kind, name in FAMILIES.items() if kind in used},
        "conclusion": conclusion(result),
        "control": _control(result["control"]),
        "trained": _trained(result["retrain"]),
        "fits": _fits(folder, result["retrain"]["rows"][0]["name"] if result["retrain"] else "found"),
        "time": _shares(timing["seconds"], timing["total"]),
        "total": timing["total"],
        "search_charts": _search_charts(objectives, evaluations),
        "measured": _measured(result["metrics"], objectives, constant) if result["evaluations"]["requested"] else [],
        "front": front_table(result["front"], objectives),
        "hypervolume": hypervolume_sentence(evaluations, objectives),
        "best": _best(objectives, evaluations, constant),
        "known": known_rows(result, objectives),
        "reading": data.get("reading", ""),
        "classes": class_rows(data, confusions),
        "matrix": matrix(confusions),
        "artifacts": [_artifact(folder, one) for one in _json(folder, "artifacts.json") or [] if one["caption"]],
        "config": _text(folder, "config.yaml"),
        "facts": {
            "Data": {key: _brief(value) for key, value in data.items()},
            "Environment": _json(folder, "environment.json") or {},
        },
        "commands": [
            (one["why"], time_ahead(one, result, timing["seconds"], timing["total"]), in_folder(one["command"], folder))
            for one in result["next"]
        ],
    }


def _fits(folder: Path, called: str) -> list[tuple[str, list[tuple[FitChart, Markup]]]]:
    """(name, its charts with their pictures) of each fit."""
    return [
        (
            name,
            [(chart, _picture(chart.svg, f"fit{i}-{j}", f"{name}: {chart.title}")) for j, chart in enumerate(charts)],
        )
        for i, (name, charts) in enumerate(fit_charts(folder, called=called))
    ]


def _control(control: Any) -> Markup | str:
    if not control or not control["random"]:
        return ""
    return _picture(plots.control_strip(control["found"], control["random"]), "control", "found and random accuracies")


def _trained(retrain: Any) -> list[dict[str, Any]]:
    """The rows of retraining, each with the places of its accuracies (in percent of the way) on one common line."""
    rows = retrain["rows"] if retrain else []
    every = [accuracy for row in rows for accuracy in row["test_accuracy"]]
    low, way = min(every, default=0.0), max(every, default=1.0) - min(every, default=0.0) or 1.0
    return [{**row, "places": [100 * (one - low) / way for one in row["test_accuracy"]]} for row in rows]


def _shares(seconds: Mapping[str, float], total: float) -> list[dict[str, Any]]:
    """Seconds of each part, largest first; the fits of one group are one part, what nobody timed another."""
    parts: dict[str, list[float]] = {}
    for label, value in seconds.items():
        parts.setdefault(label.split("/")[0], []).append(value)
    rows = [(f"{name} ({len(each)})" if len(each) > 1 else name, sum(each)) for name, each in parts.items()]
    rest = total - sum(seconds.values())
    rows += [("everything else", rest)] if seconds and rest > 0.01 * total else []
    longest = max((value for _, value in rows), default=1.0) or 1.0
    rows.sort(key=lambda row: -row[1])
    return [{"name": name, "seconds": value, "width": 100 * value / longest} for name, value in rows]


def _search_charts(objectives: Sequence[Objective], evaluations: Any) -> list[tuple[str, Markup]]:
    measured = {name for one in evaluations for name in one["metrics"]}
    if not objectives or objectives[0].metric not in measured:
        return []
    first = objectives[0]
    drawn = [("Best so far", _picture(candidates.best_so_far(evaluations, first), "best", "best so far"))]
    size = [Objective("params_m", "min")] if "params_m" in measured and first.metric != "params_m" else []
    for second in (objectives[1:] or size)[:1]:
        title = sentence_case(f"{words(first.metric)} and {words(second.metric)}")
        drawn.append((title, _picture(candidates.front(evaluations, first, second), "front", title)))
    return drawn


def _measured(
    metrics: Mapping[str, float], objectives: Sequence[Objective], constant: Container[str]
) -> list[tuple[str, str]]:
    """The found architecture's metrics in words, what the search followed first; accuracies in percent.

    Args:
        constant: metrics that are left out, since all candidates have the same.
    """
    names = dict.fromkeys([*(one.metric for one in objectives if one.metric in metrics), *metrics])
    return [(words(name), amount(name, metrics[name])) for name in names if name not in constant]


def _best(objectives: Sequence[Objective], evaluations: Any, constant: Container[str]) -> list[list[str]]:
    """The ten best distinct candidates by the first objective, with all that is known of them and differs."""
    usable = {one["notation"]: one for one in evaluations if one["status"] == "ok"}
    if not objectives or not usable:
        return []
    rows = sorted(usable.values(), key=lambda one: objectives[0].cost(one["metrics"]))[:10]
    followed_first = dict.fromkeys([*(one.metric for one in objectives), *rows[0]["metrics"]])
    return candidate_table(rows, [name for name in followed_first if name not in constant])


def _artifact(folder: Path, artifact: Mapping[str, str]) -> tuple[str, Markup]:
    path, caption = folder / artifact["file"], artifact["caption"]
    if path.suffix not in (".svg", ".png") or not is_own(folder, path):
        return caption, Markup("<p class='muted'>{} is no picture in this run.</p>").format(artifact["file"])
    if path.suffix == ".svg":
        return caption, _picture(path.read_text(encoding="utf-8"), path.stem, caption)
    return caption, Markup(image(path.read_bytes(), "image/png", caption))


def _both_ways(graph: CellGraph, name: str) -> tuple[Markup, Markup]:
    """A cell from left to right, and from the top down for narrow pages; a chain is the same both ways."""
    svg = cell_svg(graph)
    down = _picture(svg if graph.chain else cell_svg(graph, down=True), f"{name}-down", graph.title)
    return _picture(svg, name, graph.title, scale=1.25), down


def _picture(svg: str, name: str, caption: str, scale: float = 1.0) -> Markup:
    """Safe to put in as it is: `inline` lets shapes and text alone pass."""
    return Markup(inline(svg, name, caption, scale=scale))


def _brief(value: Any) -> str:
    """A fact in one line; long lists by their length."""
    if isinstance(value, dict):
        value = [f"{name}: {number}" for name, number in value.items()]
    if isinstance(value, Mapping):
        return _brief([f"{key}: {one}" for key, one in value.items()])
    if isinstance(value, list):
        return f"{len(value)} in data.json" if len(value) > 20 else ", ".join(str(item) for item in value)
    return str(value)


def _text(folder: Path, name: str) -> str:
    """The content of a file of the run; empty if it has none of that name."""
    return (folder / name).read_text(encoding="utf-8") if is_own(folder, folder / name) else ""


def _json(folder: Path, name: str) -> Any:
    text = _text(folder, name)
    return json.loads(text) if text else None
