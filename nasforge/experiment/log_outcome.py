"""What the loggers of a run record at its end: what was found, in numbers and pictures, and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nasforge.architecture import after_most_epochs
from nasforge.charts import fronts
from nasforge.journal.records import read_as, read_json
from nasforge.journal.run_folder import RunFolder
from nasforge.result import Candidate, SearchResult
from nasforge.run.run import Run


def log_outcome(run: Run, result: SearchResult) -> None:
    """Log the result of a run that has written its files, if it has loggers."""
    if run.logs:
        run.logs.metrics("found", 0, _numbers(result))
        run.logs.end(_pictures(run, result), [RunFolder(run.folder).report])


def _numbers(result: SearchResult) -> Mapping[str, float]:
    """The metrics and the size of the found architecture, and its mean test accuracy if it was retrained."""
    tested = {} if result.retrain is None else {"test_accuracy": result.retrain.rows[0].mean}
    return {**result.metrics, **(result.size or {}), **tested}


def _pictures(run: Run, result: SearchResult) -> Mapping[str, str]:
    """SVG text by title: the cells, the charts of the candidates, and what the strategy kept."""
    files = RunFolder(run.folder)
    cells = {path.stem.replace("_", " "): path.read_text() for path in sorted(run.folder.glob("*.svg"))}
    candidates = read_as(files.evaluations, list[Candidate]) if files.evaluations.exists() else []
    captions = read_json(files.captions, list) if files.captions.exists() else []
    paths = [run.folder / each["file"] for each in captions]
    kept = {path.stem.replace("_", " "): path.read_text() for path in paths if path.suffix == ".svg"}
    return {**cells, **_charts(result, after_most_epochs(candidates)), **kept}


def _charts(result: SearchResult, candidates: Sequence[Candidate]) -> Mapping[str, str]:
    known = {name for candidate in candidates for name in candidate.metrics}
    goals = [goal for goal in result.goals if goal.metric in known]
    charts = {"Best so far": fronts.best_so_far(candidates, goals[0]).svg} if goals else {}
    return charts | ({"Front": fronts.front(candidates, goals[0], goals[1]).svg} if len(goals) > 1 else {})
