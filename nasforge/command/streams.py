"""The command's output streams: a reader that disappears, or one that supports only ASCII, does not end the work."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

PLAIN = {"±": "+-", "×": "x", "·": "*", "–": "-", "—": "-", "→": "->", "…": "...", "\N{NO-BREAK SPACE}": " "}
"""Replacements for characters that the output's encoding lacks."""


class _Lasting(io.FileIO):
    """A file descriptor that drops all output once nobody reads it, so that `| head` does not end a search."""

    def write(self, data: Any) -> int:
        """Write like `io.FileIO`; raise the error of a full disk only once."""
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if isinstance(error, BrokenPipeError):
                return len(memoryview(data))
            raise


def lasting() -> None:
    """Keep this process's output usable to the end, and replace characters that its encoding lacks."""
    codecs.register_error("nasforge", _plain)
    sys.stdout, sys.stderr = (_over(stream, number) for number, stream in ((1, sys.stdout), (2, sys.stderr)))


def _over(stream: TextIO | None, number: int) -> TextIO:
    """Return a line-buffered stream like Python's own; one to the null device if the stream was closed."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    stream.flush()
    buffer = io.BufferedWriter(_Lasting(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=stream.encoding, errors="nasforge", line_buffering=True)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end
