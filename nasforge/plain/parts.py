"""The modules of a recorded network that are to be written, and what each needs to be made."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from nasforge.errors import ExportError
from nasforge.plain.calls import Forward, Value
from nasforge.plain.recording import is_container, is_layer

LONGEST_SENTENCE = 100


@dataclass(frozen=True)
class Argument:
    """An argument of a layer's constructor; `size` if it is an integer, which may differ from module to module."""

    name: str
    value: Any
    default: Any
    size: bool


@dataclass(eq=False)
class Part:
    """A module of the network that is to be written.

    Attributes:
        kind: the layer's class in `torch.nn`; "class" for a module with a forward pass of its own, "sequence".
        label: what its class or function is to be called; "" for a sequence that is called after its `attribute`.
        about: what it computes, in a sentence.
        children: by attribute, or by number in a sequence.
        renamed: path of a submodule in the network -> its attribute.
        tensors: its own parameters, buffers and constants, by name.
    """

    kind: str
    label: str
    about: str = ""
    attribute: str = ""
    children: dict[str, Part] = field(default_factory=dict)
    arguments: tuple[Argument, ...] = ()
    forward: Forward | None = None
    renamed: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def own_sizes(self) -> list[tuple[str, int]]:
        """The integers of a layer, or the lengths of its own tensors, each with its name."""
        if self.kind == "class":
            return [(name, length) for name, tensor in self.tensors.items() for length in tensor.shape]
        return [(argument.name, argument.value) for argument in self.arguments if argument.size]

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """All tensors by the names that they have in the written network."""
        yield from self.tensors.items()
        for name, child in self.children.items():
            for path, tensor in child.weights():
                yield f"{name}.{path}", tensor


def parts_of(network: nn.Module, forwards: Mapping[str, Forward]) -> Part:
    """The parts of a recorded network that it uses; the root is the network, or the module to which it leaves all."""
    root = _part(network, "", forwards)
    while (inner := _wrapped(root)) is not None:
        root = inner
    return root


def _wrapped(part: Part) -> Part | None:
    """The only module that a part calls, if it passes on its inputs and returns the outputs."""
    forward = part.forward
    if forward is None or len(forward.calls) != 1 or not (call := forward.calls[0]).submodule or call.keywords:
        return None
    inputs = tuple(Value(number) for number in range(len(forward.inputs)))
    whole = call.arguments in (inputs, (inputs,)) and call.results == forward.outputs
    inner = next(iter(part.children.values()))
    return inner if whole and inner.kind == "class" else None


def _part(module: nn.Module, path: str, forwards: Mapping[str, Forward], attribute: str = "layers") -> Part:
    if is_layer(module):
        return _layer(module, path)
    label = getattr(module, "label", "") or type(module).__name__
    if is_container(module):
        used = [(name, child) for name, child in module.named_children() if not isinstance(child, nn.Identity)]
        children = {str(number): _part(child, f"{path}.{name}", forwards) for number, (name, child) in enumerate(used)}
        named = type(module) is not nn.Sequential or hasattr(module, "label")
        return Part("sequence", label if named else "", _about(module), attribute, children)
    forward = forwards[path]
    part = Part("class", label, _about(module), forward=forward, tensors=dict(_tensors(module, forward)))
    for call in forward.calls:
        if call.submodule and call.function not in part.renamed:
            name = _attribute(module, call.function, part.children)
            part.renamed[call.function] = name
            inner = f"{path}.{call.function}" if path else call.function
            part.children[name] = _part(module.get_submodule(call.function), inner, forwards, name)
    return part


def _about(module: nn.Module) -> str:
    """The first sentence of what its class says of itself; nothing for torch's own classes."""
    kind = type(module)
    text = " ".join(((not kind.__module__.startswith("torch.") and kind.__doc__) or "").split())
    sentence = re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
    if len(sentence) > LONGEST_SENTENCE:
        sentence = re.split("[:;] ", sentence, maxsplit=1)[0].rstrip(".") + "."
    return sentence.replace('"""', "").replace("\\", "")


def _tensors(module: nn.Module, forward: Forward) -> Iterator[tuple[str, Tensor]]:
    text = repr(forward.calls) + repr(forward.outputs)
    for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        if f"Own(name={name!r})" in text:
            yield name, tensor
    yield from forward.constants.items()


def _attribute(module: nn.Module, path: str, taken: Mapping[str, Part]) -> str:
    """A readable attribute for a submodule: `cells.0` is `cell_0`, a named entry of a dictionary has its name."""
    container, _, key = path.rpartition(".")
    if not container:
        return path
    words = re.sub(r"\W", "_", key)
    short = words if words.isidentifier() else f"{container.removesuffix('s')}_{words}"
    short = re.sub(r"\W", "_", short)
    own = {name for name, _ in module.named_children()} | set(taken)
    return short if short not in own and not keyword.iskeyword(short) else re.sub(r"\W", "_", path)


def _layer(module: nn.Module, path: str) -> Part:
    kind = type(module)
    arguments = []
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in ("device", "dtype") or (name == "bias" and getattr(module, "weight", 0) is None):
            continue
        try:
            value = getattr(module, name)
        except AttributeError:
            raise ExportError(
                f"layer '{path}', a {kind.__name__}, cannot be written: it does not keep its '{name}'"
            ) from None
        if name == "bias":
            value = value is not None
        if isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        size = isinstance(value, int) and not isinstance(value, bool)
        arguments.append(Argument(name, value, parameter.default, size))
    return Part(kind.__name__, kind.__name__, arguments=tuple(arguments), tensors=dict(module.state_dict()))
