"""What a supernet computes at the moment: the rows of its mix, and the masks of its sizes."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from nasforge.choices.sizes import Size
from nasforge.networks.known_mix import readable_mix


class Setting:
    """The mix of a forward pass, by decision."""

    def __init__(self) -> None:
        self._rows: Mapping[str, Tensor] = {}
        self._masks: dict[Any, Tensor] = {}
        self._chosen: dict[str, int | None] = {}

    def use(self, rows: Mapping[str, Tensor]) -> None:
        """Set the mixing weights (options,) of every decision, by key; an empty mapping forgets them."""
        self._rows, self._masks, self._chosen = rows, {}, {}

    def row(self, key: str) -> Tensor:
        """Return the mixing weights (options,) of a decision."""
        return self._rows[key]

    def used(self, key: str) -> Sequence[int]:
        """Return the options of a decision that are computed: those with a weight, if it costs nothing to ask.

        A device would have to answer, and a gradient needs all. A row of zeros computes all of them, to have a shape.
        """
        values = self._values(key)
        everything = range(len(self.row(key)))
        return everything if values is None else [index for index in everything if values[index]] or everything

    def number(self, size: Size) -> int | None:
        """Return a size's value where the mix decides for one, if it costs nothing to ask; otherwise None.

        A device would have to answer, and a gradient needs all values.
        """
        chosen = [self._option(key) for key in size.keys]
        return None if None in chosen else int(size.values[tuple(chosen)])

    def _option(self, key: str) -> int | None:
        if key not in self._chosen:
            values = self._values(key)
            self._chosen[key] = None if values is None else _place_of_one(values)
        return self._chosen[key]

    def _values(self, key: str) -> list[float] | None:
        """The weights of a decision, if they lie on the CPU and need no gradient."""
        row = readable_mix(self._rows)[key]
        if row.device.type != "cpu" or (row.requires_grad and torch.is_grad_enabled()):
            return None
        weights: list[float] = row.tolist()
        return weights

    def mask(self, size: Size, table: Tensor) -> Tensor:
        """Return the weight of each unit (units,) of a size: the probability that the size is larger than its index.

        Args:
            table: (options of each decision..., units) of zeros and ones: see `table_of`.
        """
        known = size.keys, size.values.tobytes()
        if known not in self._masks:
            axes = string.ascii_lowercase[: len(size.keys)]
            rows = [self.row(key).to(table) for key in size.keys]
            self._masks[known] = torch.einsum(f"{','.join(axes)},{axes}z->z", *rows, table)
        return self._masks[known]


class FollowsSetting(nn.Module):
    """A module of a supernet that reads the supernet's setting; `attach` connects it."""

    def attach(self, setting: Setting) -> None:
        """Read this setting in each forward pass."""
        vars(self)["_setting"] = setting

    @property
    def setting(self) -> Setting:
        """The supernet's setting."""
        return cast(Setting, vars(self)["_setting"])


def table_of(size: Size) -> Tensor:
    """Return (options of each decision..., units): whether a unit belongs to the size under these options."""
    values = torch.tensor(size.values)  # on the default device, like the range
    return (torch.arange(int(size)) < values.unsqueeze(-1)).float()


def _place_of_one(values: Sequence[float]) -> int | None:
    """The place of the one, if all others are zeros; otherwise None."""
    return values.index(1) if values.count(0) == len(values) - 1 and 1 in values else None
