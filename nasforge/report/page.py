"""`report.html`: what a run found, how good it is, and how the search went, in one file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from nasforge.architecture import CellGraph, after_most_epochs
from nasforge.charts import plots
from nasforge.charts.drawing import FAMILIES, family
from nasforge.charts.front_tables import front_table, hypervolume_sentence
from nasforge.journal.records import read_as
from nasforge.journal.run_folder import RunFolder
from nasforge.report.candidates import best_table, candidate_charts, measured
from nasforge.report.pages import write_page
from nasforge.report.pictures import artifacts, both_ways, fit_pictures, picture
from nasforge.report.provenance import facts, provenance, text
from nasforge.report.sections import bounds_table, class_rows, known_rows, matrix
from nasforge.report.summary import in_folder, interval_words, time_ahead
from nasforge.result import Candidate, Control, Retrained, SearchResult, Timing
from nasforge.statistics.confusion import Confusions
from nasforge.statistics.mistakes import Mistakes
from nasforge.statistics.verdicts import conclusion


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
    every: list[Candidate] = read_as(run.evaluations, list[Candidate]) if run.owns(run.evaluations) else []
    evaluations = after_most_epochs(every)
    objectives = result.goals
    data = facts(run, run.data)
    confusions = Confusions.read(confused) if (confused := text(run, run.confusion)) else None
    used = {family(operation) for graph in graphs for _, _, operation in graph.edges if operation}
    return {
        "result": result,
        "cells": [both_ways(graph, f"cell{i}") for i, graph in enumerate(graphs)],
        "families": {kind: name for kind, name in FAMILIES.items() if kind in used},
        "conclusion": conclusion(result.control, result.retrain),
        "bounds": bounds_table(result),
        "control": _control(result.control),
        "trained": _trained(result.retrain),
        "fits": fit_pictures(run, result.retrain.rows[0].name if result.retrain else "found"),
        "time": _shares(timing),
        "total": timing.total,
        "search_charts": candidate_charts(objectives, evaluations),
        "measured": measured(result) if result.evaluations.requested else [],
        "front": front_table(result.front, objectives),
        "hypervolume": hypervolume_sentence(evaluations, objectives),
        "best": best_table(evaluations, objectives, result.by_metric, result.evaluations.constant),
        "known": known_rows(result),
        "reading": data.get("reading", ""),
        "classes": class_rows(data, confusions),
        "matrix": matrix(confusions),
        "mistakes": read_as(run.mistakes, Mistakes) if run.owns(run.mistakes) else None,
        "artifacts": artifacts(run),
        "commands": [
            (step.why, time_ahead(step, result.retrain, timing), in_folder(step.command, run.path))
            for step in result.next
        ],
        **provenance(run),
    }


def _control(control: Control | None) -> Markup | str:
    if not control or not control.random:
        return ""
    return picture(
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
