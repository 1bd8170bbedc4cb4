"""Recognizes the unit of a file's numbers; a `DataError` if it is ambiguous."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasforge import DataError

PERCENT = 100.0
MILLIONS: Mapping[str, tuple[float, float, str]] = {
    "params_m": (0.05, 2.0, "0.07 to 1.54 million parameters"),
    "macs_m": (1.5, 250.0, "2 to 223 million multiply-accumulates, which are half as many as FLOPs"),
}
"""Range of sizes of NAS-Bench-201's networks on its three data sets, with a margin, and the true range in words."""
FASTEST, SLOWEST = 0.1, 10_000.0
"""Milliseconds. On devices with published latencies, the slowest cell takes 9 to 183."""


def fractions(columns: Mapping[str, np.ndarray], where: object) -> dict[str, np.ndarray]:
    """The accuracies of one file, by name, as fractions; the file has all of them in percent, or all as fractions.

    Raises:
        DataError: one is below 0 or above 100, or some seem to be in percent and others do not.
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
            f"{highest[other]:g}; all accuracies of a file must be in percent, or all must be fractions"
        )
    return {name: values / PERCENT if percents else values for name, values in columns.items()}


def millions(metric: str, values: np.ndarray, name: str, where: object) -> np.ndarray:
    """Sizes of NAS-Bench-201's networks in millions; a file may have them in millions, thousands or units.

    Raises:
        DataError: the numbers are out of range in each of these units.
    """
    least, most, known = MILLIONS[metric]
    low, high = _range(values)
    for unit in (1.0, 1e3, 1e6):
        if least <= low / unit and high / unit <= most:
            return values / unit
    raise DataError(f"{where}: '{name}' holds {low:g} to {high:g}; networks of NAS-Bench-201 have {known}")


def milliseconds(values: np.ndarray, name: str, where: object) -> np.ndarray:
    """The same latencies, after a check that they are in milliseconds.

    Raises:
        DataError: one is not above 0, or they are too low or too high for any device.
    """
    low, high = _range(values)
    if low <= 0:
        raise DataError(f"{where}: '{name}' holds {low:g}; a latency must be above 0")
    if not FASTEST <= high <= SLOWEST:
        unit = "seconds" if high < FASTEST else "microseconds"
        raise DataError(
            f"{where}: '{name}' must be in milliseconds, but goes up to {high:g}, which looks like {unit}; convert it"
        )
    return values


def _range(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number; (NaN, NaN), which passes every comparison above, if there is none."""
    measured = values[~np.isnan(values)]
    return (float(measured.min()), float(measured.max())) if measured.size else (np.nan, np.nan)
