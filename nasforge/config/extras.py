"""Packages that nasforge can do without: which are here, what they are for, and the line that installs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

_FOR = {
    "ray": "candidates side by side, here or on a cluster: executor=ray",
    "joblib": "jobs of a sweep side by side: hydra/launcher=joblib",
    "submitit": "jobs of a sweep on a SLURM cluster: hydra/launcher=submitit_slurm",
    "ray-launcher": "jobs of a sweep as tasks of Ray: hydra/launcher=ray",
    "test": "the suites of nasforge.testing, for plug-ins of your own",
}
_LOGGERS = {"wandb": "curves on wandb.ai: +logger.wandb._target_=pytorch_lightning.loggers.WandbLogger"}
_NO_EXTRAS = {"dev"}
LAUNCHERS = {
    "joblib": "joblib",
    "submitit_local": "submitit",
    "submitit_slurm": "submitit",
    "ray": "ray-launcher",
    "ray_aws": "ray-launcher",
}
"""Which extra brings a launcher of sweeps, by the name that people type after `hydra/launcher=`."""


@dataclass(frozen=True)
class Extra:
    """One of nasforge's extras, or a logger that needs none.

    Attributes:
        name: what people call it.
        purpose: what it is good for.
        lacking: requirements that are not met, the packages that are there left out; empty if all is.
        versions: of the packages that are there.
        install: the line to type.
    """

    name: str
    purpose: str
    lacking: tuple[str, ...]
    versions: tuple[str, ...]
    install: str


def extras() -> Iterator[Extra]:
    """As the installed nasforge's own metadata list them, then loggers that need no extra."""
    asked = [Requirement(line) for line in requires("nasforge") or []]
    for name in metadata("nasforge").get_all("Provides-Extra") or []:
        if name not in _NO_EXTRAS:
            own = [one for one in asked if one.marker and _only_for(one, name)]
            yield _extra(name, own, install_line(name))
    for name, purpose in _LOGGERS.items():
        yield _extra(name, [Requirement(name)], f"pip install {name}", purpose)


def install_line(extra: str) -> str:
    """What to type to have it."""
    return f"pip install 'nasforge[{extra}]'"


def _extra(name: str, required: list[Requirement], install: str, purpose: str = "") -> Extra:
    there = {one.name: found for one in required if (found := _version(one.name))}
    lacking = [f"{one.name}{one.specifier}" for one in required if not _met(one, there.get(one.name, ""))]
    versions = tuple(f"{package} {found}" for package, found in there.items())
    return Extra(name, purpose or _FOR.get(name, ""), tuple(lacking), versions, install)


def _only_for(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _met(requirement: Requirement, found: str) -> bool:
    return bool(found) and requirement.specifier.contains(found, prereleases=True)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
