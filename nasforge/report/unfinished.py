"""`report.html` of a run that has not ended: its candidates and curves so far, from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasforge.journal.deaths import last_death
from nasforge.journal.doing import is_worked_on
from nasforge.journal.journal import read_backwards, read_last
from nasforge.journal.run_folder import RunFolder
from nasforge.report.candidates import best_sentence, best_table, candidate_charts
from nasforge.report.pages import page_of
from nasforge.report.pictures import fit_pictures
from nasforge.report.provenance import provenance
from nasforge.result import Candidate
from nasforge.run.goals import Goals
from nasforge.wording import counted, duration

REFRESH = 1
"""Seconds after which a browser reads the page of a run that is followed again."""


def write_unfinished(folder: Path, config: Mapping[str, Any], goals: Goals, *, followed: bool = False) -> Path:
    """Write `folder/report.html` for what the run has done so far.

    Args:
        config: the run's configuration.
        goals: what the search estimates and follows; empty if it has its own objective.
        followed: whether browsers should read the page again and again.
    """
    run = RunFolder(folder)
    evaluations = candidates_so_far(folder, goals) if goals.followed else []
    by_metric = {objective.metric: objective for objective in goals.given}
    content = {
        "title": f"{config['strategy']['name']} on {config['space']['name']}, {config['data']['name']}",
        "seed": config["seed"],
        "refresh": REFRESH if followed else 0,
        "state": _state(folder),
        "running": is_worked_on(folder),
        "estimates": counted(len(evaluations), "candidate") if evaluations else "",
        "best_value": best_sentence(evaluations, goals.followed),
        "search_charts": candidate_charts(goals.followed, evaluations),
        "best": best_table(evaluations, goals.followed, by_metric),
        "fits": fit_pictures(run),
        **provenance(run),
    }
    # The run itself may write its report now, under a temporary name that this must not share.
    page = folder / ".report-so-far.html"
    page.write_text(page_of("report/unfinished.html.jinja", content), encoding="utf-8")
    return page.replace(run.report)


def candidates_so_far(folder: Path, goals: Goals) -> list[Candidate]:
    """The distinct candidates with estimates from all estimators, in the order in which they came."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for _, line in reversed(list(read_backwards(folder, "estimate"))):
        lines.setdefault(line["architecture"]["notation"], []).append(line)
    candidates = [_candidate(notation, parts, goals) for notation, parts in lines.items()]
    followed = {goal.metric for goal in goals.followed}
    return [each for each in candidates if each.status == "failed" or followed <= set(each.metrics)]


def _candidate(notation: str, lines: list[dict[str, Any]], goals: Goals) -> Candidate:
    if broken := next((line for line in lines if line["status"] != "ok"), None):
        return Candidate(notation=notation, metrics={}, status="failed", reason=broken["reason"])
    metrics = {name: value for line in lines for name, value in line["metrics"].items()}
    infeasible = any(bound.violation(metrics) > 0 for bound in goals.constraints)
    reason = "; ".join(line["reason"] for line in lines if line["reason"])
    return Candidate(notation=notation, metrics=metrics, status="infeasible" if infeasible else "ok", reason=reason)


def _state(folder: Path) -> str:
    """A sentence that says what the run is doing, or how to continue it."""
    clock = read_last(folder, "clock")
    after = f" It has taken {duration(clock['seconds'])} so far." if clock else ""
    doing = last_death(folder)
    if doing is not None and is_worked_on(folder):
        return f"This run goes on: it is {doing.what}.{after}"
    stopped = f"was killed {doing.what}" if doing else "was stopped before its end"
    return f"This run {stopped}; `nasforge resume {folder}` continues it.{after}"
