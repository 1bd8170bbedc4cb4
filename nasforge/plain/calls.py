"""What a forward pass computes, as values: its inputs, its calls of functions and submodules, and its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nasforge.errors import ExportError


@dataclass(frozen=True)
class Value:
    """A tensor that a forward pass receives or computes; numbered in the order in which it appears."""

    number: int


@dataclass(frozen=True)
class Own:
    """A parameter or buffer of the module itself, by its name; `constant_0` and so on are tensors without a name."""

    name: str


@dataclass(frozen=True)
class Batch:
    """The batch size times `factor`."""

    factor: int


@dataclass(frozen=True)
class Slice:
    """A slice, which Python 3.11 cannot hash."""

    start: Any
    stop: Any
    step: Any


@dataclass(frozen=True)
class Call:
    """One call of a function or of a submodule.

    Attributes:
        function: `torch.cat`, `torch.Tensor.mean`; the path of a submodule if `submodule`.
        results: the tensors that it returns, in order.
        unpacked: whether it returns a sequence of tensors instead of one.
    """

    function: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]
    results: tuple[Value, ...]
    unpacked: bool
    submodule: bool = False

    @property
    def reads(self) -> Iterator[Value]:
        """The values among its arguments."""
        return values_in((self.arguments, self.keywords))


@dataclass(frozen=True)
class Forward:
    """The forward pass of one module.

    Attributes:
        inputs: names of its tensors, which are the values 0, 1, ...
        outputs: the tensors that it returns.
        constants: tensors that are neither its inputs nor its parameters or buffers.
    """

    inputs: tuple[str, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Any, ...]
    constants: Mapping[str, Tensor] = field(default_factory=dict, compare=False, hash=False)


def values_in(argument: Any) -> Iterator[Value]:
    """All values in a tree of arguments."""
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, tuple):
        for item in argument:
            yield from values_in(item)


def merged_batches(path: str, first: Forward, second: Forward, sizes: tuple[int, int]) -> Forward:
    """One forward pass of two for different batch sizes."""

    def merged(a: Any, b: Any) -> Any:
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            return tuple(map(merged, a, b))
        if type(a) is not type(b) or (a != b and not isinstance(a, int)):
            raise ExportError(f"module '{path or 'the network'}' computes something else for another batch")
        if a == b:
            return a
        if a % sizes[0] or b % sizes[1] or a // sizes[0] != b // sizes[1]:
            raise ExportError(f"module '{path or 'the network'}' uses {a} for {sizes[0]} images, {b} for {sizes[1]}")
        return Batch(a // sizes[0])

    same = first.constants.keys() == second.constants.keys()
    if not same or any(not torch.equal(first.constants[name], second.constants[name]) for name in first.constants):
        raise ExportError(
            f"module '{path or 'the network'}' computes a tensor by other means than torch's functions, such as NumPy "
            "or an autograd function of its own; nothing else can be written as source code"
        )
    if len(first.calls) != len(second.calls) or first.inputs != second.inputs:
        raise ExportError(f"module '{path or 'the network'}' makes other calls for another batch")
    calls = tuple(
        replace(
            a,
            function=merged(a.function, b.function),
            arguments=merged(a.arguments, b.arguments),
            keywords=merged(a.keywords, b.keywords),
        )
        for a, b in zip(first.calls, second.calls, strict=True)
    )
    return replace(first, calls=calls)


def without_unused(forward: Forward) -> Forward:
    """Drop the calls whose results nothing reads."""
    needed = set(values_in(forward.outputs))
    calls: list[Call] = []
    for call in reversed(forward.calls):
        if needed & set(call.results):
            calls.append(call)
            needed |= set(call.reads)
    return replace(forward, calls=tuple(reversed(calls)))
