"""Errors that a user can fix. Each message says what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Iterable


class NasforgeError(Exception):
    """Any error that a user can fix: the command prints it as one sentence and exits with status 2."""


class UnknownNameError(NasforgeError):
    """No plug-in, preset or key has that name."""


class OptionError(NasforgeError):
    """An option has a wrong key, type or value."""


class ArchitectureError(NasforgeError, ValueError):
    """An architecture cannot be read, or the space cannot build it."""


class AbilityError(NasforgeError):
    """The space or an estimator lacks an ability that the strategy needs."""


class DataError(NasforgeError):
    """Data files are missing or damaged, or hold data of the wrong shape."""


class ExportError(NasforgeError):
    """A network that cannot be written in the form that was asked for."""


class RunError(NasforgeError):
    """A run's folder is missing, locked or damaged, or belongs to another configuration."""


LONGEST = 4000
"""How many characters of text from elsewhere a message repeats at most."""


def on_one_line(text: str) -> str:
    """Return `text` without line breaks, and shortened if it is too long for a sentence."""
    line = " ".join(text[: 2 * LONGEST].split())
    return (
        line if len(line) <= LONGEST and len(text) <= 2 * LONGEST else f"{line[:LONGEST]}... ({len(text)} characters)"
    )


def text_of(error: BaseException) -> str:
    """Return an error's message on one line; if it is empty, its class and, for an assertion, the asserted line."""
    try:
        message = on_one_line(str(error))
    except Exception:  # its `__str__` may be broken
        message = ""
    if message:
        return message
    asserted = traceback.extract_tb(error.__traceback__)[-1:] if isinstance(error, AssertionError) else []
    return " ".join([type(error).__name__, *(f"at '{frame.line}'" for frame in asserted if frame.line)])


def reason(error: BaseException) -> str:
    """Return an error's class and message on one line; only the message for a `NasforgeError`."""
    message, name = text_of(error), type(error).__name__
    return message if isinstance(error, NasforgeError) or message.startswith(name) else f"{name}: {message}"


NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "alloc_failed")
"""Phrases, in lower case, of out-of-memory errors that are not `MemoryError`: torch on CPUs, CUDA, cuDNN, cuBLAS."""


def out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or the one it was raised from, says that the machine ran out of memory."""
    if error is None:
        return False
    message = text_of(error).lower() if isinstance(error, RuntimeError) else ""
    direct = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    return direct or any(phrase in message for phrase in NO_MEMORY) or out_of_memory(error.__cause__)


_SHORT = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def out_of_room(error: BaseException | None) -> bool:
    """Return whether an error, or the one it was raised from, says that the disk is full or too many files are open."""
    if error is None:
        return False
    return (isinstance(error, OSError) and error.errno in _SHORT) or out_of_room(error.__cause__)


def shortened(text: str, longest: int = 60) -> str:
    """Return the beginning of a long text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}..."


def unknown(kind: str, name: str, available: Iterable[str], *, or_else: str = "") -> UnknownNameError:
    """Return the error for a name that is not in `available`, with the most similar known name.

    Args:
        or_else: a sentence that says what would be right besides a name.
    """
    names = sorted(available)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    ending = f" {or_else[0].upper()}{or_else[1:]}." if or_else else ""
    return UnknownNameError(f"no {kind} named '{name}'.{hint} Available: {', '.join(names) or 'none'}.{ending}")
