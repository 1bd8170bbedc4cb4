"""The search space of a user's own module, whose constructor declares its choices."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import nn

from nasforge import ChoiceSpace, Importable, OptionError, Shape, importable, reason

GIVEN = ("input_shape", "in_channels", "classes")
"""Arguments that nasforge passes to the constructor, if it has them."""


class ModuleSpace(ChoiceSpace):
    """The networks of a `torch.nn.Module` whose constructor calls `nasforge.choice`, `repeat`, `width` and `kernel`.

    The constructor is given `classes`, their number, and `in_channels` or the whole `input_shape` (C, H, W), as far as
    it has arguments of these names.

    Args:
        target: MODULE:CLASS, or a name that a package registers in `nasforge.module`.
        arguments: further arguments of the constructor, by name.
    """

    name = "module"

    def __init__(self, *, target: Importable = "resnet", arguments: Mapping[str, Any] | None = None) -> None:
        self.target, self.arguments = target, dict(arguments or {})
        self.constructor = importable(target, "space.target")
        if not (isinstance(self.constructor, type) and issubclass(self.constructor, nn.Module)):
            raise OptionError(f"space.target={target} is not a class that inherits from torch.nn.Module")
        self._check_arguments()
        _ = self.decisions  # so that a wrong module is refused here

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """A hash of the file that defines the module's class; empty if it has none."""
        try:
            file = inspect.getsourcefile(self.constructor)
        except TypeError:  # it was not defined in a file
            return ""
        return sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""

    @cached_property
    def _accepts(self) -> frozenset[str]:
        """The constructor's arguments."""
        return frozenset(inspect.signature(self.constructor).parameters)

    def _check_arguments(self) -> None:
        for name in self.arguments:
            if name not in self._accepts or name in GIVEN:
                free = ", ".join(sorted(self._accepts - set(GIVEN))) or "none"
                raise OptionError(f"space.arguments.{name}: {self.target} has no such argument; it has {free}")

    def module(self, input_shape: Shape, classes: int) -> nn.Module:
        """The user's module.

        Raises:
            OptionError: its constructor raises an error.
        """
        values = (input_shape, input_shape[0], classes)
        given = {name: value for name, value in zip(GIVEN, values, strict=True) if name in self._accepts}
        try:
            module: nn.Module = self.constructor(**given, **self.arguments)
        except Exception as error:
            cause = str(error) if isinstance(error, OptionError) else reason(error)
            raise OptionError(f"space.target={self.target} cannot be built: {cause}") from error
        return module
