"""Which nasforge an installed package is made for, by its own metadata; nothing of the package is imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from nasforge import __version__


def wanted(package: str) -> str:
    """The versions of nasforge that `package` asks for and this one is not, `>=0.3` say; empty if all is well.

    A package that is not installed, or whose requirements cannot be read, asks for none.
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
    """The requirement in a line of metadata if it is one of nasforge that holds here; others may be nonsense."""
    try:
        requirement = Requirement(line)
        if canonicalize_name(requirement.name) != "nasforge":
            return None
        return requirement if requirement.marker is None or requirement.marker.evaluate({"extra": ""}) else None
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
        return None


def refusal(package: str, version: str) -> str:
    """The end of a sentence: for which nasforge `package` is made, which one this is, and what to do; or empty."""
    if not (specifier := wanted(package)):
        return ""
    return (
        f"is made for nasforge {specifier}, and this is nasforge {__version__}: install another release of {package} "
        f"than {version}, or that nasforge (pip install 'nasforge{specifier}')"
    )
