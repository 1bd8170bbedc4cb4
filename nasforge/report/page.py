"""`report.html`: what a run found, how good it is, and how the search went, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from nasforge.architecture import CellGraph, Metrics, Objective
from nasforge.charts import fronts, plots
from nasforge.charts.drawing import FAMILIES, cell_svg, family
from nasforge.charts.front_tables import candidate_table, front_table, hypervolume_sentence
from nasforge.charts.svg import image, inline
from nasforge.journal.records import read_as, read_json
from nasforge.journal.run_folder import RunFolder
from nasforge.report.curves import FitChart, fit_charts
from nasforge.report.pages import write_page
from nasforge.report.sections import class_rows, known_rows, matrix
from nasforge.report.summary import in_folder, interval_words, time_ahead
from nasforge.result import Candidate, Control, Retrained, SearchResult, Timing
from nasforge.statistics.confusion import Confusions
from nasforge.statistics.mistakes import Mistakes
from nasforge.statistics.verdicts import conclusion
from nasforge.wording import amount, sentence_case, words


def write_report(folder: Path, graphs: Sequence[CellGraph]) -> Path:
    """Write `folder/report.html` from the files in the folder; sections without a file are omitted.

    Args:
        folder: the folder of a run, with at least `result.json`.
        graphs: drawings of the found architecture.
    """
    run = RunFolder(folder)
    return write_page(run.report, "report/report.html.jinja", _content(run, graphs))


def _content(run: RunFolder, graphs: Sequence[CellGraph]) -> dict[str, Any]:
    result: SearchResult = read_as(run.result, SearchResult)
    timing: Timing = read_as(run.timing, Timing) if run.owns(run.timing) else Timing()
    evaluations: list[Candidate] = read_as(run.evaluations, list[Candidate]) if run.owns(run.evaluations) else []
    objectives = result.goals
    data = _facts(run, run.data)
    confusions = Confusions.read(text) if (text := _text(run, run.confusion)) else None
    used = {family(operation) for graph in graphs for _, _, operation in graph.edges if operation}
    return {
        "result": result,
        "cells": [_both_ways(graph, f"cell{i}") for i, graph in enumerate(graphs)],
        "families": {kind: name for kind, name in FAMILIES.items() if kind in used},
        "conclusion": conclusion(result.control, result.retrain),
        "control": _control(result.control),
        "trained": _trained(result.retrain),
        "fits": _fits(run, result.retrain.rows[0].name if result.retrain else "found"),
        "time": _shares(timing),
        "total": timing.total,
        "search_charts": _search_charts(objectives, evaluations),
        "measured": _measured(result) if result.evaluations.requested else [],
        "front": front_table(result.front, objectives),
        "hypervolume": hypervolume_sentence(evaluations, objectives),
        "best": _best(result, evaluations),
        "known": known_rows(result),
        "reading": data.get("reading", ""),
        "classes": class_rows(data, confusions),
        "matrix": matrix(confusions),
        "mistakes": read_as(run.mistakes, Mistakes) if run.owns(run.mistakes) else None,
        "artifacts": _artifacts(run),
        "config": _text(run, run.config),
        "facts": {
            "Data": {key: _brief(value) for key, value in data.items()},
            "Environment": _facts(run, run.environment),
        },
        "commands": [
            (step.why, time_ahead(step, result.retrain, timing), in_folder(step.command, run.path))
            for step in result.next
        ],
    }


def _fits(run: RunFolder, called: str) -> list[tuple[str, list[tuple[FitChart, Markup]]]]:
    """(name, charts with their pictures) for each group of fits."""
    return [
        (
            name,
            [(chart, _picture(chart.svg, f"fit{i}-{j}", f"{name}: {chart.title}")) for j, chart in enumerate(charts)],
        )
        for i, (name, charts) in enumerate(fit_charts(run, called=called))
    ]


def _control(control: Control | None) -> Markup | str:
    if not control or not control.random:
        return ""
    return _picture(
        plots.control_strip(control.found, control.random),
        "control",
        "accuracies of the found and of random architectures",
    )


def _trained(retrain: Retrained | None) -> list[dict[str, Any]]:
    """The rows of retraining, each with the positions of its accuracies on a common axis, in percent."""
    rows = retrain.rows if retrain else []
    every = [accuracy for row in rows for accuracy in row.test_accuracy]
    low, way = min(every, default=0.0), max(every, default=1.0) - min(every, default=0.0) or 1.0
    return [
        {
            **vars(row),
            "interval": interval_words(row, retrain) if retrain else "",
            "places": [100 * (value - low) / way for value in row.test_accuracy],
        }
        for row in rows
    ]


def _shares(timing: Timing) -> list[dict[str, Any]]:
    """Seconds of each part, longest first. Fits of one group are one part; untimed work is another."""
    parts: dict[str, list[float]] = {}
    for label, value in timing.seconds.items():
        parts.setdefault(label.split("/")[0], []).append(value)
    rows = [(f"{name} ({len(each)})" if len(each) > 1 else name, sum(each)) for name, each in parts.items()]
    rest = timing.total - sum(timing.seconds.values())
    rows += [("everything else", rest)] if timing.seconds and rest > 0.01 * timing.total else []
    longest = max((value for _, value in rows), default=1.0) or 1.0
    rows.sort(key=lambda row: -row[1])
    return [{"name": name, "seconds": value, "width": 100 * value / longest} for name, value in rows]


def _search_charts(objectives: Sequence[Objective], evaluations: Sequence[Candidate]) -> list[tuple[str, Markup]]:
    measured = {name for candidate in evaluations for name in candidate.metrics}
    if not objectives or objectives[0].metric not in measured:
        return []
    first = objectives[0]
    drawn = [("Best so far", _picture(fronts.best_so_far(evaluations, first), "best", "best so far"))]
    size = [Objective("params_m", "min")] if "params_m" in measured and first.metric != "params_m" else []
    for second in (objectives[1:] or size)[:1]:
        title = sentence_case(f"{words(first)} and {words(second)}")
        drawn.append((title, _picture(fronts.front(evaluations, first, second), "front", title)))
    return drawn


def _measured(result: SearchResult) -> list[tuple[str, str]]:
    """The found architecture's metrics as text, without those that are equal for all candidates."""
    metrics = result.metrics
    return [(words(metric), amount(metric, metrics[name])) for name, metric in _differing(result, metrics)]


