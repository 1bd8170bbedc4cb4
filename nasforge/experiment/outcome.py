"""The end of a run: what it leaves in its folder, and what a later start finds there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasforge.architecture import Architecture, Evaluation
from nasforge.charts.drawing import draw_cell
from nasforge.errors import RunError
from nasforge.experiment.next_steps import next_steps
from nasforge.experiment.parts import Parts
from nasforge.journal.journal import write_json
from nasforge.journal.records import read_json
from nasforge.report.page import write_report
from nasforge.report.summary import print_summary
from nasforge.run.beginning import Beginning
from nasforge.run.ending import Ending
from nasforge.run.goals import TRAINING_TIME
from nasforge.run.progress import Detail
from nasforge.run.run import Run


@dataclass(frozen=True)
class Outcome:
    """What a command left behind.

    Attributes:
        folder: the run's folder.
        architecture: the one found (or retrained).
        result: the content of its `result.json`.
    """

    folder: Path
    architecture: Architecture
    result: Mapping[str, Any]


def finish(
    parts: Parts, run: Run, architecture: Architecture, result: dict[str, Any], ledger: Sequence[Evaluation]
) -> Outcome:
    """Complete `result`, write what the run leaves, and say it.

    Args:
        result: the content of `result.json` but for what is the same of every run.
        ledger: all that is known of each candidate.
    """
    run.journal.check_present()
    folder, failures = run.folder, [one for one in ledger if one.status == "failed"]
    result |= {
        "status": f"stopped: {run.stopped}" if run.stopped else "finished",
        "evaluations": _count(ledger, result["followed"]),
        "failures": [{"architecture": str(one.architecture), "reason": one.reason} for one in failures],
        "notes": [*(parts.data.notes if parts.reads_data else ()), *run.notes, *_flagged(ledger)],
        "next": next_steps(parts, result, Beginning.of(folder).words),
    }
    write_json(folder / "architecture.json", architecture.to_json())
    if ledger:
        rows = [
            {"notation": str(one.architecture), "metrics": one.metrics, "status": one.status, "reason": one.reason}
            for one in ledger
        ]
        write_json(folder / "evaluations.json", rows)
    write_json(folder / "result.json", result)
    timing = run.write_timing()
    draw(parts, folder, architecture)
    Ending.write(run.journal, result["status"], _bounds(result, parts.config))
    print_summary(result, folder, seconds=timing["total"], timing=timing["seconds"], detail=parts.progress.detail)
    return Outcome(folder, architecture, result)


def ended(folder: Path, config: Mapping[str, Any], detail: Detail = Detail.ALL) -> Outcome | None:
    """What the run in `folder` has left, if a start with `config` had nothing to do; that is said, and nothing changed.

    None if it has something to do, be it to write again what is missing or was altered.
    """
    ending = Ending.of(folder)
    if ending is None or not (folder / "result.json").exists() or not (folder / "report.html").exists():
        return None
    if altered := ending.altered(folder):
        warnings.warn(f"{folder / altered[0]} was missing or altered; it is written again", stacklevel=2)
        return None
    result = read_json(folder / "result.json", dict)
    if not ending.leaves_nothing_to_do(_bounds(result, config)):
        return None
    more = "" if ending.status == "finished" else "; with a larger budget it goes on"
    if detail is Detail.ALL:
        print(f"{folder} has ended before ({ending.status}) and is left as it is{more}")
    timing = read_json(folder / "timing.json", dict)
    print_summary(result, folder, seconds=timing["total"], timing=timing["seconds"], detail=detail)
    return Outcome(folder, Architecture.from_json(result["architecture"]), result)


def _bounds(result: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The budget; nothing bounds a retraining."""
    return {} if result["strategy"] == "retrain" else config["budget"]


def _count(evaluations: Sequence[Evaluation], followed: Sequence[str]) -> dict[str, Any]:
    """How many; which metrics are the same for all candidates and so say nothing, unless they are followed; and, where
    a table says what training each of them took, how long a search without it would have."""
    values: dict[str, set[float]] = {}
    for one in evaluations:
        for name, value in one.metrics.items() if one.ok else ():
            values.setdefault(name, set()).add(value)
    distinct = len({one.architecture for one in evaluations})
    simulated = [one.metrics[TRAINING_TIME] for one in evaluations if TRAINING_TIME in one.metrics]
    return {
        "requested": len(evaluations),
        "distinct": distinct,
        "constant": sorted(name for name, each in values.items() if distinct > 1 == len(each) and name not in followed),
        "infeasible": sum(one.status == "infeasible" for one in evaluations),
        "simulated_seconds": sum(simulated) if simulated else None,
    }


def _flagged(evaluations: Sequence[Evaluation]) -> list[str]:
    """One sentence on candidates some of whose metrics could not be measured."""
    flagged = {one.architecture: one.reason for one in evaluations if one.ok and one.reason}
    if not flagged:
        return []
    distinct = len({one.architecture for one in evaluations})
    first, reason = next(iter(flagged.items()))
    return [
        f"{len(flagged)} of {distinct} distinct candidates have metrics that could not be measured and hold their "
        f"worst value (evaluations.json says which); the first: {first}: {reason}"
    ]


def draw(parts: Parts, folder: Path, architecture: Architecture) -> Path:
    """Write the drawings and the report; the report's path."""
    graphs = list(parts.space.draw(architecture))
    for graph in graphs:
        draw_cell(graph, folder / graph.title.replace(" ", "_"))
    return write_report(folder, graphs)


def existing(path: Path) -> Path:
    """`path`, a file that a run writes at its end; `RunError` if it is not there."""
    if not path.exists():
        raise RunError(f"{path} is missing: the run has not ended yet; `nasforge resume {path.parent}` goes on with it")
    return path
