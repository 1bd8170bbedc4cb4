"""Measure an architecture whose latency was predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasforge.architecture import Architecture
from nasforge.errors import OptionError
from nasforge.latency.measurements import Measurements
from nasforge.latency.runtimes import RUNTIMES
from nasforge.latency.stopwatch import Conditions, check_device, device_name, measured_rounds, networks_of
from nasforge.result import Promise
from nasforge.space import SearchSpace


def measured_promise(
    before: Measurements,
    space: SearchSpace,
    architecture: Architecture,
    *,
    metric: str,
    predicted: float,
    references: Sequence[int],
) -> Promise:
    """Measure `architecture` under the conditions of earlier measurements, if this is the same device.

    Args:
        metric: the name of the prediction.
        predicted: what was predicted from the earlier measurements, in milliseconds.
        references: indices of architectures that are measured again, in turn with the new one. They tell by how much
            the device is now slower.
    """
    conditions = before.conditions
    about = f"{before.device} ({conditions})"
    if (here := _device_here(conditions)) != before.device:
        reason = f"this machine has {here}, and the prediction is about {before.device}"
        return Promise(metric=metric, predicted=predicted, about=about, reason=reason)
    architectures = [architecture, *(before.architectures[index] for index in references)]
    networks = networks_of(space, architectures, conditions)
    rounds = np.array(list(measured_rounds(networks, conditions, range(conditions.rounds))))
    low, measured, high = np.quantile(rounds[:, 0], (0.25, 0.5, 0.75)).tolist()
    return Promise(
        metric=metric,
        predicted=predicted,
        about=about,
        measured=measured,
        middle_half=(low, high),
        slower=float(np.median(np.median(rounds[:, 1:], axis=0) / before.latencies[list(references)])),
    )


def _device_here(conditions: Conditions) -> str:
    if not (runtime := RUNTIMES[conditions.runtime]).installed:
        return f"no {runtime.title}"
    try:
        check_device(conditions.device)
    except OptionError:
        return f"no {conditions.device}"
    return device_name(conditions.device)
