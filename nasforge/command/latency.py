"""`nasforge measure-latency`: times a sample of architectures on this machine."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from nasforge.architecture import Architecture
from nasforge.command.own_options import split, value_of
from nasforge.config.configuration import compose
from nasforge.errors import DataError, OptionError
from nasforge.latency.measurements import RELIABLE, Measurements, parameters_of, this_machine
from nasforge.latency.runtimes import check_runtime
from nasforge.latency.stopwatch import Conditions, check_device, measured_rounds, networks_of
from nasforge.randomness import rng_of
from nasforge.registry.entry_points import build
from nasforge.registry.options import checked
from nasforge.registry.places import user_path
from nasforge.run.progress import Progress
from nasforge.space import SearchSpace
from nasforge.stopping import interruptible

OWN = tuple(field.name for field in fields(Conditions))
DRAWS = 50
"""How many draws are made for each architecture before a space counts as exhausted."""


def measure_latency(words: Sequence[str], config_dir: str | None) -> int:
    """Run `nasforge measure-latency WORDS` and return its exit status.

    Raises:
        OptionError: the arguments are wrong, or the file holds latencies measured otherwise.
    """
    options, out, overrides = _parsed(words)
    conditions = checked(Conditions, options, where="measure-latency")
    check_device(conditions.device)
    check_runtime(conditions.runtime)
    config = compose(overrides, config_dir=config_dir).config["space"]
    space: SearchSpace = build("space", config)
    path = user_path(out or f"latency_{space.name}_{conditions.device.replace(':', '')}.json")
    measurements = _begun(path, space, config, conditions)
    networks = networks_of(space, measurements.architectures, conditions)
    left = range(len(measurements.rounds), conditions.rounds)
    with interruptible(), Progress().bar("rounds", len(left)) as bar:
        for times in measured_rounds(networks, conditions, left):
            measurements = measurements.with_round(times)
            measurements.write(path)
            bar()
    print(_summary(measurements, path))
    return 0


def _parsed(words: Sequence[str]) -> tuple[dict[str, Any], str | None, list[str]]:
    """Split into conditions, the file's path, and overrides of the space."""
    own, overrides = split(words, (*OWN, "out"))
    out = own.pop("out", None)
    for word in overrides:
        key, equals, _ = word.partition("=")
        if not equals or key.lstrip("+").partition(".")[0] != "space":
            near = difflib.get_close_matches(key, (*OWN, "out", "space"), n=1)
            hint = f" Did you mean {near[0]}=?" if near else ""
            raise OptionError(
                f"measure-latency does not take {word}.{hint} It takes space=NAME, space.KEY=VALUE, out=FILE and "
                f"{', '.join(OWN)}"
            )
    return {key: value_of(key, text) for key, text in own.items()}, out, overrides


def _begun(path: Path, space: SearchSpace, config: Mapping[str, Any], conditions: Conditions) -> Measurements:
    """Return the measurements in the file, to be continued, or new ones without a round."""
    machine = this_machine(conditions.device, conditions.runtime)
    if not path.exists():
        architectures = _sample(space, conditions)
        parameters = [parameters_of(network) for network in networks_of(space, architectures, conditions)]
        return Measurements(config, conditions, machine, architectures, parameters)
    begun = Measurements.read(path)
    if (begun.conditions, dict(begun.space)) != (conditions, dict(config)):
        raise OptionError(f"{path} holds latencies that were measured with other options; choose another out=FILE")
    if not begun.complete and begun.machine != machine:
        raise DataError(
            f"{path} was begun on {_described(begun.machine)}, and this is {_described(machine)}; choose another "
            "out=FILE"
        )
    return begun


def _described(machine: Mapping[str, str]) -> str:
    software = [f"{name} {machine[name]}" for name in ("torch", "onnxruntime") if name in machine]
    return f"{machine['device']} with {' and '.join(software)}"


def _sample(space: SearchSpace, conditions: Conditions) -> list[Architecture]:
    """Draw architectures that compute different functions."""
    rng = rng_of(conditions.seed, "latency sample")
    drawn: dict[Hashable, Architecture] = {}
    for _ in range(DRAWS * conditions.samples):
        architecture = space.sample(rng)
        drawn.setdefault(space.function_key(architecture), architecture)
        if len(drawn) == conditions.samples:
            return list(drawn.values())
    raise OptionError(
        f"samples={conditions.samples}: space '{space.name}' seems to have only {len(drawn)} different architectures"
    )


def _summary(measurements: Measurements, path: Path) -> str:
    latencies, reliability = measurements.latencies, measurements.reliability
    lines = [
        f"{len(latencies)} architectures of space '{measurements.space['name']}' on {measurements.device} "
        f"({measurements.conditions}): {latencies.min():.3g} to {latencies.max():.3g} ms",
        f"the middle half of a network's {len(measurements.rounds)} rounds spans {np.median(measurements.spread):.1%} "
        f"of its median; two halves of the rounds rank the networks with a correlation of {reliability:.3f}",
        f"predict others from them: nasforge ... estimator=[...,latency] estimator.latency.measured={path}",
    ]
    if not reliability >= RELIABLE:
        lines.insert(
            2,
            f"the device was too noisy: that correlation should be at least {RELIABLE}; end other programs, or measure "
            "with more rounds=",
        )
    return "\n".join(lines)
