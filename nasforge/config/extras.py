"""Optional packages: which are installed, what they are for, and the command that installs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

_FOR = {
    "onnx": "writes networks for ONNX Runtime: nasforge export RUN --to onnx",
    "timm": "writes networks for timm and the Hugging Face Hub: nasforge export RUN --to timm",
    "parquet": "reads photos from parquet files, as the Hugging Face Hub has them",
    "executorch": "writes networks for phones and microcontrollers: nasforge export RUN --to executorch",
    "ray": "estimates candidates in parallel, here or on a cluster: executor=ray",
    "joblib": "runs the jobs of a sweep in parallel: hydra/launcher=joblib",
    "submitit": "runs the jobs of a sweep on a SLURM cluster: hydra/launcher=submitit_slurm",
    "ray-launcher": "runs the jobs of a sweep as Ray tasks: hydra/launcher=ray",
    "wandb": "records runs in Weights & Biases: logger=wandb",
    "mlflow": "records runs in MLflow: logger=mlflow",
    "test": "runs the suites of nasforge.testing for your own plug-ins",
}
_NO_EXTRAS = {"dev"}
LAUNCHERS = {
    "joblib": "joblib",
    "submitit_local": "submitit",
    "submitit_slurm": "submitit",
    "ray": "ray-launcher",
    "ray_aws": "ray-launcher",
}
"""The extra that contains each launcher of sweeps, by its name after `hydra/launcher=`."""


@dataclass(frozen=True)
class Extra:
    """One of nasforge's extras.

    Attributes:
        name: its name for pip.
        purpose: what it does.
        lacking: its requirements that are not met.
        versions: names and versions of its packages that are installed.
        install: the command that installs it.
    """

    name: str
    purpose: str
    lacking: tuple[str, ...]
    versions: tuple[str, ...]
    install: str


def extras() -> Iterator[Extra]:
    """Yield the extras in the metadata of the installed nasforge."""
    requirements = [Requirement(line) for line in requires("nasforge") or []]
    for name in metadata("nasforge").get_all("Provides-Extra") or []:
        if name not in _NO_EXTRAS:
            own = [requirement for requirement in requirements if _only_for(requirement, name)]
            yield _extra(name, own)


def install_line(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'nasforge[{extra}]'"


def _extra(name: str, required: list[Requirement]) -> Extra:
    versions = {requirement: _version(requirement.name) for requirement in required}
    lacking = [
        f"{requirement.name}{requirement.specifier}"
        for requirement in required
        if not (versions[requirement] and requirement.specifier.contains(versions[requirement], prereleases=True))
    ]
    installed = tuple(f"{requirement.name} {found}" for requirement, found in versions.items() if found)
    return Extra(name, _FOR.get(name, ""), tuple(lacking), installed, install_line(name))


def _only_for(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
