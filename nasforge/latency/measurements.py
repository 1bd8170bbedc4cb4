"""Files of latencies that `nasforge measure-latency` writes: JSON with a checksum, whole after each round."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from nasforge import __version__
from nasforge.architecture import Architecture
from nasforge.errors import ArchitectureError, DataError, reason
from nasforge.journal.journal import digest, write_json
from nasforge.latency.runtimes import RUNTIMES
from nasforge.latency.stopwatch import Conditions, device_name, networks_of
from nasforge.registry.options import checked
from nasforge.space import SearchSpace

FORMAT = 1
RELIABLE = 0.9
"""Below this correlation between two halves of the rounds, a device is too noisy to rank networks."""


@dataclass(frozen=True)
class Measurements:
    """Latencies of some architectures on one device.

    Attributes:
        space: the configuration of their space.
        conditions: how they were measured.
        machine: names of the device and the system, and versions of the software.
        architectures: what was measured.
        parameters: how many parameters each architecture's network had.
        rounds: milliseconds (rounds, architectures).
        path: the file; None if there is none yet.
    """

    space: Mapping[str, Any]
    conditions: Conditions
    machine: Mapping[str, str]
    architectures: Sequence[Architecture]
    parameters: Sequence[int]
    rounds: Sequence[Sequence[float]] = ()
    path: Path | None = None

    @classmethod
    def read(cls, path: Path) -> Measurements:
        """Read a file.

        Raises:
            DataError: there is no such file, or it is no file of latencies, damaged, or of another version.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            checksum, version = content.pop("checksum"), content.pop("nasforge_latency")
        except FileNotFoundError:
            raise DataError(f"there is no file {path}; `nasforge measure-latency` writes one") from None
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OSError):
            raise DataError(
                f"{path} is not a file of `nasforge measure-latency`, or is damaged; measure again"
            ) from None
        if version != FORMAT:
            raise DataError(f"{path} has the format {version}; this version reads {FORMAT}: measure again")
        if checksum != digest(content):
            raise DataError(f"{path} was altered: its checksum differs; restore it from a copy, or measure again")
        try:
            content["conditions"] = checked(Conditions, content["conditions"], where="conditions")
            content["architectures"] = [Architecture.from_json(written) for written in content["architectures"]]
            return cls(**content, path=path)
        except (KeyError, TypeError, ValueError, DataError) as error:
            raise DataError(f"{path} is not a file of `nasforge measure-latency` ({reason(error)})") from None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        content = {
            "space": dict(self.space),
            "conditions": json.loads(json.dumps(asdict(self.conditions))),
            "machine": dict(self.machine),
            "architectures": [architecture.to_json() for architecture in self.architectures],
            "parameters": list(self.parameters),
            "rounds": [list(times) for times in self.rounds],
        }
        write_json(path, {"nasforge_latency": FORMAT, "checksum": digest(content), **content})

    def __str__(self) -> str:
        return str(self.path or "the measured latencies")

    def with_round(self, times: Sequence[float]) -> Measurements:
        """Return these measurements and one more round."""
        return replace(self, rounds=[*self.rounds, times])

    @property
    def complete(self) -> bool:
        """Whether all rounds were measured."""
        return len(self.rounds) >= self.conditions.rounds

    @property
    def device(self) -> str:
        """The device's name."""
        return self.machine["device"]

    @cached_property
    def latencies(self) -> np.ndarray:
        """The median of each architecture's rounds (architectures,), in milliseconds."""
        medians: np.ndarray = np.median(np.array(self.rounds), axis=0)
        return medians

    @property
    def spread(self) -> np.ndarray:
        """The interquartile range of each architecture's rounds, as a share of the median (architectures,)."""
        low, high = np.quantile(np.array(self.rounds), (0.25, 0.75), axis=0)
        shares: np.ndarray = (high - low) / self.latencies
        return shares

    @property
    def reliability(self) -> float:
        """Spearman's correlation between the medians of the even and of the odd rounds."""
        rounds = np.array(self.rounds)
        return float(spearmanr(np.median(rounds[::2], axis=0), np.median(rounds[1::2], axis=0)).statistic)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that a prediction depends on."""
        written = [architecture.to_json() for architecture in self.architectures]
        return digest([asdict(self.conditions), written, [list(times) for times in self.rounds]])

    def check(self, space: SearchSpace) -> None:
        """Raise a `DataError` if the file is unfinished, or holds networks that `space` does not build."""
        if not self.complete:
            raise DataError(
                f"{self} holds {len(self.rounds)} of {self.conditions.rounds} rounds, because measuring was "
                "interrupted; the same `nasforge measure-latency` continues it"
            )
        name = self.space.get("name")
        if name != space.name:
            raise DataError(
                f"{self} holds latencies of space '{name}', but the run's space is '{space.name}': measure with "
                f"`nasforge measure-latency space={space.name}`"
            )
        try:
            for architecture in self.architectures:
                space.validate(architecture)
            (network,) = networks_of(space, self.architectures[:1], replace(self.conditions, device="cpu"))
            same = parameters_of(network) == self.parameters[0]
        except ArchitectureError:
            same = False
        if not same:
            raise DataError(
                f"{self} was measured with other options of space '{name}' than the run's; measure with the run's"
            )


def parameters_of(network: torch.nn.Module) -> int:
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def this_machine(device: str, runtime: str = "torch") -> dict[str, str]:
    """Return the names of the device and the system, and the versions of the software."""
    return {
        "device": device_name(device),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{package: version(package) for package in RUNTIMES[runtime].packages},
        "nasforge": __version__,
    }
