"""Name the library of the environment that cannot be imported, and the command that repairs it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions, requires, version
from traceback import walk_tb
from types import FrameType

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from nasforge.errors import reason

_ABSENT_FILE = re.compile(r"([\w.+-]+\.so[\w.]*): cannot open shared object file")


def broken_library(error: BaseException) -> str:
    """Return which library is broken and how to repair it, in one sentence.

    Empty unless the error arose while a library was being imported. nasforge and the packages of plug-ins are not
    libraries: errors of their own code are for those who wrote it.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if not frames:
        return ""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if missing in sys.stdlib_module_names and isinstance(error, ModuleNotFoundError):
        return f"this Python was built without its module {missing}; install another build of Python"
    if missing and missing not in _OURS and _package(frames[-1]) in _OURS:
        return f"a library that nasforge needs is missing or too old ({reason(error)}): pip install nasforge"
    library = _imported_library(frames)
    return library and _sentence(library, reason(error))


_OURS = ("nasforge", "nasforge_plugins")


def _package(frame: FrameType) -> str:
    """Return the top-level package of the code that a frame runs."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _imported_library(frames: list[FrameType]) -> str:
    """Return the distribution of the innermost module that was being imported; empty if that is no library's."""
    packages = (_package(frame) for frame in reversed(frames) if frame.f_code.co_name == "<module>")
    innermost = next((package for package in packages if package not in sys.stdlib_module_names), "")
    return next((name for name in packages_distributions().get(innermost, []) if not _has_plugins(name)), "")


def _has_plugins(name: str) -> bool:
    return any(entry.group.startswith("nasforge.") for entry in distribution(name).entry_points)


def _sentence(library: str, cause: str) -> str:
    problem = f"{library} {version(library)} cannot be imported ({cause})"
    if unmet := list(_unmet(library)):
        return f"{problem}: it needs {'; '.join(unmet)}. To install both anew: pip install --upgrade {_anew(library)}"
    if absent := _ABSENT_FILE.search(cause):
        return (
            f"{problem}: {absent[1]} is not on this machine. If the system should provide it, install it with the "
            f"system's package manager; otherwise: pip install --force-reinstall {_anew(library)}"
        )
    return (
        f"{problem}: it is damaged, or built for other versions of what it needs. To install it anew: "
        f"pip install --force-reinstall {_anew(library)}"
    )


def _requirements(library: str) -> Iterator[Requirement]:
    """Yield what a library requires here; what cannot be read is left out."""
    for line in requires(library) or []:
        with suppress(InvalidRequirement, UndefinedEnvironmentName):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                yield requirement


def _unmet(library: str) -> Iterator[str]:
    """Yield which requirements of a library are not met: "torch==2.11.0, and torch 2.14.1 is installed"."""
    for requirement in _requirements(library):
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name}{requirement.specifier}, which is not installed"
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{requirement.name}{requirement.specifier}, and {requirement.name} {installed} is installed"


def _anew(library: str) -> str:
    """Return what pip is told to install. What is built for torch must come from the index that torch comes from."""
    needs_torch = any(requirement.name == "torch" for requirement in _requirements(library))
    local = Version(version("torch")).local if needs_torch else None
    return f"torch {library} --index-url https://download.pytorch.org/whl/{local}" if local else library