def _differing(result: SearchResult, metrics: Metrics) -> list[tuple[str, Objective | str]]:
    """(name, objective) of each metric that varies among candidates, with the followed ones first."""
    names = dict.fromkeys([*(goal.metric for goal in result.goals if goal.metric in metrics), *metrics])
    return [(name, result.by_metric.get(name, name)) for name in names if name not in result.evaluations.constant]


def _best(result: SearchResult, evaluations: Sequence[Candidate]) -> list[list[str]]:
    """The ten best distinct candidates by the first objective, with all metrics that vary."""
    objectives = result.goals
    usable = {candidate.notation: candidate for candidate in evaluations if candidate.status == "ok"}
    if not objectives or not usable:
        return []
    rows = sorted(usable.values(), key=lambda candidate: objectives[0].cost(candidate.metrics))[:10]
    return candidate_table(rows, [metric for _, metric in _differing(result, rows[0].metrics)])


def _artifacts(run: RunFolder) -> list[tuple[str, Markup]]:
    index = read_json(run.captions, list) if run.owns(run.captions) else []
    return [_artifact(run, entry["file"], entry["caption"]) for entry in index if entry["caption"]]


def _artifact(run: RunFolder, file: str, caption: str) -> tuple[str, Markup]:
    path = run.path / file
    if path.suffix not in (".svg", ".png") or not run.owns(path):
        return caption, Markup("<p class='muted'>This run has no picture {}.</p>").format(file)
    if path.suffix == ".svg":
        return caption, _picture(path.read_text(encoding="utf-8"), path.stem, caption)
    return caption, Markup(image(path.read_bytes(), "image/png", caption))


def _both_ways(graph: CellGraph, name: str) -> tuple[Markup, Markup]:
    """A cell drawn from left to right, and from the top down for narrow pages; chains always run down."""
    svg = cell_svg(graph)
    down = _picture(svg if graph.chain else cell_svg(graph, down=True), f"{name}-down", graph.title)
    return _picture(svg, name, graph.title, scale=1.25), down


def _picture(svg: str, name: str, caption: str, scale: float = 1.0) -> Markup:
    """The picture as safe HTML: `inline` passes only shapes and text."""
    return Markup(inline(svg, name, caption, scale=scale))


def _brief(value: Any) -> str:
    """A fact on one line; a long list becomes its length."""
    if isinstance(value, Mapping):
        value = [f"{key}: {item}" for key, item in value.items()]
    if isinstance(value, list):
        return f"{len(value)} in data.json" if len(value) > 20 else ", ".join(str(item) for item in value)
    return str(value)


def _text(run: RunFolder, path: Path) -> str:
    """The text of a file of the run; empty if the run does not have it."""
    return path.read_text(encoding="utf-8") if run.owns(path) else ""


def _facts(run: RunFolder, path: Path) -> dict[str, Any]:
    return read_json(path, dict) if run.owns(path) else {}
