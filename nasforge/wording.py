"""Write names and values of metrics for people."""

from __future__ import annotations

import re

_NOUNS = {
    "params_m": ("parameters", "millions"),
    "macs_m": ("multiply-adds", "millions"),
    "train_seconds": ("simulated training", "s"),
    "train_epochs": ("epochs of training", ""),
    "inherited": ("tensors inherited", ""),
    # Zero-cost proxies, as their papers call them.
    "ntk_condition": ("NTK condition number", ""),
    "ntk_condition_decoupled": ("NTK condition number, decoupled", ""),
    "naswot": ("NASWOT", ""),
    "synflow": ("SynFlow", ""),
    "snip": ("SNIP", ""),
    "grasp": ("GraSP", ""),
    "jacob_cov": ("Jacobian covariance", ""),
    "zen": ("Zen score", ""),
    "epe_nas": ("EPE-NAS", ""),
    "l2_norm": ("norm of the weights", ""),
    "params": ("parameters", ""),
    "parameter_free_operations": ("parameter-free operations of the derived cell", ""),
    "macs": ("multiply-adds", ""),
}
_SHORT = {"millions": "M"}
_UNITS = {"ms": "ms", "seconds": "s", "mj": "mJ", "mb": "MB"}
_AFTER_EPOCHS = re.compile(r"(\w+?)_(\d+)ep")
_WITH_UNIT = re.compile(rf"(\w+?)_({'|'.join(_UNITS)})(?:_(\w+))?")


def words(name: str) -> str:
    """Return a metric's name, with its unit after a comma: `latency_ms_raspi4` is "latency on raspi4, ms"."""
    noun, unit = _named(name)
    return f"{noun}, {unit}" if unit else noun


def quantity(name: str, value: float) -> str:
    """Return a metric with its value: "test accuracy 94.37 %", "parameters 1.07 M"."""
    noun, unit = _named(name)
    return f"{noun} {amount(name, value)} {_SHORT.get(unit, unit)}".rstrip()


def amount(name: str, value: float) -> str:
    """Return a metric's value alone; accuracies in percent."""
    return f"{100 * value:.2f} %" if is_share(name) else f"{value:.4g}"


def sentence_case(text: str) -> str:
    """Capitalize the first letter only."""
    return text[:1].upper() + text[1:]


def counted(n: int, noun: str) -> str:
    """Return a number with its noun: "1 epoch", "6 epochs"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a duration in words: "40 seconds", "3 minutes", "5 hours"."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 1.5 * length:
            return counted(round(seconds / length), unit)
    return counted(max(1, round(seconds)), "second")


def is_share(name: str) -> bool:
    """Return whether a metric is a fraction to show in percent."""
    return "accuracy" in name or name == "inherited"


def _named(name: str) -> tuple[str, str]:
    """Return the noun, and the unit if the name has one."""
    if name in _NOUNS:
        return _NOUNS[name]
    if after := _AFTER_EPOCHS.fullmatch(name):
        return f"{after[1].replace('_', ' ')} after {counted(int(after[2]), 'epoch')}", ""
    match = _WITH_UNIT.fullmatch(name)
    if match is None:
        return name.replace("_", " "), ""
    noun = match[1].replace("_", " ")
    return f"{noun} on {match[3]}" if match[3] else noun, _UNITS[match[2]]
