"""Which unit a file's numbers are in: recognised where it can be but one, else a sentence that says what was found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasforge import DataError

PERCENT = 100.0
MILLIONS: Mapping[str, tuple[float, float, str]] = {
    "params_m": (0.05, 2.0, "0.07 to 1.54 million parameters"),
    "macs_m": (1.5, 250.0, "2 to 223 million multiply-accumulates, which are half as many as FLOPs"),
}
"""Of networks of NAS-Bench-201 on its three data sets: the least and the most, with room, and what is known of them."""
FASTEST, SLOWEST = 0.1, 10_000.0
"""Milliseconds. On devices whose latencies are published, the slowest cell takes 9 to 183."""


def fractions(columns: Mapping[str, np.ndarray], where: object) -> dict[str, np.ndarray]:
    """The accuracies of one file, by name, as fractions: a file has all of them in percent, or all as fractions.

    Raises:
        DataError: one is below 0 or above 100, or some seem to be in percent and others not.
    """
    for name, values in columns.items():
        low, high = _range(values)
        if low < 0 or high > PERCENT:
            wrong = low if low < 0 else high
            raise DataError(f"{where}: '{name}' holds {wrong:g}; an accuracy is a fraction, or 0 to 100 percent")
    highest = {name: _range(values)[1] for name, values in columns.items() if not np.isnan(values).all()}
    percents = [name for name, high in highest.items() if high > 1]
    if percents and len(percents) < len(highest):
        other = next(name for name in highest if name not in percents)
        raise DataError(
            f"{where}: '{percents[0]}' goes up to {highest[percents[0]]:g}, so it is in percent, but '{other}' only to "
            f"{highest[other]:g}; all accuracies of a file must be in percent, or all fractions"
        )
    return {name: values / PERCENT if percents else values for name, values in columns.items()}


def millions(metric: str, values: np.ndarray, name: str, where: object) -> np.ndarray:
    """Sizes of networks of NAS-Bench-201 in millions; a file may have them in millions, thousands or units.

    Raises:
        DataError: in none of these could they be what such networks have.
    """
    least, most, known = MILLIONS[metric]
    low, high = _range(values)
    for unit in (1.0, 1e3, 1e6):
        if least <= low / unit and high / unit <= most:
            return values / unit
    raise DataError(f"{where}: '{name}' holds {low:g} to {high:g}; networks of NAS-Bench-201 have {known}")


def milliseconds(values: np.ndarray, name: str, where: object) -> np.ndarray:
    """Latencies that the file says are in milliseconds, the same.

    Raises:
        DataError: one is not above 0, or no device is as fast or as slow as that.
    """
    low, high = _range(values)
    if low <= 0:
        raise DataError(f"{where}: '{name}' holds {low:g}; a latency is above 0")
    if not FASTEST <= high <= SLOWEST:
        unit = "seconds" if high < FASTEST else "microseconds"
        raise DataError(
            f"{where}: '{name}' must be in milliseconds, and goes up to {high:g}, which looks like {unit}; convert it"
        )
    return values


def _range(values: np.ndarray) -> tuple[float, float]:
    """The least and the largest number; NaN twice if there is none, which no comparison holds against anybody."""
    there = values[~np.isnan(values)]
    return (float(there.min()), float(there.max())) if there.size else (np.nan, np.nan)
