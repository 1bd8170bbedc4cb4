"""Record what a network computes: the calls that the forward pass of each of its modules makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from nasforge.errors import ExportError
from nasforge.plain.calls import Call, Forward, Own, Slice, Value, merged_batches, without_unused


def record(network: nn.Module, images: Tensor) -> dict[str, Forward]:
    """Run the network, in eval mode, on images (B, C, H, W), and on all but the last of them.

    Whatever depends on the image's size becomes a number; whatever depends on the batch size becomes a `Batch`.

    Returns:
        The forward pass of every module that is used and is not one of torch's layers, by its path; "" is the network.

    Raises:
        ExportError: the network does not make the same calls for all batches; names the module.
    """
    whole, smaller = (_Recorder(network).run(batch) for batch in (images, images[:-1]))
    if whole.keys() != smaller.keys():
        raise ExportError(f"the network uses its modules '{_differing(whole, smaller)}' for some batches only")
    sizes = len(images), len(images) - 1
    return {
        path: without_unused(merged_batches(path, forward, smaller[path], sizes)) for path, forward in whole.items()
    }


def is_layer(module: nn.Module) -> bool:
    """Whether it is one of torch's own layers, not a container of them."""
    return type(module).__module__.startswith("torch.nn.modules") and not is_container(module)


def is_container(module: nn.Module) -> bool:
    """Whether it is one of torch's containers, or computes as `nn.Sequential` does."""
    return type(module).forward is nn.Sequential.forward or isinstance(module, nn.ModuleList | nn.ModuleDict)


