"""Where a user's files lie, as they are typed."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path

from nasforge.errors import OptionError


def user_path(typed: str | PathLike[str]) -> Path:
    """A path in which `~` and `~NAME` stood for homes.

    Raises:
        OptionError: there is no such user.
    """
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        raise OptionError(f"{typed}: there is no user whose home {Path(typed).parts[0]} could be") from None


def data_folder() -> Path:
    """Where data and tables lie if nothing else is said: $NASFORGE_DATA, or data/ here."""
    return user_path(os.environ.get("NASFORGE_DATA") or "data").absolute()
