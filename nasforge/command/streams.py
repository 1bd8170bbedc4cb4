"""What the command prints to: a reader that goes away, or one that knows no more than ASCII, ends no work."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any, TextIO

PLAIN = {"±": "+-", "×": "x", "·": "*", "–": "-", "—": "-", "→": "->", "…": "...", "\N{NO-BREAK SPACE}": " "}
"""What stands for our signs where the output's encoding lacks them."""


class _Lasting(io.FileIO):
    """A file descriptor whose further output is dropped once nobody can read it: `| head` ends no search."""

    def write(self, data: Any) -> int:
        """As `io.FileIO` does; a full disk is told of once."""
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
    """Let this process's output last as long as its work, and write plain signs where others cannot be encoded."""
    codecs.register_error("nasforge", _plain)
    sys.stdout, sys.stderr = (_over(stream, number) for number, stream in ((1, sys.stdout), (2, sys.stderr)))


def _over(stream: TextIO | None, number: int) -> TextIO:
    """A stream like Python's own, line by line; one that was closed from the start leads nowhere."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    stream.flush()
    buffer = io.BufferedWriter(_Lasting(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding=stream.encoding, errors="nasforge", line_buffering=True)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end
