"""The durable record of a run: append-only lines with checksums, and files that are either whole or absent."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from nasforge.errors import RunError
from nasforge.journal.run_folder import RunFolder

canonical = json.JSONEncoder(sort_keys=True).encode
"""Returns a value as canonical JSON; `json.dumps` with options would make a new encoder each time."""


def digest(value: Any) -> str:
    """Return a content key of `value`: the digest of its canonical JSON."""
    return digest_of(canonical(value))


def digest_of(text: str) -> str:
    """Return the first 32 hex digits of the sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """Return the first 32 hex digits of a file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on exit, sync the file and rename it to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _NO_ROOM:  # name the file that matters, not a library's temporary one
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all; equal values give equal bytes."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_RESTORE = "restore the file from a copy, or start a new run in another folder"


class Journal:
    """A run's `journal.jsonl`: how the run began, then everything it finished, in order, under content keys.

    Every line is flushed, so it survives if the process is killed; lines written with `sync` also survive a power cut.
    One process writes at a time: it holds a POSIX lock, which child processes do not inherit.
    """

    def __init__(self, folder: Path, first: Mapping[str, Any] | None = None) -> None:
        """Open or begin the journal of `folder`.

        Args:
            first: first line of a new run's journal. The file appears with that line or not at all.

        Raises:
            RunError: another process writes this run; a line other than the last is damaged; or `first` would begin a
                run in a folder that already holds one.
        """
        self.path = RunFolder(folder).journal
        self._lock = _locked(folder)
        try:
            if first is not None:
                self._begin(dict(first))
            self._by_key: dict[tuple[str, str], dict[str, Any]] = {}
            self.lines = list(self._read()) if self.path.exists() else []
            for line in self.lines:
                self._remember(line)
            self._file = self.path.open("a", encoding="utf-8")
            self._identity = os.fstat(self._file.fileno())
        except BaseException:
            self._lock.close()
            raise

    def _begin(self, first: dict[str, Any]) -> None:
        folder = self.path.parent
        if self.path.exists():
            raise RunError(f"{folder} already holds a run; `nasforge resume {folder}` continues it")
        with atomic(self.path) as temporary:
            temporary.write_text(_with_checksum(first) + "\n", encoding="utf-8")

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the latest line of that kind and key."""
        return self._by_key.get((kind, key))

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return all lines of a kind, in order."""
        return [line for line in self.lines if line["kind"] == kind]

    def latest(self, kind: str) -> list[dict[str, Any]]:
        """Return the latest line for each key of a kind."""
        return [line for (line_kind, _), line in self._by_key.items() if line_kind == kind]

    def check_present(self) -> None:
        """Raise a `RunError` if the run's folder was removed or renamed, because new lines would be lost."""
        try:
            present = os.path.samestat(os.stat(self.path), self._identity)
        except FileNotFoundError:
            present = False
        if not present:
            raise gone(self.path.parent)

    def check_file(self, path: Path, digest: str, line: Mapping[str, Any]) -> None:
        """Raise a `RunError` unless `path` has the digest that `line` records."""
        if not (path.is_file() and file_digest(path) == digest):
            number = 1 + next(index for index, known in enumerate(self.lines) if known is line)
            raise altered(path, self.path, number)

    def write(self, kind: str, key: str, *, sync: bool = False, **content: Any) -> dict[str, Any]:
        """Append a line and return it; weights that it refers to must already be on disk.

        Raises:
            RunError: the run's folder was removed or renamed.
        """
        self.check_present()
        line = {"kind": kind, "key": key, **content}
        self._file.write(_with_checksum(line) + "\n")
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self.lines.append(line)
        self._remember(line)
        return line

    def close(self) -> None:
        """Sync the file, and release the lock."""
        if not self._file.closed:
            with suppress(OSError):  # a failed write has already reported a full disk
                os.fsync(self._file.fileno())
            self._file.close()
        self._lock.close()

    def _remember(self, line: dict[str, Any]) -> None:
        self._by_key[line["kind"], line["key"]] = line

    def _read(self) -> Iterator[dict[str, Any]]:
        """Yield the lines; drop a torn last line with a warning."""
        text = self.path.read_bytes()
        good = 0
        for number, raw in enumerate(text.splitlines(keepends=True), start=1):
            line = checked(raw)
            if line is None:
                if number == 1:
                    raise RunError(f"{self.path} is damaged: its first line says how the run began; {_RESTORE}")
                if good + len(raw) < len(text):
                    raise RunError(
                        f"line {number} of {self.path} is damaged: its checksum does not match. Restore the file from "
                        f"a copy, or delete this line and all lines after it: resuming repeats the work they record."
                    )
                warnings.warn(f"the last line of {self.path} was torn when the run died; it is dropped", stacklevel=2)
                os.truncate(self.path, good)
                return
            good += len(raw)
            yield line


def gone(folder: Path) -> RunError:
    """Return the error for a run whose folder has disappeared."""
    return RunError(
        f"{folder} was removed or renamed during the run; if it is elsewhere now, continue it there with "
        "`nasforge resume`"
    )


def read_first(folder: Path) -> dict[str, Any] | None:
    """Return the first line of a run's journal, without waiting for its writer; None if there is no such line."""
    with suppress(FileNotFoundError), RunFolder(folder).journal.open("rb") as file:
        return checked(file.readline())
    return None


def read_last(folder: Path, kind: str) -> dict[str, Any] | None:
    """Return the last line of a kind in a run's journal, without waiting for its writer; None if there is none."""
    return next((line for _, line in read_backwards(folder, kind)), None)


def read_backwards(folder: Path, kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, line) for each line of a kind in a run's journal, the last first, without waiting for its writer.

    Damaged lines are passed over.
    """
    with suppress(FileNotFoundError):
        lines = RunFolder(folder).journal.read_bytes().splitlines(keepends=True)
        for number, raw in zip(range(len(lines), 0, -1), reversed(lines), strict=True):
            if kind.encode() in raw and (line := checked(raw)) and line["kind"] == kind:
                yield number, line


def altered(path: Path, journal: Path, number: int) -> RunError:
    """Return the error for a file that is not what line `number` of the journal refers to."""
    state = "was altered" if path.exists() else "is missing"
    return RunError(
        f"{path} {state}: line {number} of {journal} refers to it. Restore it from a copy, or delete that line "
        "and all lines after it: resuming repeats the work that they record."
    )


def content(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line without its kind and key."""
    return {name: value for name, value in line.items() if name not in ("kind", "key")}


def _with_checksum(line: dict[str, Any]) -> str:
    return json.dumps({"checksum": digest(line)[:16], **line})


def checked(raw: bytes) -> dict[str, Any] | None:
    """Return a line of a journal without its checksum, or None if it is torn or altered."""
    try:
        line = json.loads(raw)
        checksum = line.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return line if raw.endswith(b"\n") and checksum == digest(line)[:16] else None


def _locked(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True)
    file = RunFolder(folder).lock.open("a")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise RunError(f"another process is writing the run in {folder}; wait for it, or stop it first") from None
    return file
