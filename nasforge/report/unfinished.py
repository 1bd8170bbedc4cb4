"""`report.html` of a run that has not ended: its candidates and curves so far, from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasforge.architecture import Status, after_most_epochs
from nasforge.journal.deaths import last_death
from nasforge.journal.doing import is_worked_on
from nasforge.journal.growing import GrowingJournal
from nasforge.journal.run_folder import RunFolder
from nasforge.report.candidates import best_sentence, best_table, candidate_charts
from nasforge.report.pages import page_of
from nasforge.report.pictures import fit_pictures
from nasforge.report.provenance import provenance
from nasforge.result import Candidate
from nasforge.run.goals import Goals
from nasforge.wording import counted, duration, sentence_case

REFRESH = 1
"""Seconds after which a browser reads the page of a run that is followed again."""


class UnfinishedReport:
    """`folder/report.html` for what the run has done so far; each time it is written, it reads only what is new.

    Args:
        config: the run's configuration.
        goals: what the search estimates and follows; empty if it has its own objective.
        followed: whether browsers should read the page again and again.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], goals: Goals, *, followed: bool = False) -> None:
        self._folder, self._config, self._goals, self._followed = folder, config, goals, followed
        self._journal = GrowingJournal(folder)
        self._candidates = CandidatesSoFar(goals)
        self._seconds: float | None = None

    def write(self) -> Path:
        """Write the page, whole or not at all, and return its path."""
        self._read()
        run, config, goals = RunFolder(self._folder), self._config, self._goals
        evaluations = after_most_epochs(self._candidates.complete()) if goals.followed else []
        by_metric = {objective.metric: objective for objective in goals.given}
        content = {
            "title": f"{config['strategy']['name']} on {config['space']['name']}, {config['data']['name']}",
            "seed": config["seed"],
            "refresh": REFRESH if self._followed else 0,
            "state": _state(self._folder, self._seconds),
            "running": is_worked_on(self._folder),
            "estimates": counted(len(evaluations), "candidate") if evaluations else "",
            "best_value": best_sentence(evaluations, goals.followed),
            "search_charts": candidate_charts(goals.followed, evaluations),
            "best": best_table(evaluations, goals.followed, by_metric),
            "fits": fit_pictures(run),
            **provenance(run),
        }
        # The run itself may write its report now, under a temporary name that this must not share.
        page = self._folder / ".report-so-far.html"
        page.write_text(page_of("report/unfinished.html.jinja", content), encoding="utf-8")
        return page.replace(run.report)

    def _read(self) -> None:
        lines, first = self._journal.new_lines()
        if first:
            self._candidates, self._seconds = CandidatesSoFar(self._goals), None
        for line in lines:
            if line["kind"] == "estimate":
                self._candidates.add(line)
            elif line["kind"] == "clock":
                self._seconds = line["seconds"]


class CandidatesSoFar:
    """The distinct candidates of a search that goes on, in the order in which they came."""

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._lines: dict[str, dict[str, dict[str, Any]]] = {}  # by notation, then by key: a retry replaces a failure
        self._candidates: dict[str, Candidate] = {}

    def add(self, line: dict[str, Any]) -> None:
        """Take in an estimate's line of the journal."""
        notation = line["architecture"]["notation"]
        lines = self._lines.setdefault(notation, {})
        lines[line["key"]] = line
        most = max(known.get("epochs", 0) for known in lines.values())
        of_most = [known for known in lines.values() if known.get("epochs") in (None, most)]
        self._candidates[notation] = _candidate(notation, of_most, most or None, self._goals)

    def complete(self) -> list[Candidate]:
        """Return the candidates that have failed or have estimates from all estimators."""
        followed = {goal.metric for goal in self._goals.followed}
        return [each for each in self._candidates.values() if each.status == "failed" or followed <= set(each.metrics)]


def _candidate(notation: str, lines: list[dict[str, Any]], epochs: int | None, goals: Goals) -> Candidate:
    if broken := next((line for line in lines if line["status"] != "ok"), None):
        return Candidate(notation=notation, metrics={}, status="failed", reason=broken["reason"], epochs=epochs)
    metrics = {name: value for line in lines for name, value in line["metrics"].items()}
    infeasible = any(bound.violation(metrics) > 0 for bound in goals.constraints)
    reason = "; ".join(line["reason"] for line in lines if line["reason"])
    status: Status = "infeasible" if infeasible else "ok"
    return Candidate(notation=notation, metrics=metrics, status=status, reason=reason, epochs=epochs)


def how_it_stopped(folder: Path) -> str:
    """Say how a run stopped that nobody works on, and how to continue it."""
    death = last_death(folder)
    stopped = f"was killed {death.what}" if death else "was stopped before its end"
    return f"this run {stopped}; `nasforge resume {folder}` continues it"


def _state(folder: Path, seconds: float | None) -> str:
    """Say what an unfinished run is doing, or how to continue it.

    Args:
        seconds: how long it has taken so far, if that is known.
    """
    after = f" It has taken {duration(seconds)} so far." if seconds is not None else ""
    doing = last_death(folder)
    if doing is not None and is_worked_on(folder):
        return f"This run goes on: it is {doing.what}.{after}"
    return f"{sentence_case(how_it_stopped(folder))}.{after}"
