"""Turn the modules of a network into the classes that a person would write: one for all that differ only in sizes."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from nasforge.plain.parameters import Size, free_name, parameters_of, separate
from nasforge.plain.parts import Part

_BESIDE = ("torch", "nn", "F", "Tensor", "sys", "Path", "Any", "load_file", "load", "normalize", "prepare", "predict")
TAKEN = frozenset((*dir(builtins), *keyword.kwlist, *_BESIDE))
"""Names that a class or function must not have: those of Python, of imports, and of what exporters write beside it."""


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
    _collect(root, groups)
    ordered = list(groups.values())
    used = Counter(id(child) for group in ordered for child in group.children.values())
    taken = set(TAKEN)
    for group in ordered:
        kind = group.one.kind
        if kind == "class" or (kind == "sequence" and used[id(group)] > 1 and len(group.one.children) > 1):
            group.name = free_name(_name(group.one), taken)
            taken.add(group.name)
    for group in ordered:
        integers = [_integers(group, part) for part in group.parts]
        group.sizes, group.parameters = (separate if group.inline else parameters_of)(integers)
    return [group for group in ordered if group.one.kind in ("class", "sequence") and not group.inline]


def _collect(part: Part, groups: dict[Any, Group]) -> Group:
    children = {name: _collect(child, groups) for name, child in part.children.items()}
    fixed = tuple((a.name, a.default, None if a.size else a.value) for a in part.arguments)
    tensors = tuple((name, tensor.dim()) for name, tensor in part.tensors.items())
    used = tuple((name, id(child)) for name, child in children.items())
    key = (part.kind, part.label, part.forward, fixed, tensors if part.kind == "class" else (), used)
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


def _integers(group: Group, part: Part) -> list[tuple[str, int]]:
    """Each integer in the part, named after the argument that takes it."""
    own = part.own_sizes
    for name, child in part.children.items():
        own = own + group.children[name].arguments_of(child)
    return own
