"""The end of a run: write its files and print its summary, or read them in a later start."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasforge.architecture import Architecture, Evaluation, after_most_epochs
from nasforge.charts.drawing import draw_cell
from nasforge.errors import RunError
from nasforge.experiment.log_outcome import log_outcome
from nasforge.experiment.next_steps import next_steps
from nasforge.experiment.parts import Parts
from nasforge.journal.journal import write_json
from nasforge.journal.records import read_as
from nasforge.journal.run_folder import RunFolder
from nasforge.networks.sizes import architecture_size
from nasforge.report.page import write_report
from nasforge.report.summary import print_summary
from nasforge.result import Candidate, EvaluationCounts, Failure, SearchResult, Timing
from nasforge.run.beginning import Beginning
from nasforge.run.ending import Ending
from nasforge.run.goals import training_seconds
from nasforge.run.progress import Detail
from nasforge.run.run import Run
from nasforge.wording import counted

if TYPE_CHECKING:
    from nasforge import LoadedRun


@dataclass(frozen=True)
class Outcome:
    """The outcome of a search or a retraining.

    Attributes:
        folder: the run's folder.
        architecture: the architecture that was found or retrained.
        result: the content of `result.json`.
    """

    folder: Path
    architecture: Architecture
    result: SearchResult

    def load(self, *, seed: int | None = None) -> LoadedRun:
        """Return the run with its trained network, as `nasforge.load` does."""
        from nasforge import load

        return load(self.folder, seed=seed)

    def _repr_html_(self) -> str:
        return self.load()._repr_html_()


def finish(
    parts: Parts, run: Run, strategy: str, architecture: Architecture, ledger: Sequence[Evaluation], **sections: Any
) -> Outcome:
    """Write the run's files, and print its summary.

    Args:
        strategy: name of the strategy, or "retrain".
        ledger: all evaluations, with report-only metrics.
        sections: the parts of `SearchResult` that not every run has.
    """
    run.journal.check_present()
    followed = [objective.metric for objective in run.objectives]
    result = SearchResult(
        strategy=strategy,
        space=parts.space.name,
        data=parts.data_name,
        seed=parts.seed,
        status=f"stopped: {run.stopped}" if run.stopped else "finished",
        architecture=architecture,
        objectives=list(run.goals.given),
        evaluations=_count(ledger, followed),
        followed=followed,
        constraints=[str(constraint) for constraint in run.constraints],
        derivation=run.derivations.get(architecture),
        size=_size(run, architecture) if parts.reads_data else None,
        failures=[
            Failure(architecture=str(evaluation.architecture), reason=evaluation.reason)
            for evaluation in ledger
            if evaluation.status == "failed"
        ],
        notes=[*(parts.data.notes if parts.reads_data else ()), *run.notes, *_flagged(ledger), *_cheaper(ledger)],
        next=next_steps(parts, strategy, Beginning.of(run.folder).words),
        **sections,
    )
    files = RunFolder(run.folder)
    write_json(files.architecture, architecture.to_json())
    if ledger:
        write_json(files.evaluations, [_candidate(evaluation).to_json() for evaluation in ledger])
    run.write_named()
    write_json(files.result, result.to_json())
    timing = run.write_timing()
    draw(parts, run.folder, architecture)
    log_outcome(run, result)
    Ending.write(run.journal, result.status, _bounds(result, parts.config))
    print_summary(result, run.folder, timing, detail=parts.progress.detail)
    return Outcome(run.folder, architecture, result)


def _size(run: Run, architecture: Architecture) -> Mapping[str, float]:
    return architecture_size(run.space, architecture, run.data.input_shape, run.data.classes)


def _candidate(evaluation: Evaluation) -> Candidate:
    return Candidate(
        notation=str(evaluation.architecture),
        metrics=evaluation.metrics,
        status=evaluation.status,
        reason=evaluation.reason,
        epochs=evaluation.epochs,
    )


def ended(folder: Path, config: Mapping[str, Any], detail: Detail = Detail.ALL) -> Outcome | None:
    """Return the outcome of the run in `folder`, and print it, if a start with `config` has nothing to do.

    None if it has something to do, such as to write missing or altered files again.
    """
    ending, files = Ending.of(folder), RunFolder(folder)
    if ending is None or not files.has_ended:
        return None
    if altered := ending.altered(folder):
        warnings.warn(f"{folder / altered[0]} was missing or altered; it is written again", stacklevel=2)
        return None
    result: SearchResult = read_as(files.result, SearchResult)
    if not ending.leaves_nothing_to_do(_bounds(result, config)):
        return None
    more = "" if ending.status == "finished" else "; with a larger budget it continues"
    if detail is Detail.ALL:
        print(f"{folder} already ended ({ending.status}) and is left unchanged{more}")
    print_summary(result, folder, read_as(files.timing, Timing), detail=detail)
    return Outcome(folder, result.architecture, result)


def _bounds(result: SearchResult, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the budget; empty for a retraining, which has none."""
    return {} if result.strategy == "retrain" else config["budget"]


def _count(evaluations: Sequence[Evaluation], followed: Sequence[str]) -> EvaluationCounts:
    """Count the evaluations, and find metrics, other than followed ones, that are equal for all candidates."""
    values: dict[str, set[float]] = {}
    for evaluation in evaluations:
        for name, value in evaluation.metrics.items() if evaluation.ok else ():
            values.setdefault(name, set()).add(value)
    distinct = len({evaluation.architecture for evaluation in evaluations})
    simulated = training_seconds((each.architecture, each.epochs, each.metrics) for each in evaluations)
    return EvaluationCounts(
        requested=len(evaluations),
        distinct=distinct,
        constant=sorted(name for name, each in values.items() if distinct > 1 == len(each) and name not in followed),
        infeasible=sum(evaluation.status == "infeasible" for evaluation in evaluations),
        simulated_seconds=sum(simulated) if simulated is not None else None,
    )


def _flagged(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return a sentence about candidates with metrics that could not be measured, if there are any."""
    flagged = {each.architecture: each.reason for each in evaluations if each.ok and each.reason}
    if not flagged:
        return []
    distinct = len({evaluation.architecture for evaluation in evaluations})
    first, reason = next(iter(flagged.items()))
    return [
        f"{len(flagged)} of {distinct} distinct candidates have metrics that could not be measured and have their "
        f"worst value (evaluations.json says which); the first: {first}: {reason}"
    ]


def _cheaper(evaluations: Sequence[Evaluation]) -> list[str]:
    """Return a sentence about estimates after fewer epochs than others, if there are any."""
    whole = after_most_epochs(evaluations)
    if len(whole) == len(evaluations):
        return []
    return [
        f"{len(evaluations) - len(whole)} of {counted(len(evaluations), 'estimate')} are after fewer epochs than "
        f"{whole[0].epochs} and only chose what was trained further; charts and tables show the other {len(whole)}"
    ]


def draw(parts: Parts, folder: Path, architecture: Architecture) -> Path:
    """Write the drawings and the report; return the report's path."""
    graphs = list(parts.space.draw(architecture))
    for graph in graphs:
        draw_cell(graph, folder / graph.title.replace(" ", "_"))
    return write_report(folder, graphs)


def existing(path: Path) -> Path:
    """Return `path`, a file that a run writes at its end; `RunError` if it is missing."""
    if not path.exists():
        raise RunError(f"{path} is missing: the run has not ended yet; `nasforge resume {path.parent}` continues it")
    return path
