"""How a run ended: the line of its journal that lists the files it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from nasforge.errors import RunError
from nasforge.journal.journal import Journal, content, file_digest, read_last
from nasforge.journal.records import well_formed
from nasforge.journal.run_folder import RunFolder


@dataclass(frozen=True)
class Ending:
    """The last line of a run, written after all of its files.

    Attributes:
        status: "finished", or what stopped the run.
        budget: the run's budget; empty for a retraining, which has none.
        again: number of candidates that failed because of the machine; another start tries them again.
        files: digests, by path in the run's folder, of all files that `report`, `compare` and `retrain` read.
    """

    kind: ClassVar = "end"

    status: str
    budget: Mapping[str, Any]
    again: int
    files: Mapping[str, str]

    @classmethod
    def write(cls, journal: Journal, status: str, budget: Mapping[str, Any]) -> None:
        """Write the line, with all files that the run has left in its folder."""
        folder = journal.path.parent
        files = {str(path.relative_to(folder)): file_digest(path) for path in RunFolder(folder).left()}
        again = sum(bool(line.get("machine")) for line in journal.latest("estimate"))
        journal.write(cls.kind, "", sync=True, **asdict(cls(status, dict(budget), again, files)))

    @classmethod
    def of(cls, folder: Path) -> Ending | None:
        """Read the last ending of the run in `folder`; None if it has not ended."""
        line = read_last(folder, cls.kind)
        with well_formed(folder):
            return None if line is None else cls(**content(line))

    def leaves_nothing_to_do(self, budget: Mapping[str, Any]) -> bool:
        """Return whether another start would change nothing: no candidate to try again, and no larger budget."""
        complete = self.status == "finished" and self.budget.get("evaluations") == budget.get("evaluations")
        return not self.again and (complete or self.budget == dict(budget))

    def altered(self, folder: Path) -> list[str]:
        """Return the names of its files that are missing or altered."""
        return [name for name, digest in self.files.items() if not _is(folder / name, digest)]


def check_left(folder: Path, *paths: Path) -> bool:
    """Raise a `RunError` if one of these files of the run in `folder` was altered since the run ended, or is missing.

    Args:
        paths: paths in the folder; if none are given, all files that it left.

    Returns:
        Whether the files could be checked: not if the run has no journal or has not ended.
    """
    ending = Ending.of(folder)
    if ending and (altered := [name for name in ending.altered(folder) if not paths or folder / name in paths]):
        path = folder / altered[0]
        state = "was altered since the run ended" if path.exists() else "is missing"
        raise RunError(f"{path} {state}; `nasforge resume {folder}` writes it again from the journal")
    return ending is not None


def _is(path: Path, digest: str) -> bool:
    try:
        return file_digest(path) == digest
    except OSError:
        return False
