"""What a run ended with: the line of its journal that names the files it left behind."""

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
    """Written when all else is.

    Attributes:
        status: "finished", or what stopped it.
        budget: that it had; nothing bounds a retraining.
        again: how many candidates the machine failed, which another start tries again.
        files: digests by path in the run's folder: of all that a report, `compare` and `retrain` read.
    """

    kind: ClassVar = "end"

    status: str
    budget: Mapping[str, Any]
    again: int
    files: Mapping[str, str]

    @classmethod
    def write(cls, journal: Journal, status: str, budget: Mapping[str, Any]) -> None:
        """Name what the run has left in its folder."""
        folder = journal.path.parent
        files = {str(path.relative_to(folder)): file_digest(path) for path in RunFolder(folder).left()}
        again = sum(bool(line.get("machine")) for line in journal.latest("estimate"))
        journal.write(cls.kind, "", sync=True, **asdict(cls(status, dict(budget), again, files)))

    @classmethod
    def of(cls, folder: Path) -> Ending | None:
        """The last one of the run in `folder`; None if it has not ended."""
        line = read_last(folder, cls.kind)
        with well_formed(folder):
            return None if line is None else cls(**content(line))

    def leaves_nothing_to_do(self, budget: Mapping[str, Any]) -> bool:
        """Whether another start would end just so: nothing is to be tried again, and there is no more budget."""
        same = self.budget == dict(budget)
        to_its_end = self.status == "finished" and self.budget.get("evaluations") == budget.get("evaluations")
        return not self.again and (same or to_its_end)

    def altered(self, folder: Path) -> list[str]:
        """Those of its files that are missing or no longer what they were."""
        return [name for name, digest in self.files.items() if not _is(folder / name, digest)]


def check_left(folder: Path, *paths: Path) -> bool:
    """Raise a `RunError` if one of these files of the run in `folder` is no longer what the run ended with.

    Args:
        paths: in the folder; without any, all that it left.

    Returns:
        Whether its journal says so; of a run without a journal, or one that has not ended, nothing is known.
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
