"""The contract of a logger that keeps one record of a whole run, over all of its fits and starts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pytorch_lightning.loggers import Logger


@dataclass(frozen=True)
class RunFacts:
    """What a logger is told about the run that it records.

    Attributes:
        identifier: unique to the run, and the same in all of its starts.
        folder: the run's folder.
        sweep: the name of the sweep that the run is a job of; empty if it is no job.
        config: the configuration as the run began; dotted keys and their values.
    """

    identifier: str
    folder: Path
    sweep: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


class RunLogger(Logger):
    """A Lightning logger that also records pictures and files, and continues when its run resumes.

    The constructor takes plain values, checks nothing and starts nothing. A logger may raise whatever its library
    raises: the run then leaves it out, with a warning.
    """

    packages: ClassVar[Mapping[str, str]] = {}
    """Packages that it needs besides nasforge's own: module -> the extra of nasforge that installs it."""
    addresses: ClassVar[tuple[str, ...]] = ()
    """Options that may be the address of a server."""

    @property
    def destination(self) -> str:
        """The server that it sends the run to; empty if everything stays on this machine."""
        return ""

    def check(self) -> None:
        """Raise an `OptionError` if it cannot log with these options; called before the run begins."""

    @abstractmethod
    def begin(self, facts: RunFacts) -> str:
        """Open the record of this run, or continue it, and return a sentence that says where it is.

        Called once in each start of a run, before the first metric.
        """

    @abstractmethod
    def log_picture(self, title: str, svg: str) -> None:
        """Record a picture, given as SVG text."""

    @abstractmethod
    def log_file(self, path: Path) -> None:
        """Record a file, such as the report."""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Ignore them; `begin` is told the whole configuration."""

    @property
    def version(self) -> int | str | None:
        """None: a run has one record."""
        return None
