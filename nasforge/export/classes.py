"""Turn a recorded network into the classes that a person would write: one for all modules that differ only in sizes."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from nasforge.errors import ExportError
from nasforge.export.recording import Forward, Value, is_container, is_layer

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
    return short if short not in own else re.sub(r"\W", "_", path)


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


# Groups


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


@dataclass(eq=False)
class Group:
    """Parts that are equal except for sizes: a class, a function that makes a sequence, or a layer.

    Attributes:
        name: of the class or function; "" if it is written where it is used.
        sizes: all integers in it, in the order of its children.
        parameters: by name, the values that they have in each of the parts.
    """

    parts: list[Part]
    children: dict[str, Group]
    name: str = ""
    sizes: list[Size] = field(default_factory=list)
    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def one(self) -> Part:
        """Any of the parts."""
        return self.parts[0]

    @property
    def inline(self) -> bool:
        """Whether it is written where it is used."""
        return not self.name

    def arguments_of(self, part: Part) -> list[tuple[str, int]]:
        """What the constructor is given for one of the parts: names and integers."""
        place = self.parts.index(part)
        return [(name, values[place]) for name, values in self.parameters.items()]


def groups_of(root: Part) -> list[Group]:
    """All groups below and including the root's, each after those that it uses; layers are not among them."""
    groups: dict[Any, Group] = {}
    keys: dict[int, Any] = {}
    _collect(root, groups, keys)
    ordered = list(groups.values())
    used = Counter(id(child) for group in ordered for child in group.children.values())
    taken = {"nn", "F", "torch", "Tensor", "Path"}
    for group in ordered:
        kind = group.one.kind
        if kind == "class" or (kind == "sequence" and used[id(group)] > 1 and len(group.one.children) > 1):
            group.name = _free(_name(group.one), taken)
    for group in ordered:
        _parametrize(group)
    return [group for group in ordered if group.one.kind in ("class", "sequence") and not group.inline]


def _collect(part: Part, groups: dict[Any, Group], keys: dict[int, Any]) -> Group:
    children = {name: _collect(child, groups, keys) for name, child in part.children.items()}
    fixed = tuple((a.name, a.default, None if a.size else a.value) for a in part.arguments)
    tensors = tuple((name, tensor.dim()) for name, tensor in part.tensors.items())
    key = (part.kind, part.label, part.forward, fixed, tensors if part.kind == "class" else (),
           tuple((name, id(child)) for name, child in children.items()))  # fmt: skip
    group = groups.setdefault(key, Group([], children))
    group.parts.append(part)
    return group


def _name(part: Part) -> str:
    """`ReLUConvBN` makes the function `relu_conv_bn`; a class called `normal cell` is `NormalCell`."""
    text = (part.label or part.attribute).replace("ReLU", "Relu")
    words = re.split(r"\W+|_|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", text)
    if part.kind == "sequence":
        return "_".join(words).strip("_").lower()
    return part.label if part.label.isidentifier() else "".join(word[:1].upper() + word[1:] for word in words)


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    taken.add(free)
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


def _parametrize(group: Group) -> None:
    """Find the integers that differ between the parts; those that are always equal, or multiples, are one parameter."""
    columns = list(zip(*(_integers(group, part) for part in group.parts), strict=True))
    if group.inline:
        names = [f"{number} {re.sub(r'^[0-9]+ ', '', column[0][0])}" for number, column in enumerate(columns)]
        group.parameters = {
            name: tuple(value for _, value in column) for name, column in zip(names, columns, strict=True)
        }
        group.sizes = [Size(parameter=name) for name in names]
        return
    values = [tuple(value for _, value in column) for column in columns]
    roles = [_role(column[0][0]) for column in columns]
    varying = sorted({pair for pair in zip(map(_family, roles), values, strict=True) if len(set(pair[1])) > 1})
    bases: dict[_Column, str] = {}
    taken = {"self"}
    widths = {_base(varying, role, each) for role, each in zip(roles, values, strict=True) if _family(role) == "width"}
    widths -= {None}
    for role, each in zip(roles, values, strict=True):
        if len(set(each)) == 1:
            group.sizes.append(Size(constant=each[0]))
            continue
        base = _base(varying, role, each)
        assert base is not None  # its values differ
        if base not in bases:
            bases[base] = _free("channels" if widths == {base} and role.startswith("channels") else role, taken)
            group.parameters[bases[base]] = base[1]
        group.sizes.append(Size(parameter=bases[base], factor=_factor(each, base[1])))


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


def _integers(group: Group, part: Part) -> list[tuple[str, int]]:
    """Each integer in the part, named after the argument that takes it."""
    own = part.own_sizes
    for name, child in part.children.items():
        own = own + group.children[name].arguments_of(child)
    return own
