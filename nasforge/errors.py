"""What can go wrong by a user's hand. Each message says what, where, and what would be right."""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Iterable


class NasforgeError(Exception):
    """Anything a user can mend: the command prints it as one sentence and exits with 2."""


class UnknownNameError(NasforgeError):
    """A name that no plug-in, preset or key has."""


class OptionError(NasforgeError):
    """An option with a wrong key, type or value."""


class ArchitectureError(NasforgeError, ValueError):
    """An architecture that cannot be read, or that a space cannot build."""


class AbilityError(NasforgeError):
    """A strategy meets a space or an estimator that lacks an ability it needs."""


class DataError(NasforgeError):
    """Data files that are missing, broken, or of a shape that does not work."""


class RunError(NasforgeError):
    """A run's folder that is missing, locked, damaged, or belongs to another configuration."""


LONGEST = 4000
"""Characters of another's text that a sentence of ours repeats."""


def on_one_line(text: str) -> str:
    """`text` without line breaks, and cut where it is too long for a sentence."""
    line = " ".join(text[: 2 * LONGEST].split())
    return (
        line if len(line) <= LONGEST and len(text) <= 2 * LONGEST else f"{line[:LONGEST]}... ({len(text)} characters)"
    )


def text_of(error: BaseException) -> str:
    """What an error says, on one line; if it says nothing, its class and, of an assertion, what was asserted."""
    try:
        said = on_one_line(str(error))
    except Exception:  # of a `__str__` that is broken itself
        said = ""
    if said:
        return said
    asserted = traceback.extract_tb(error.__traceback__)[-1:] if isinstance(error, AssertionError) else []
    return " ".join([type(error).__name__, *(f"at '{frame.line}'" for frame in asserted if frame.line)])


def reason(error: BaseException) -> str:
    """What an error is and says, on one line; a sentence of ours stands without the name of its class."""
    said, name = text_of(error), type(error).__name__
    return said if isinstance(error, NasforgeError) or said.startswith(name) else f"{name}: {said}"


NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "alloc_failed")
"""What libraries say of it, in lower case, in errors that are not `MemoryError`: torch on CPUs, CUDA, cuDNN, cuBLAS."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or the one that it was raised from, says that the machine had no memory left."""
    if error is None:
        return False
    said = text_of(error).lower() if isinstance(error, RuntimeError) else ""
    direct = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    return direct or any(words in said for words in NO_MEMORY) or out_of_memory(error.__cause__)


_SHORT = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)


def out_of_room(error: BaseException | None) -> bool:
    """Whether an error, or the one that it was raised from, says that the disk is full or too many files are open."""
    if error is None:
        return False
    return (isinstance(error, OSError) and error.errno in _SHORT) or out_of_room(error.__cause__)


def shortened(text: str, longest: int = 60) -> str:
    """Of a long text the beginning, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}..."


def unknown(kind: str, name: str, available: Iterable[str], *, or_else: str = "") -> UnknownNameError:
    """The error for a name that is not among `available`, with the nearest right one.

    Args:
        or_else: what else would be right than a name.
    """
    names = sorted(available)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    rest = f" {or_else[0].upper()}{or_else[1:]}." if or_else else ""
    return UnknownNameError(f"no {kind} named '{name}'.{hint} Available: {', '.join(names) or 'none'}.{rest}")
