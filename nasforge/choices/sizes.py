"""Numbers that a search decides: integers that remember the decisions that they depend on."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Operation = Callable[[Any, Any], Any]


class Size(int):
    """An integer that depends on decisions. It counts as its largest value, in which a supernet is built.

    Sums, differences, products and quotients with integers and other sizes are sizes too, so that a layer's hidden
    width may be four times its input's width.

    Attributes:
        keys: the decisions.
        values: the number for every combination of their options, one axis for each decision.
    """

    keys: tuple[str, ...]
    values: np.ndarray

    def __new__(cls, keys: tuple[str, ...], values: np.ndarray) -> Size:
        """The number whose values are `values`, an array of integers with one axis for each of `keys`."""
        size = super().__new__(cls, int(values.max()))
        size.keys, size.values = keys, values
        return size

    def __reduce__(self) -> Any:
        return Size, (self.keys, self.values)

    def _with(self, other: object, operation: Operation, *, swapped: bool = False) -> Any:
        if not isinstance(other, int):
            return NotImplemented
        keys = tuple(dict.fromkeys((*self.keys, *(other.keys if isinstance(other, Size) else ()))))
        left, right = _over(keys, self), _over(keys, other)
        return Size(keys, operation(right, left) if swapped else operation(left, right))

    def __add__(self, other: int) -> Any:
        return self._with(other, operator.add)

    def __radd__(self, other: int) -> Any:
        return self._with(other, operator.add, swapped=True)

    def __sub__(self, other: int) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: int) -> Any:
        return self._with(other, operator.sub, swapped=True)

    def __mul__(self, other: int) -> Any:
        return self._with(other, operator.mul)

    def __rmul__(self, other: int) -> Any:
        return self._with(other, operator.mul, swapped=True)

    def __floordiv__(self, other: int) -> Any:
        return self._with(other, operator.floordiv)

    def __rfloordiv__(self, other: int) -> Any:
        return self._with(other, operator.floordiv, swapped=True)


def derived(function: Callable[[int], int], number: int) -> int:
    """Apply a function to a number that may be a width: `derived(lambda scale: round_to_8(24 * scale / 4), scale)`."""
    if not isinstance(number, Size):
        return function(number)
    return Size(number.keys, np.vectorize(lambda value: function(int(value)), otypes=[int])(number.values))


def _over(keys: tuple[str, ...], number: int) -> np.ndarray:
    """The values of a number with one axis for each of `keys`, of length 1 where it does not depend on the decision."""
    if not isinstance(number, Size):
        return np.array(number).reshape((1,) * len(keys))
    lengths = dict(zip(number.keys, number.values.shape, strict=True))
    order = sorted(range(len(number.keys)), key=lambda axis: keys.index(number.keys[axis]))
    return number.values.transpose(order).reshape([lengths.get(key, 1) for key in keys])
