"""The durable record of a run: append-only lines, each with its checksum, and files that are whole or absent."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from nasforge.errors import RunError


def digest(value: Any) -> str:
    """A content key: the first 32 hex digits of the sha256 of `value` as canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=True).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """The first 32 hex digits of a file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path to write to; afterwards its content is synced and takes the name `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC:  # libraries may have written to another file first: name the one that matters
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
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


class Journal:
    """A run's `journal.jsonl`: what was finished, in order, under content keys.

    A line is flushed when it is written, which a killed process cannot undo, and synced where `sync` says so, which a
    power cut cannot undo. One process writes it at a time: the lock is POSIX's, which children do not inherit.
    """

    def __init__(self, folder: Path) -> None:
        """Open or begin the journal of `folder`.

        Raises:
            RunError: another process writes this run, or a line that is not the last is damaged.
        """
        self.path = folder / "journal.jsonl"
        self._lock = _locked(folder)
        self._by_key: dict[tuple[str, str], dict[str, Any]] = {}
        self.lines = list(self._read()) if self.path.exists() else []
        for line in self.lines:
            self._remember(line)
        self._file = self.path.open("a", encoding="utf-8")

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """The latest line of that kind and key."""
        return self._by_key.get((kind, key))

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """All lines of a kind, in order."""
        return [line for line in self.lines if line["kind"] == kind]

    def write(self, kind: str, key: str, *, sync: bool = False, **content: Any) -> dict[str, Any]:
        """Append a line and return it; weights it names must already be on disk."""
        line = {"kind": kind, "key": key, **content}
        self._file.write(_with_checksum(line) + "\n")
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self.lines.append(line)
        self._remember(line)
        return line

    def close(self) -> None:
        """Sync, and give the run free for other processes."""
        if not self._file.closed:
            with suppress(OSError):  # a full disk has been reported by the write that it failed
                os.fsync(self._file.fileno())
            self._file.close()
        self._lock.close()

    def _remember(self, line: dict[str, Any]) -> None:
        self._by_key[line["kind"], line["key"]] = line

    def _read(self) -> Iterator[dict[str, Any]]:
        """The lines; a torn last one is cut off with a warning."""
        text = self.path.read_bytes()
        good = 0
        for number, raw in enumerate(text.splitlines(keepends=True), start=1):
            line = _checked(raw)
            if line is None:
                if good + len(raw) < len(text):
                    raise RunError(
                        f"line {number} of {self.path} is damaged: its checksum does not match. Restore the file from "
                        f"a copy, or delete this line and those after it: resuming computes again what they record."
                    )
                warnings.warn(f"the last line of {self.path} was torn when the run died; it is dropped", stacklevel=2)
                os.truncate(self.path, good)
                return
            good += len(raw)
            yield line


def _with_checksum(line: dict[str, Any]) -> str:
    return json.dumps({"checksum": digest(line)[:16], **line})


def _checked(raw: bytes) -> dict[str, Any] | None:
    """The line without its checksum, or None if it is torn or altered."""
    try:
        line = json.loads(raw)
        checksum = line.pop("checksum")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return line if raw.endswith(b"\n") and checksum == digest(line)[:16] else None


def _locked(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / ".lock").open("w")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise RunError(f"another process is writing the run in {folder}; wait for it, or stop it first") from None
    return file
