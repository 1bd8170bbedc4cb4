"""Read a journal while another process appends to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasforge.journal.journal import checked
from nasforge.journal.run_folder import RunFolder


class GrowingJournal:
    """A run's journal, of which each read returns only the lines that came since the one before.

    Damaged lines are passed over. A last line without its end is left for the next read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = RunFolder(folder).journal
        self._read = 0
        self._last = b""  # the last line that was read, which ends at byte `_read`

    def new_lines(self) -> tuple[list[dict[str, Any]], bool]:
        """Return the new lines, and whether they are the first of this journal.

        A journal that was replaced or shortened no longer has the line at the place where it was read; it is then read
        from its beginning.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(self._read - len(self._last))
                first = not self._last or file.read(len(self._last)) != self._last
                file.seek(0 if first else self._read)
                new = file.read()
        except FileNotFoundError:
            first, new = True, b""
        lines = [line for line in new.splitlines(keepends=True) if line.endswith(b"\n")]
        self._read = (0 if first else self._read) + sum(map(len, lines))
        self._last = lines[-1] if lines else b"" if first else self._last
        return [line for line in map(checked, lines) if line is not None], first
