"""Find what makes the CPU wait for a GPU, or a GPU for the CPU, at the line that asks for it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WAITING_TAGS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_INDEXING = {"aten::index", "aten::index_put", "aten::index_put_"}
_TORCH = str(Path(torch.__file__).parent)


class HostRequests(ExitStack):
    """Inside this context, records each operator that synchronizes a device with the host.

    These are operators whose result, or its shape, depends on values (`item`, `nonzero`, `masked_select`, an index of
    booleans), those that read from one device and write to another, and numbers of Python that become a tensor
    (`torch.tensor([0, 1], device=...)`, `x[[0, 1]]`). A step that contains one cannot be captured as a CUDA graph.
    Every operator is computed as usual.

    Args:
        device: the device whose tensors count; work on the CPU's own tensors is free.
        copies: whether copies to and from the device count too.

    Attributes:
        found: for each kind of request a phrase that names the operator and the line of Python, in order.
    """

    def __init__(self, device: torch.device | str, *, copies: bool = True) -> None:
        super().__init__()
        self._kind, self._copies = torch.device(device).type, copies
        self.found: list[str] = []

    def __enter__(self) -> HostRequests:
        self.enter_context(_Operators(self))
        self.enter_context(_Numbers(self))
        return self

    def waits(self, func: Any, inputs: list[Tensor]) -> bool:
        """Whether the operator `func` has an answer, or a shape of it, that depends on values of the device."""
        if not self.on_device(inputs):
            return False
        if func._schema.name in _INDEXING:  # tagged for the sake of boolean indices alone
            return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in inputs[1:])
        return not _WAITING_TAGS.isdisjoint(func.tags)

    def copies(self, tensors: list[Tensor]) -> bool:
        """Whether the inputs and outputs of an operator are both on the device and elsewhere."""
        return self._copies and self.on_device(tensors) and len({tensor.device.type for tensor in tensors}) > 1

    def uploads(self, func: Any, args: tuple[Any, ...], made: Any) -> bool:
        """Whether the function `func` made a tensor on the device from numbers of Python."""
        if not self._copies:
            return False
        if func in (torch.tensor, torch.as_tensor):
            return self.on_device([made]) and not isinstance(args[0], Tensor)
        indexing = func in (Tensor.__getitem__, Tensor.__setitem__)
        return indexing and self.on_device([args[0]]) and _has_numbers(args[1])

    def on_device(self, tensors: list[Tensor]) -> bool:
        """Whether one of the tensors is on the device."""
        return any(tensor.device.type == self._kind for tensor in tensors)

    def record(self, what: str) -> None:
        """Add a request of the line that is being executed."""
        phrase = f"{what} in {_caller()}"
        if phrase not in self.found:
            self.found.append(phrase)


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator, in the backward pass too."""

    def __init__(self, requests: HostRequests) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._requests = requests

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = _tensors((args, kwargs))
        name = func._schema.name.replace("::", ".")
        if self._requests.waits(func, inputs):  # recorded first: a device without values raises an error
            self._requests.record(name)
            return func(*args, **kwargs or {})
        try:
            outputs = func(*args, **kwargs or {})
        except NotImplementedError:  # so does a copy from there
            self._requests.record(name)
            raise
        if self._requests.copies([*inputs, *_tensors(outputs)]):
            self._requests.record(name)
        return outputs


class _Numbers(TorchFunctionMode):
    """Sees the functions of torch that Python calls, with the lists that they are given."""

    def __init__(self, requests: HostRequests) -> None:
        super().__init__()
        self._requests = requests

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **kwargs or {})
        if self._requests.uploads(func, args, made):
            self._requests.record(f"torch.{func.__name__}" if func in (torch.tensor, torch.as_tensor) else "an index")
        return made


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _has_numbers(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, (list, range)) for part in parts)


def _caller() -> str:
    """The innermost line outside of torch and of this module, as FILE:LINE (FUNCTION)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith((_TORCH, __file__, "<")):
            return f"{code.co_filename}:{frame.f_lineno} ({code.co_name})"
        frame = frame.f_back
    return "the backward pass"
