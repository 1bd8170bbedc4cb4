"""Architectures of a search that have a name, by which they can be retrained: the best of each generation, the members
of a population."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from nasforge.architecture import Architecture, Evaluation, Objective
from nasforge.errors import OptionError
from nasforge.journal.journal import write_json
from nasforge.journal.records import read_as, well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.wording import counted, numbers

Kind = Literal["generation", "stage", "member"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHOWN = 8
"""The most names that a message lists."""


@dataclass
class NamedArchitectures:
    """Architectures by kind and name, in the order in which they were named."""

    by_kind: dict[str, dict[str, Architecture]] = field(default_factory=dict)

    def add(self, kind: Kind, name: str, architecture: Architecture) -> None:
        """Name an architecture; the first architecture of a name keeps it."""
        self.by_kind.setdefault(kind, {}).setdefault(name, architecture)

    def names_of(self, architecture: Architecture) -> Iterator[tuple[str, str]]:
        """Yield each (kind, name) of an architecture."""
        for kind, named in self.by_kind.items():
            yield from ((kind, name) for name, other in named.items() if other == architecture)

    def chosen(self, kind: str, names: Sequence[str] | None, folder: Path) -> dict[str, Architecture]:
        """Return the architectures with these names, or all of a kind.

        Args:
            names: None: all.
            folder: of their run, for messages.

        Raises:
            OptionError: the run has no such name, or none of that kind; the message lists those it has.
        """
        if not (named := self.by_kind.get(kind)):
            others = " and ".join(counted(len(named), other) for other, named in self.by_kind.items())
            why = f"it has {others}" if others else "its strategy has none, or an earlier nasforge made it"
            raise OptionError(f"{folder} has no {kind}s to retrain: {why}")
        wanted = list(named) if names is None else names
        if missing := [name for name in wanted if name not in named]:
            raise OptionError(f"{folder} has no {kind} {missing[0]}; it has {_listed(list(named))}")
        return {name: named[name] for name in wanted}

    def write(self, folder: Path) -> None:
        """Write the file of the run in `folder`, in which each architecture stands once; none without any name."""
        if not self.by_kind:
            return
        distinct = list(
            dict.fromkeys(architecture for named in self.by_kind.values() for architecture in named.values())
        )
        place = {architecture: index for index, architecture in enumerate(distinct)}
        names = {
            kind: [(name, place[architecture]) for name, architecture in named.items()]
            for kind, named in self.by_kind.items()
        }
        content = {"architectures": [architecture.to_json() for architecture in distinct], "names": names}
        write_json(RunFolder(folder).named, content)

    @classmethod
    def of(cls, folder: Path) -> NamedArchitectures:
        """Read the file of the run in `folder`; without one, no architecture has a name.

        Raises:
            RunError: the file is damaged.
        """
        path = RunFolder(folder).named
        if not path.exists():
            return cls()
        content = read_as(path, _Content)
        with well_formed(folder):
            every = [Architecture.from_json(written) for written in content.architectures]
            return cls(
                {kind: {name: every[at] for name, at in content.names[kind]} for kind in KINDS if kind in content.names}
            )


@dataclass(frozen=True, kw_only=True)
class _Content:
    """The content of the file: architectures as JSON, and by kind each name with its architecture's index, in order."""

    architectures: list[Mapping[str, Any]]
    names: Mapping[str, Sequence[tuple[str, int]]]


def best_of_each(
    evaluations: Sequence[Evaluation], objective: Objective, ends: Mapping[int, int]
) -> Iterator[tuple[int, Architecture]]:
    """Yield each generation's number and the best architecture that the search had found at its end.

    Of evaluations after different numbers of epochs, only those after the most epochs so far count.

    Args:
        ends: how many evaluations there were at the end of each generation.
    """
    best: Evaluation | None = None
    seen = 0
    for number, end in ends.items():
        for evaluation in evaluations[seen:end]:
            if evaluation.ok and (best is None or _rank(evaluation, objective) < _rank(best, objective)):
                best = evaluation
        seen = end
        if best is not None:
            yield number, best.architecture


def _rank(evaluation: Evaluation, objective: Objective) -> tuple[int, float]:
    return -(evaluation.epochs or 0), evaluation.cost(objective)


def _listed(names: Sequence[str]) -> str:
    """List numbers in words, and of many other names the first few."""
    if all(name.isdecimal() for name in names):
        return numbers([int(name) for name in names])
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
