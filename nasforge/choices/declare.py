"""What a user's constructor calls to declare choices."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from torch import nn

from nasforge.choices.blocks import Choice, Repeat
from nasforge.choices.plan import current_plan
from nasforge.choices.sizes import Size
from nasforge.errors import OptionError

Option = nn.Module | Callable[[], nn.Module]


def choice(*, name: str | None = None, **options: Option) -> nn.Module:
    """Declare that one of several modules is used.

    ```python
    self.conv = choice(conv3=Block(3), conv5=Block(5), skip=nn.Identity())
    ```

    Args:
        name: what the decision is called inside the module that encloses its layers; None: the path of its first layer.
        options: modules of equal output shapes by name, or functions without arguments that build them.

    Raises:
        OptionError: there are fewer than two options, or one is not a module.
    """
    if len(options) < 2:
        raise OptionError(f"choice() needs at least two options, such as conv3=..., skip=...; it has {len(options)}")
    plan = current_plan()
    key, chosen = plan.declare("option", tuple(options), name)
    if plan.everything:
        return Choice(key, {option: _built(option, made) for option, made in options.items()})
    taken = tuple(options)[chosen]
    return _built(taken, options[taken])


def repeat(build: Callable[..., nn.Module], *, depth: tuple[int, int], name: str | None = None) -> nn.Module:
    """Declare that a block is repeated, each time with its own weights and choices.

    ```python
    self.stage = repeat(lambda: Block(16), depth=(1, 4))
    self.stage = repeat(lambda place: Block(16, stride=1 if place else 2), depth=(1, 4))
    ```

    Args:
        build: builds one block; if it takes an argument, that is the block's place, from 0. All outputs have one shape,
            so only the first block may change it, and only if `depth` begins with 1 or more.
        depth: the smallest and the largest number of blocks.
        name: what the decision is called inside the module that encloses its layers; None: the path of its first layer.

    Raises:
        OptionError: the depth is no range, or `build` does not return a module.
    """
    least, most = _range(depth)
    takes_place = any(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
        for parameter in inspect.signature(build).parameters.values()
    )
    plan = current_plan()
    key, chosen = plan.declare("depth", tuple(range(least, most + 1)), name)
    blocks = []
    for position in range(most if plan.everything else least + chosen):
        with plan.inside(f"{key}.{position}."):
            blocks.append(_built(f"block {position}", partial(build, position) if takes_place else build))
    return Repeat(key, least, blocks) if plan.everything else nn.Sequential(*blocks)


def width(*values: int, name: str | None = None) -> int:
    """Declare a number of channels or features; smaller ones use the first weights of larger ones.

    ```python
    hidden = width(16, 32, 64)
    self.conv, self.norm = nn.Conv2d(3, hidden, 3, padding=1), nn.BatchNorm2d(hidden)
    self.head = nn.Linear(hidden, classes)
    ```

    Use it as a size of `nn.Conv2d`, `nn.Linear`, `nn.BatchNorm2d` and `nn.LayerNorm`, also after arithmetic with whole
    numbers (`4 * hidden`); `derived` applies any other function.

    Raises:
        OptionError: there are fewer than two different values, or one is below 1.
    """
    return _number("width", values, name)


def kernel(*values: int, name: str | None = None) -> int:
    """Declare the kernel size of an `nn.Conv2d`; smaller ones use the center of the largest.

    ```python
    size = kernel(3, 5, 7)
    self.conv = nn.Conv2d(16, 16, size, padding=size // 2)
    ```

    Raises:
        OptionError: there are fewer than two different values, or one is not an odd number.
    """
    if even := [value for value in values if value % 2 == 0]:
        raise OptionError(f"kernel{values}: {even[0]} has no center; kernel sizes must be odd")
    return _number("kernel", values, name)


def _built(option: str, made: Option) -> nn.Module:
    module = made if isinstance(made, nn.Module) else made()
    if not isinstance(module, nn.Module):
        raise OptionError(f"{option} is {type(module).__name__}, not a torch.nn.Module")
    return module


def _range(depth: Sequence[int]) -> tuple[int, int]:
    if len(depth) != 2 or not 0 <= depth[0] < depth[1]:
        raise OptionError(f"repeat(depth={depth}) must be the smallest and the largest depth, such as depth=(1, 4)")
    return depth[0], depth[1]


def _number(kind: str, values: tuple[int, ...], name: str | None) -> int:
    if len(set(values)) < 2 or len(set(values)) < len(values) or min(values) < 1:
        raise OptionError(f"{kind}{values} must have at least two different whole numbers, each 1 or more")
    plan = current_plan()
    key, chosen = plan.declare(kind, values, name)
    return Size((key,), np.array(values)) if plan.everything else values[chosen]
