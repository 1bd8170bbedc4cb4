"""What a supernet computes at the moment: the rows of its mix, and the masks of its sizes."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from nasforge.choices.sizes import Size


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

    def number(self, size: Size) -> int | None:
        """Return a size's value where the mix decides for one, if it costs nothing to ask; otherwise None.

        A device would have to answer, and a gradient needs all values.
        """
        chosen = [self._option(key) for key in size.keys]
        return None if None in chosen else int(size.values[tuple(chosen)])

    def _option(self, key: str) -> int | None:
        if key not in self._chosen:
            self._chosen[key] = _only(self.row(key))
        return self._chosen[key]

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


def _only(row: Tensor) -> int | None:
    """The place of the one in a one-hot row of the CPU that needs no gradient; otherwise None."""
    if row.device.type != "cpu" or (row.requires_grad and torch.is_grad_enabled()):
        return None
    weights = row.tolist()
    return weights.index(1) if weights.count(0) == len(weights) - 1 and 1 in weights else None
