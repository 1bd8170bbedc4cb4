"""Write a recorded forward pass as statements."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from nasforge.errors import ExportError
from nasforge.plain.calls import Batch, Call, Forward, Own, Slice, Value
from nasforge.plain.layout import bare, wrapped
from nasforge.plain.parts import Part

IMPORTED = frozenset(("torch", "nn", "F", "Tensor", "self"))
"""Names that a variable must not take."""
INSIDE = 60
"""The longest expression that is written inside another one."""
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "pow": "**"}


class Body:
    """The forward pass of one class as statements.

    A value that is read once stands where it is read, or, from layer to layer, in the variable `x`.
    """

    def __init__(self, part: Part, forward: Forward) -> None:
        self._part, self._forward = part, forward
        outputs = [value for value in forward.outputs if isinstance(value, Value)]
        self._reads = Counter([*(value for call in forward.calls for value in call.reads), *outputs])
        self._reader = {value: call for call in forward.calls for value in call.reads}
        self._written = {Value(number): name for number, name in enumerate(forward.inputs)}
        self._behind: dict[Value, tuple[Value, ...]] = {
            value: (value,) for value in self._written
        }  # the variables in what is written for a value
        self._holders = {name: value for value, name in self._written.items()}

    def lines(self) -> Iterator[str]:
        """Return the lines of the function's body, indented."""
        for call in self._forward.calls:
            expression = self._call(call)
            behind = tuple(variable for value in call.reads for variable in self._behind[value])
            if not call.unpacked and self._stands_inside(call, expression):
                self._written[call.results[0]], self._behind[call.results[0]] = expression, behind
                continue
            self._reads.subtract(behind)
            names = [self._name(call, value) for value in call.results]
            target = f"{names[0]}," if call.unpacked and len(names) == 1 else ", ".join(names)
            yield from wrapped(f"        {target} = {bare(expression)}")
        yield from wrapped(f"        return {', '.join(bare(self._text(each)) for each in self._forward.outputs)}")

    def _stands_inside(self, call: Call, expression: str) -> bool:
        """Whether the call is written where its result is read: only if that is one place, and not in a chain."""
        if self._reads[call.results[0]] != 1:
            return False
        reader = self._reader.get(call.results[0])
        return reader is None or (len(expression) <= INSIDE and not (call.submodule and reader.submodule))

    def _name(self, call: Call, value: Value) -> str:
        """A variable for a result: a free one, or one whose value is not read any more."""
        named = call.submodule and self._reads[value] > 1
        name = self._part.renamed[call.function] if named else "x"
        number, free = 0, name
        while free in IMPORTED or (free in self._holders and self._reads[self._holders[free]]):
            number += 1
            free = f"{name}{'_' if name[-1].isdigit() else ''}{number}"
        self._holders[free] = value
        self._written[value], self._behind[value] = free, (value,)
        return free

    def _call(self, call: Call) -> str:
        if call.submodule:
            name = self._part.renamed[call.function]
            return f"self.{name}({self._listed(call.arguments, call.keywords)})"
        space, _, name = call.function.rpartition(".")
        if space == "torch.Tensor":
            return self._method(call, name)
        if space == "torch.nn.functional":
            function = f"F.{name}"
        elif space == "torch" or space.startswith("torch."):
            function = call.function
        else:
            raise ExportError(f"'{call.function}' is not a function of torch that can be written")
        keywords = _needed(getattr(F, name, None) if space.endswith("functional") else None, call.keywords)
        return f"{function}({self._listed(call.arguments, keywords)})"

    def _method(self, call: Call, name: str) -> str:
        first, *others = call.arguments
        plain = name.removesuffix("_") if not name.endswith("__") else name
        if plain in _OPERATORS and len(others) == 1 and not call.keywords:
            left, right = self._operand(first, plain, left=True), self._operand(others[0], plain)
            return f"({left} {_OPERATORS[plain]} {right})"
        if name.startswith("__r") and name[3:-2] in _OPERATORS:
            return f"({self._text(others[0])} {_OPERATORS[name[3:-2]]} {self._text(first)})"
        if plain == "neg":
            return f"(-{self._text(first)})"
        if name == "__getitem__":
            return f"{self._text(first)}[{self._index(others[0])}]"
        if name.startswith("__"):
            raise ExportError(f"'{name}' of a tensor cannot be written as source code")
        return f"{self._text(first)}.{plain}({self._listed(others, call.keywords)})"

    def _operand(self, argument: Any, operator: str, left: bool = False) -> str:
        """An operand; a sum needs no brackets as the left side of another."""
        text = self._text(argument)
        simple = left and operator == "add" and " * " not in text and " - " not in text
        return bare(text) if simple else text

    def _listed(self, arguments: Sequence[Any], keywords: Sequence[tuple[str, Any]]) -> str:
        given = [bare(self._text(argument)) for argument in arguments]
        return ", ".join([*given, *(f"{name}={bare(self._text(value))}" for name, value in keywords)])

    def _index(self, argument: Any) -> str:
        items = argument if isinstance(argument, tuple) else (argument,)
        return ", ".join(self._text(item) for item in items)

    def _text(self, argument: Any) -> str:
        if isinstance(argument, Value):
            return self._written[argument]
        if isinstance(argument, Own):
            return f"self.{argument.name}"
        if isinstance(argument, Batch):
            factor = f"{argument.factor} * " if argument.factor != 1 else ""
            return f"{factor}{self._forward.inputs[0]}.shape[0]"
        if isinstance(argument, Slice):
            start, stop, step = (
                "" if part is None else str(part) for part in (argument.start, argument.stop, argument.step)
            )
            step = "" if step == "1" else step
            return f"{start}:{stop}" + (f":{step}" if step else "")
        if argument is ...:
            return "..."
        if isinstance(argument, tuple):
            inner = ", ".join(bare(self._text(item)) for item in argument)
            tensors = any(isinstance(item, Value | Own) for item in argument)
            return f"[{inner}]" if tensors else f"({inner}{',' if len(argument) == 1 else ''})"
        if argument is None or isinstance(argument, bool | int | float | str | torch.dtype):
            return str(argument) if isinstance(argument, torch.dtype) else repr(argument)
        if isinstance(argument, torch.device):
            return f"{self._forward.inputs[0]}.device"
        raise ExportError(f"an argument of the type {type(argument).__name__} cannot be written as source code")


def _needed(function: Any, keywords: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Keywords other than a function's defaults; `inplace` changes nothing."""
    try:
        defaults: Mapping[str, Any] = {
            name: parameter.default for name, parameter in inspect.signature(function).parameters.items()
        }
    except (TypeError, ValueError):
        defaults = {}
    if not defaults or "args" in defaults:
        defaults = {"padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}
    return [(name, value) for name, value in keywords if name != "inplace" and defaults.get(name, ...) != value]
