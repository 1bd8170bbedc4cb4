"""The supernet that a run has trained, whose weights other searches may use once the run has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasforge.errors import RunError
from nasforge.estimator import Weights
from nasforge.journal.journal import Journal, altered, content, file_digest, read_backwards
from nasforge.journal.records import read_json, well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.registry.entry_points import registry
from nasforge.run.beginning import read_config
from nasforge.run.ending import check_left

_KIND = "shared weights"


def record_supernet(journal: Journal, weights: Weights) -> None:
    """Write which file holds the weights of the run's supernet and how to build it, unless the journal has it."""
    file = str(weights.path.relative_to(journal.path.parent))
    line = {"file": file, "digest": weights.digest, "options": dict(weights.options)}
    known = journal.find(_KIND, "")
    if known is None or content(known) != line:
        journal.write(_KIND, "", sync=True, **line)


@dataclass(frozen=True)
class FinishedSupernet:
    """The supernet of a finished run.

    Attributes:
        folder: the run's folder.
        weights: its weights, unaltered since the run ended.
        config: the run's resolved configuration.
        data: what the run recorded about its images, the content of `data.json`.
    """

    folder: Path
    weights: Weights
    config: Mapping[str, Any]
    data: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> FinishedSupernet:
        """Read the supernet of the run in `folder`.

        Raises:
            RunError: there is no run, it has not ended or trained no supernet, or a file is missing or altered.
        """
        config, files = read_config(folder), RunFolder(folder)
        if not (files.has_ended and check_left(folder)):
            raise RunError(f"the run in {folder} has not ended; `nasforge resume {folder}` continues it")
        number, line = next(read_backwards(folder, _KIND), (0, None))
        if line is None:
            training = [name for name, strategy in registry("strategy").working.items() if strategy.shares_weights]
            raise RunError(f"the run in {folder} trained no supernet; strategies that train one: {', '.join(training)}")
        with well_formed(folder):
            path = folder / line["file"]
            if not (files.owns(path) and file_digest(path) == line["digest"]):
                raise altered(path, files.journal, number)
            return cls(folder, Weights(path, line["digest"], line["options"]), config, read_json(files.data, dict))
