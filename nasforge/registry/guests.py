"""Code of other packages, which may do anything while it is imported or called: no command may suffer from it."""

from __future__ import annotations

import importlib
import sys
from contextlib import redirect_stdout
from types import ModuleType

from nasforge.stopping import Interrupted

STOPS = (KeyboardInterrupt, Interrupted)
"""What ends a command wherever it arrives. All else that a guest raises is its own fault: even what is no `Exception`,
as `SystemExit` and the skips of pytest are not."""


def imported(module: str) -> ModuleType:
    """The module. What it prints meanwhile goes to the errors: programs read the output of `--cfg` and completion."""
    with redirect_stdout(sys.stderr):
        return importlib.import_module(module)
