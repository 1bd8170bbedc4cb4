"""Retrain architectures of a search by their names: the best of chosen generations, or members of a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nasforge.architecture import Architecture
from nasforge.errors import OptionError
from nasforge.experiment.experiment import retrain
from nasforge.experiment.outcome import Outcome
from nasforge.journal.named import NamedArchitectures
from nasforge.journal.run_folder import RunFolder
from nasforge.run.beginning import Config
from nasforge.run.ending import check_left
from nasforge.run.progress import Detail, Progress


def retrain_named(config: Config, folder: Path, selection: Mapping[str, Sequence[str] | None]) -> list[Outcome]:
    """Train architectures of the search in `folder` from scratch, each once even if it has several names.

    Args:
        config: of every retraining; its `architecture` is None.
        selection: names by their kind, "generation", "stage" or "member"; None: all names of that kind.

    Raises:
        NasforgeError: the run has no such names, or the configuration, the data or the folder is invalid; nothing was
            trained.
    """
    if config["architecture"] is not None:
        raise OptionError(f"architecture= and {next(iter(selection))}= both choose what to retrain; give one of them")
    folder = folder.absolute()
    check_left(folder, RunFolder(folder).named)
    named = NamedArchitectures.of(folder)
    labels: dict[Architecture, str] = {}
    for kind, names in selection.items():
        for name, architecture in named.chosen(kind, names, folder).items():
            labels.setdefault(architecture, f"{kind} {name}")
    detail = Detail.ALL if len(labels) == 1 else Detail.LINE
    outcomes = []
    for architecture, label in labels.items():
        if detail is Detail.LINE:
            print(f"{label}: {architecture}", flush=True)
        progress = Progress(detail=detail)
        outcomes.append(retrain(dict(config), folder, run=True, named=(label, architecture), progress=progress))
    return outcomes
