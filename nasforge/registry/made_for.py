"""Read from a package's metadata, without importing it, which versions of nasforge it is made for."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nasforge import __version__


def wanted(package: str) -> str:
    """Return the versions of nasforge that `package` requires, such as `>=0.3`, if this version is not one of them.

    Empty if it is, if the package is not installed, or if its requirements cannot be read.
    """
    try:
        lines = requires(package) or []
    except (PackageNotFoundError, ValueError):
        return ""
    for requirement in filter(None, map(_of_nasforge, lines)):
        if not requirement.specifier.contains(__version__, prereleases=True):
            return str(requirement.specifier)
    return ""


def _of_nasforge(line: str) -> Requirement | None:
    """Return the requirement in a line of metadata if it is for nasforge and applies here; others may be invalid."""
    try:
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != "nasforge":
            return None
        return requirement if requirement.marker is None or requirement.marker.evaluate({"extra": ""}) else None
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
        return None


def refusal(package: str, version: str) -> str:
    """Return the end of a sentence: which nasforge `package` needs, which one this is, and what to do; or empty."""
    if not (specifier := wanted(package)):
        return ""
    return (
        f"needs nasforge {specifier}, and this is nasforge {__version__}: install another release of {package}, "
        f"or pip install 'nasforge{specifier}'"
    )