@dataclass
class _Frame:
    """A forward pass that is being recorded."""

    path: str
    inputs: tuple[str, ...] = ()
    known: dict[int, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    constants: dict[str, Tensor] = field(default_factory=dict)
    alive: list[Tensor] = field(default_factory=list)  # so that no id is used again
    count: int = 0

    def new(self, tensor: Tensor) -> Value:
        value = Value(self.count)
        self.known[id(tensor)], self.count = value, self.count + 1
        self.alive.append(tensor)
        return value

    def constant(self, tensor: Tensor) -> Own:
        name = f"constant_{len(self.constants)}"
        self.constants[name] = tensor
        self.alive.append(tensor)
        self.known[id(tensor)] = Own(name)
        return Own(name)


class _Recorder(TorchFunctionMode):
    """Records one forward pass of a network. Layers of torch are calls; what they call themselves is not recorded."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network
        self._paths: dict[int, list[str]] = {}
        for path, module in network.named_modules(remove_duplicate=False):
            self._paths.setdefault(id(module), []).append(path)
        self._frames: list[_Frame] = []
        self._muted = False
        self._forwards: dict[str, Forward] = {}
        self._zeros: dict[int, Tensor] = {}  # results of a multiplication by 0, by id

    def run(self, images: Tensor) -> dict[str, Forward]:
        modules = list(self._network.modules())
        for module in modules:
            module.forward = partial(self._called, module, module.forward)
        try:
            with torch.no_grad(), self:
                self._network(images)
        finally:
            for module in modules:
                del module.forward
        return self._forwards

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = resolve_name(func)
        if not self._muted and self._frames and name is not None and (tensors := _tensors(out)):
            writes = (kwargs and kwargs.get("inplace")) or (name.endswith("_") and not name.endswith("__"))
            if self._adds_zero(name, args, out):
                return out
            if writes or not any(out is argument for argument in args):
                self._add(name, args, kwargs or {}, tensors, not isinstance(out, Tensor))
        if name == "torch.Tensor.__setitem__" and not self._muted:
            raise ExportError(f"module '{self._frames[-1].path}' writes into a tensor by index")
        return out

    def _adds_zero(self, name: str, args: Any, out: Any) -> bool:
        """Whether a sum has a term that is zero everywhere, such as `none` in a cell; the result is the other term."""
        if name in ("torch.Tensor.mul", "torch.Tensor.mul_") and isinstance(args[1], float) and not args[1]:
            self._zeros[id(out)] = out
        if name not in ("torch.Tensor.add", "torch.Tensor.add_") or not all(isinstance(term, Tensor) for term in args):
            return False
        other = [term for term in args if id(term) not in self._zeros]
        if len(other) == 2 or any(term.shape != out.shape for term in args):
            return False
        known = self._argument(self._frames[-1], other[0] if other else args[0])
        if other:
            self._zeros.pop(id(out), None)
        else:
            self._zeros[id(out)] = out
        self._frames[-1].known[id(out)] = known
        self._frames[-1].alive.append(out)
        return True

    def _add(
        self, name: str, args: Any, kwargs: Any, tensors: Sequence[Tensor], unpacked: bool, submodule: bool = False
    ) -> None:
        frame = self._frames[-1]
        read = partial(self._argument, frame)
        arguments, keywords = tuple(map(read, args)), tuple((key, read(value)) for key, value in kwargs.items())
        results = tuple(frame.new(tensor) for tensor in tensors)
        frame.calls.append(Call(name, arguments, keywords, results, unpacked, submodule))

    def _argument(self, frame: _Frame, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            return frame.known[id(argument)] if id(argument) in frame.known else frame.constant(argument)
        if isinstance(argument, list | tuple):
            return tuple(self._argument(frame, item) for item in argument)
        if isinstance(argument, slice):
            return Slice(argument.start, argument.stop, argument.step)
        return argument

    def _called(self, module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stands for a module's `forward`: record the call in the frame of the module that calls it."""
        if is_layer(module):
            with self._silence():
                out = forward(*args, **kwargs)
            if any(out is argument for argument in args):  # nn.Identity, or dropout in eval mode
                return out
        else:
            out = self._in_frame(module, forward, args, kwargs)
        if self._frames and not self._muted:
            path = self._path_within(self._frames[-1].path, module)
            if not is_layer(module):
                args, kwargs = tuple(_tensors((args, kwargs))), {}
            self._add(path, args, kwargs, _tensors(out), not isinstance(out, Tensor), submodule=True)
        return out

    def _in_frame(self, module: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        path = self._path_within(self._frames[-1].path, module, whole=True) if self._frames else ""
        frame = _Frame(path)
        args, kwargs = self._apart((args, kwargs))
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            frame.known[id(tensor)] = Own(name)
        frame.inputs = tuple(name for name, tensor in _named(forward, args, kwargs) if frame.new(tensor))
        self._frames.append(frame)
        try:
            out = forward(*args, **kwargs)
            outputs = tuple(self._argument(frame, tensor) for tensor in _tensors(out))
            out = self._apart(out)
        finally:
            self._frames.pop()
        recorded = Forward(frame.inputs, tuple(frame.calls), outputs, frame.constants)
        if not is_container(module) and self._forwards.setdefault(path, recorded) != recorded:
            raise ExportError(f"module '{path}' computes something else when it is called again")
        return out

    def _path_within(self, owner: str, module: nn.Module, whole: bool = False) -> str:
        prefix = f"{owner}." if owner else ""
        for path in self._paths.get(id(module), ()):
            if path.startswith(prefix):
                return path if whole else path.removeprefix(prefix)
        raise ExportError(f"module '{owner}' calls a {type(module).__name__} that is not one of its submodules")

    def _apart(self, tree: Any) -> Any:
        """The tree with another object for every tensor in it that appears again: each place has a name of its own."""
        seen: set[int] = set()

        def apart(item: Any) -> Any:
            if isinstance(item, Tensor):
                again = id(item) in seen
                seen.add(id(item))
                with self._silence():
                    return item.detach() if again else item
            if isinstance(item, Mapping):
                return {key: apart(value) for key, value in item.items()}
            return type(item)(map(apart, item)) if type(item) in (list, tuple) else item

        return apart(tree)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before


def _tensors(tree: Any) -> list[Tensor]:
    """All tensors in a tree, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    items = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    return [tensor for item in items for tensor in _tensors(item)]


def _named(forward: Callable[..., Any], args: Any, kwargs: Any) -> list[tuple[str, Tensor]]:
    """The tensors among the arguments of a forward pass, each with a name for it, in the order of `_tensors`."""
    bound = inspect.signature(forward).bind(*args, **kwargs).arguments
    named: list[tuple[str, Tensor]] = []
    for name, argument in bound.items():
        tensors = _tensors(argument)
        names = [name] if isinstance(argument, Tensor) else [f"{name}_{number}" for number in range(len(tensors))]
        named += zip(names, tensors, strict=True)
    return named


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    return "', '".join(sorted(first.keys() ^ second.keys()))
