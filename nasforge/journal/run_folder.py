"""A run's folder: the one place that knows what its files are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


class RunFolder:
    """The paths of a run's files, whether they are there or not.

    Attributes:
        journal: the file whose presence makes a folder a run's.
        words: of the command line.
        candidates: weights of candidates that were trained.
        artifacts: what a strategy kept for people; `captions` says what stands below each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal.jsonl"
        self.lock = path / ".lock"
        self.config = path / "config.yaml"
        self.words = path / "overrides.json"
        self.data = path / "data.json"
        self.environment = path / "environment.json"
        self.fits = path / "fits"
        self.weights = path / "weights"
        self.candidates = path / "candidates"
        self.artifacts = path / "artifacts"
        self.captions = path / "artifacts.json"
        self.evaluations = path / "evaluations.json"
        self.architecture = path / "architecture.json"
        self.confusion = path / "confusion.json"
        self.timing = path / "timing.json"
        self.result = path / "result.json"
        self.report = path / "report.html"

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here, by this version or by an older one, whose runs had a journal later."""
        return self.config.exists() or self.journal.exists()

    @property
    def has_ended(self) -> bool:
        """Whether the run has written what it writes last."""
        return self.result.exists() and self.report.exists()

    @property
    def histories(self) -> list[Path]:
        """The curves of each fit."""
        return sorted(self.fits.rglob("history.json"))

    def left(self) -> Iterator[Path]:
        """All files that a report, `compare` and `retrain` read."""
        facts = (self.captions, self.data, self.environment, self.timing)
        for path in (self.result, self.architecture, self.evaluations, self.confusion, *facts):
            if path.is_file():
                yield path
        yield from (path for path in sorted(self.artifacts.rglob("*")) if path.is_file())
        yield from self.histories

    def retraining(self, key: str) -> Path:
        """The folder of a retraining of what the run found."""
        return self.path / f"retrain-{key}"

    def owns(self, path: Path) -> bool:
        """Whether `path` is a file and lies in the folder, wherever links lead: a report shows no other one."""
        return path.is_file() and path.resolve().is_relative_to(self.path.resolve())
