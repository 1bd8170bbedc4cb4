"""Import code of other packages safely: whatever it does, the command survives."""

from __future__ import annotations

import importlib
import sys
from contextlib import redirect_stdout
from types import ModuleType

from nasforge.stopping import Interrupted

STOPS = (KeyboardInterrupt, Interrupted)
"""What ends a command anywhere. Everything else that a guest raises is its own error, even if it does not derive from
`Exception`, like `SystemExit` and pytest's skips."""


def imported(module: str) -> ModuleType:
    """Import and return a module. What it prints goes to stderr, because programs read the stdout of `--cfg`."""
    with redirect_stdout(sys.stderr):
        return importlib.import_module(module)
