"""What can go wrong by a user's hand. Each message says what, where, and what would be right."""

from __future__ import annotations

import difflib
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


def reason(error: BaseException) -> str:
    """What an error says, on one line; a sentence of ours stands without the name of its class."""
    said = str(error) if isinstance(error, NasforgeError) else f"{type(error).__name__}: {error}"
    return " ".join(said.split()).removesuffix(":")


def unknown(kind: str, name: str, available: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among `available`, with the nearest right one."""
    names = sorted(available)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UnknownNameError(f"no {kind} named '{name}'.{hint} Available: {', '.join(names) or 'none'}.")
