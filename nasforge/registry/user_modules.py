"""Classes that users name by module and attribute, such as `my_package.net:Net`, or by a name in package metadata."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

from nasforge.errors import NasforgeError, OptionError, reason
from nasforge.registry.entry_points import CONTRACTS, registry
from nasforge.registry.guests import STOPS, imported
from nasforge.registry.libraries import broken_library
from nasforge.registry.options import options_annotated

Importable = Annotated[str, "importable"]
"""The annotation of options that hold such a name: MODULE:CLASS, or the name of an entry point in `nasforge.module`."""
GROUP = "nasforge.module"
ALLOWED = "NASFORGE_MODULES"
"""Environment variable with the names that may be imported because a run's folder says so, separated by commas."""


def importable(target: str, option: str) -> Any:
    """Import what `target` names.

    Args:
        option: where the name comes from, for messages.

    Raises:
        OptionError: there is nothing of that name, or it cannot be imported.
    """
    value = _named().get(target, target)
    module, _, attribute = value.partition(":")
    if not attribute:
        names = ", ".join(_named()) or "none is installed"
        raise OptionError(
            f"{option}={target}: it must be MODULE:CLASS, such as my_package.net:Net, or a name that a package "
            f"registers in {GROUP} ({names})"
        )
    try:
        return attrgetter(attribute)(imported(module))
    except STOPS:
        raise
    except BaseException as error:
        cause = broken_library(error) or reason(error)
        hint = _hint(module) if isinstance(error, ModuleNotFoundError) else ""
        raise OptionError(f"{option}={target} cannot be imported: {cause}{hint}") from error


def check_importable(config: Mapping[str, Any]) -> None:
    """Raise an `OptionError` if a configuration from a run's folder names a module that the user has not allowed.

    Importing a module runs its code, and a run's folder may come from anyone. Allowed are modules that this process has
    already imported, those in package metadata, and those in the environment variable NASFORGE_MODULES.
    """
    allowed = {name.strip() for name in os.environ.get(ALLOWED, "").split(",")}
    for option, target in _targets(config):
        known = target in allowed or target in _named() or target.partition(":")[0] in sys.modules
        if not known:
            raise OptionError(
                f"this run's folder says {option}={target}, and importing a module runs its code: set "
                f"{ALLOWED}={target} if you trust it"
            )


def _targets(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in CONTRACTS:
        options = config.get(kind)
        if isinstance(options, Mapping):
            with suppress(NasforgeError):  # an unknown or broken plug-in, which `build` reports
                keys = options_annotated(registry(kind)[str(options.get("name"))], Importable)
                yield from ((f"{kind}.{key}", str(options[key])) for key in keys if key in options)


def _named() -> dict[str, str]:
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def _hint(module: str) -> str:
    """How to import a file of the working directory, from which nasforge does not import by itself."""
    top = module.partition(".")[0]
    if Path(f"{top}.py").exists() or Path(top).is_dir():
        return f"; {top} is in this folder: PYTHONPATH=. before the command imports from here"
    return ""
