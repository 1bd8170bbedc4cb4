"""Write names and values of metrics for people."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasforge.architecture import Objective

_ABBREVIATIONS = {"params": "parameters", "macs": "multiply-adds"}
_ACRONYMS = {"es": "ES"}
_SHORT = {"millions": "M"}
_UNITS = {"ms": "ms", "seconds": "s", "mj": "mJ", "mb": "MB", "m": "millions"}
_AFTER_EPOCHS = re.compile(r"(\w+?)_(\d+)ep")
_WITH_UNIT = re.compile(rf"(\w+?)_({'|'.join(_UNITS)})(?:_(\w+))?")


def words(metric: Objective | str) -> str:
    """Return what people call a metric, its unit after a comma: `latency_ms_raspi4` is "latency on raspi4, ms".

    Args:
        metric: an objective, which may state its label and unit, or a name, which has those that its words spell.
    """
    noun, unit = _called(metric)
    return f"{noun}, {unit}" if unit else noun


def quantity(metric: Objective | str, value: float) -> str:
    """Return a metric with its value: "test accuracy 94.37 %", "parameters 1.07 M"."""
    noun, unit = _called(metric)
    return f"{noun} {amount(metric, value)} {_SHORT.get(unit, unit)}".rstrip()


def amount(metric: Objective | str, value: float) -> str:
    """Return a metric's value alone; fractions in percent."""
    return f"{100 * value:.2f} %" if is_share(metric) else f"{value:.4g}"


def ratio(logarithm: float) -> str:
    """Return a ratio from its natural logarithm: "1.8", and "10^12" from a million on."""
    power = logarithm / math.log(10)
    return f"{math.exp(logarithm):.4g}" if power < 6 else f"10^{power:.0f}"


def sentence_case(text: str) -> str:
    """Capitalize the first letter only, unless the text begins with code, such as `control.samples=2`."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    return text if re.search(r"[=_]|\w\.\w", first) else text[:1].upper() + text[1:]


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: "1 epoch", "6 epochs"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def numbers(values: Sequence[int]) -> str:
    """Return ascending numbers in words: "1 to 50", "12 and 200"."""
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]} to {values[-1]}"
    return " and ".join(filter(None, [", ".join(map(str, values[:-1])), *map(str, values[-1:])]))


def duration(seconds: float) -> str:
    """Return a duration in words: "40 seconds", "3 minutes", "5 hours"."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return counted(round(seconds / length), unit)
    return counted(max(1, round(seconds)), "second")


def is_share(metric: Objective | str) -> bool:
    """Return whether a metric is a fraction to show in percent: an accuracy, or an objective in "%"."""
    if isinstance(metric, str):
        return "accuracy" in metric
    return metric.unit == "%" or is_share(metric.metric)


def _called(metric: Objective | str) -> tuple[str, str]:
    """Return the noun, and the unit if there is one that does not stand beside each value."""
    if not isinstance(metric, str):
        noun, unit = _called(metric.metric)
        return metric.label or noun, "" if is_share(metric) else metric.unit or unit
    if after := _AFTER_EPOCHS.fullmatch(metric):
        return f"{after[1].replace('_', ' ')} after {counted(int(after[2]), 'epoch')}", ""
    match = _WITH_UNIT.fullmatch(metric)
    noun = " ".join(_ACRONYMS.get(word, word) for word in (match[1] if match else metric).split("_"))
    noun = _ABBREVIATIONS.get(noun, noun)
    if match is None:
        return noun, ""
    return f"{noun} on {match[3]}" if match[3] else noun, _UNITS[match[2]]
