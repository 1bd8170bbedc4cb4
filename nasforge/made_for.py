"""Which nasforge an installed package is made for, by its own metadata; nothing of the package is imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

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
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        named = canonicalize_name(requirement.name) == "nasforge"
        meant = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if named and meant and not requirement.specifier.contains(__version__, prereleases=True):
            return str(requirement.specifier)
    return ""


def refusal(package: str, version: str) -> str:
    """The end of a sentence: for which nasforge `package` is made, which one this is, and what to do; or empty."""
    if not (specifier := wanted(package)):
        return ""
    return (
        f"is made for nasforge {specifier}, and this is nasforge {__version__}: install another release of {package} "
        f"than {version}, or that nasforge (pip install 'nasforge{specifier}')"
    )
