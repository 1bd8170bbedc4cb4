"""Write the classes of a network as Python source that imports torch alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import torch

from nasforge.plain.body import Body
from nasforge.plain.groups import Group
from nasforge.plain.layout import wrapped
from nasforge.plain.parameters import Size
from nasforge.plain.parts import Argument


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
    yield from Body(part, forward).lines()


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
