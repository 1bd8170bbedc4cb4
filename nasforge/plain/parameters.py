"""Which integers in a class are parameters of it: those that differ between its objects."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """An integer in a class: a constant, or `factor` times a parameter."""

    constant: int = 0
    parameter: str = ""
    factor: int = 1

    def __str__(self) -> str:
        if not self.parameter:
            return str(self.constant)
        return self.parameter if self.factor == 1 else f"{self.factor} * {self.parameter}"


def free_name(name: str, taken: Container[str]) -> str:
    """Return the name, with a number if it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free


_Column = tuple[str, tuple[int, ...]]
"""What kind of integer it is, and its value in each part."""
_ROLES = {
    "in_channels": "channels_in",
    "out_channels": "channels",
    "num_features": "channels",
    "groups": "channels",
    "in_features": "features_in",
    "out_features": "features",
}


Integers = Sequence[tuple[str, int]]
"""The integers in one part, each with the name of the argument that takes it."""
Parameters = dict[str, tuple[int, ...]]
"""By name, the values of a parameter in each part."""


def separate(parts: Sequence[Integers]) -> tuple[list[Size], Parameters]:
    """Make every integer a parameter: for what is written where it is used."""
    parameters = {
        f"{number} {re.sub(r'^[0-9]+ ', '', column[0][0])}": tuple(value for _, value in column)
        for number, column in enumerate(zip(*parts, strict=True))
    }
    return [Size(parameter=name) for name in parameters], parameters


def parameters_of(parts: Sequence[Integers]) -> tuple[list[Size], Parameters]:
    """Make parameters of the integers that differ between parts; equal ones, and multiples, share a parameter."""
    columns = list(zip(*parts, strict=True))
    values = [tuple(value for _, value in column) for column in columns]
    roles = [_role(column[0][0]) for column in columns]
    varying = sorted({pair for pair in zip(map(_family, roles), values, strict=True) if len(set(pair[1])) > 1})
    bases = [_base(varying, role, each) for role, each in zip(roles, values, strict=True)]
    widths = {base for role, base in zip(roles, bases, strict=True) if base is not None and _family(role) == "width"}
    sizes: list[Size] = []
    names: dict[_Column, str] = {}
    for role, each, base in zip(roles, values, bases, strict=True):
        if base is None:
            sizes.append(Size(constant=each[0]))
            continue
        if base not in names:
            only = widths == {base} and role.startswith("channels")
            names[base] = free_name("channels" if only else role, {"self", *names.values()})
        sizes.append(Size(parameter=names[base], factor=_factor(each, base[1])))
    return sizes, {name: base[1] for base, name in names.items()}


def _base(varying: Sequence[_Column], role: str, values: tuple[int, ...]) -> _Column | None:
    """The smallest of the columns of which `values` is a multiple; None if it is constant."""
    fitting = (column for column in varying if column[0] == _family(role) and _factor(values, column[1]))
    return next(fitting, None) if len(set(values)) > 1 else None


def _role(name: str) -> str:
    """What a parameter is called that takes the argument `name` of a layer."""
    role = re.sub(r"^\d+ |_?\d+$", "", name)
    return _ROLES.get(role, role)


def _family(role: str) -> str:
    """Only numbers of channels, or features, may be multiples of each other; others must be the same argument."""
    return "width" if role.startswith(("channels", "features")) else role


def _factor(values: Sequence[int], base: Sequence[int]) -> int:
    """The integer by which all of `base` are multiplied to get `values`; 0 if there is none."""
    if values == base:
        return 1
    if not all(base) or values[0] % base[0]:
        return 0
    factor = values[0] // base[0]
    return factor if all(value == factor * other for value, other in zip(values, base, strict=True)) else 0
