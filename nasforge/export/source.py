"""Write the classes of a network as Python source that imports torch alone."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional as F

from nasforge.errors import ExportError
from nasforge.export.classes import Argument, Group, Part, Size
from nasforge.export.recording import Batch, Call, Forward, Own, Slice, Value

WIDTH = 110
INSIDE = 60
"""The longest expression that is written inside another one."""
_OPERATORS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "pow": "**"}


def source_of(groups: Sequence[Group]) -> str:
    """The definitions of all groups that have a name, in an order in which each is defined before it is used."""
    return "\n\n\n".join("\n".join(_lines(group)) for group in groups)


def _lines(group: Group) -> Iterator[str]:
    sizes = iter(group.sizes)
    parameters = ", ".join(f"{name}: int" for name in group.parameters)
    if group.one.kind == "sequence":
        yield f"def {group.name}({parameters}) -> nn.Sequential:"
        if group.one.about:
            yield f'    """{group.one.about}"""'
        yield from wrapped(f"    return {_constructed(group, sizes, body=True)}")
        return
    part, forward = group.one, group.one.forward
    assert forward is not None  # a class has one
    yield f"class {group.name}(nn.Module):"
    if part.about:
        yield f'    """{part.about}"""'
        yield ""
    if part.children or part.tensors:
        yield f"    def __init__(self{', ' if parameters else ''}{parameters}) -> None:"
        yield "        super().__init__()"
    for name, tensor in part.tensors.items():
        shape = ", ".join(str(next(sizes)) for _ in tensor.shape)
        made = f"torch.empty({shape}{', dtype=' + str(tensor.dtype) if tensor.dtype != torch.float32 else ''})"
        if isinstance(tensor, torch.nn.Parameter):
            yield f"        self.{name} = nn.Parameter({made})"
        else:
            yield f'        self.register_buffer("{name}", {made})'
    for name in part.children:
        yield from wrapped(f"        self.{name} = {_constructed(group.children[name], sizes)}")
    inputs = ", ".join(f"{name}: Tensor" for name in forward.inputs)
    several = len(forward.outputs) > 1
    returns = f"tuple[{', '.join(['Tensor'] * len(forward.outputs))}]" if several else "Tensor"
    if part.children or part.tensors:
        yield ""
    yield f"    def forward(self, {inputs}) -> {returns}:"
    yield from _Body(part, forward).lines()


def _constructed(group: Group, sizes: Iterator[Size], body: bool = False) -> str:
    """The expression that makes one of the group's parts; takes its integers from `sizes`."""
    part = group.one
    if part.kind == "sequence" and (body or group.inline):
        inner = ", ".join(_constructed(child, sizes) for child in group.children.values())
        return f"nn.Sequential({inner})"
    if part.kind in ("class", "sequence"):
        return f"{group.name}({', '.join(str(next(sizes)) for _ in group.parameters)})"
    return f"nn.{part.kind}({', '.join(_arguments(part.arguments, sizes))})"


def _arguments(arguments: Sequence[Argument], sizes: Iterator[Size]) -> Iterator[str]:
    positional = True
    for argument in arguments:
        size = next(sizes) if argument.size else None
        constant = argument.value if size is None else size.constant if not size.parameter else None
        has_default = argument.default is not inspect.Parameter.empty
        if has_default and constant == argument.default and not (size is not None and size.parameter):
            positional = False
            continue
        positional = positional and not has_default
        text = str(size) if size is not None else repr(argument.value)
        yield text if positional else f"{argument.name}={text}"


class _Body:
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
        for call in self._forward.calls:
            expression = self._call(call)
            behind = tuple(variable for value in call.reads for variable in self._behind[value])
            if not call.unpacked and self._stands_inside(call, expression):
                self._written[call.results[0]], self._behind[call.results[0]] = expression, behind
                continue
            self._reads.subtract(behind)
            names = [self._name(call, value) for value in call.results]
            target = f"{names[0]}," if call.unpacked and len(names) == 1 else ", ".join(names)
            yield from wrapped(f"        {target} = {_bare(expression)}")
        yield from wrapped(f"        return {', '.join(_bare(self._text(each)) for each in self._forward.outputs)}")

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
        while free in self._holders and self._reads[self._holders[free]]:
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
        return _bare(text) if simple else text

    def _listed(self, arguments: Sequence[Any], keywords: Sequence[tuple[str, Any]]) -> str:
        given = [_bare(self._text(argument)) for argument in arguments]
        return ", ".join([*given, *(f"{name}={_bare(self._text(value))}" for name, value in keywords)])

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
            inner = ", ".join(_bare(self._text(item)) for item in argument)
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


def _bare(expression: str) -> str:
    """The expression without brackets around all of it, unless they make a tuple."""
    inner = expression[1:-1]
    depths = list(accumulate((letter in "([") - (letter in ")]") for letter in expression))
    enclosed = expression.startswith("(") and 0 not in depths[:-1]
    return inner if enclosed and len(_split(inner, ",")) == 1 else expression


def wrapped(line: str) -> Iterator[str]:
    """The line, or if it is too long one line for each term of a sum, or for each item in its outermost brackets."""
    indent = re.match(r" *", line)[0]  # type: ignore[index]  # it always matches
    start = re.match(r" *(return |[\w., ]+ = )?", line)[0]  # type: ignore[index]
    terms = _split(line[len(start) :], " + ")
    if len(line) <= WIDTH or "(" not in line:
        yield line
    elif len(terms) > 1:
        yield f"{start}("
        for number, term in enumerate(terms):
            yield from wrapped(f"{indent}    {'+ ' if number else ''}{term}")
        yield f"{indent})"
    else:
        opening = min(place for place in (line.find("("), line.find("[")) if place >= 0)
        closing = max(line.rfind(")"), line.rfind("]"))
        yield line[: opening + 1]
        for item in _split(line[opening + 1 : closing], ", "):
            yield from wrapped(f"{indent}    {item},")
        yield f"{indent}{line[closing:]}"


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators outside all brackets."""
    depth, start, parts = 0, 0, []
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if not depth and text.startswith(separator, place):
            parts.append(text[start:place])
            start = place + len(separator)
    return [*parts, text[start:]]
