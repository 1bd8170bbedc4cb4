"""A run's folder: the one place that knows what its files are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

JOBS = ".jobs"
"""Folder in a sweep's folder with a record of each job. Jobs may run in other processes and on other machines."""


class RunFolder:
    """The paths of a run's files, whether they exist or not.

    Attributes:
        journal: the file that makes a folder the folder of a run.
        words: of the command line.
        images: those that a search was given in memory.
        candidates: weights of candidates that were trained.
        artifacts: what a strategy kept for people; `captions` says what stands below each.
        named: architectures that can be retrained by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal.jsonl"
        self.lock = path / ".lock"
        self.config = path / "config.yaml"
        self.words = path / "overrides.json"
        self.data = path / "data.json"
        self.images = path / "images.npz"
        self.environment = path / "environment.json"
        self.fits = path / "fits"
        self.weights = path / "weights"
        self.candidates = path / "candidates"
        self.artifacts = path / "artifacts"
        self.captions = path / "artifacts.json"
        self.evaluations = path / "evaluations.json"
        self.architecture = path / "architecture.json"
        self.named = path / "named_architectures.json"
        self.confusion = path / "confusion.json"
        self.mistakes = path / "mistakes.json"
        self.timing = path / "timing.json"
        self.result = path / "result.json"
        self.report = path / "report.html"

    @property
    def is_run(self) -> bool:
        """Whether a run has begun here; a run of an older version has its configuration before its journal."""
        return self.config.exists() or self.journal.exists()

    @property
    def has_ended(self) -> bool:
        """Whether the run has written its result and its report."""
        return self.result.exists() and self.report.exists()

    @property
    def sweep(self) -> str:
        """The name of the sweep that the run is a job of; empty if it is no job."""
        return self.path.parent.name if (self.path.parent / JOBS).is_dir() else ""

    @property
    def histories(self) -> list[Path]:
        """The files with the curves of each fit."""
        return sorted(self.fits.rglob("history.json"))

    def left(self) -> Iterator[Path]:
        """All files that `report`, `compare` and `retrain` read, as far as they exist."""
        facts = (self.captions, self.data, self.environment, self.timing)
        results = (self.result, self.architecture, self.named, self.evaluations, self.confusion, self.mistakes)
        for path in (*results, *facts):
            if path.is_file():
                yield path
        yield from (path for path in sorted(self.artifacts.rglob("*")) if path.is_file())
        yield from self.histories

    def retraining(self, key: str) -> Path:
        """The folder of a retraining of the found architecture."""
        return self.path / f"retrain-{key}"

    def owns(self, path: Path) -> bool:
        """Whether `path` is a file inside the folder, links followed. A report shows no other files."""
        return path.is_file() and path.resolve().is_relative_to(self.path.resolve())
