"""Supernets in which the options of one decision share no weights (few-shot NAS, Zhao et al., ICML 2021)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nasforge.errors import OptionError, unknown
from nasforge.networks.known_mix import KnownMix, readable_mix
from nasforge.randomness import rng_of
from nasforge.space import Mix, Shape, Supernet, WeightSharing


class Row(NamedTuple):
    """A decision, as a row of a mix.

    Attributes:
        cell: the cell type.
        number: which row of that cell type it is.
        options: how many columns the row has.
    """

    cell: str
    number: int
    options: int

    def fixed(self, mix: Mix, option: int) -> Mix:
        """Return a copy of a mix in which this row takes one option."""
        rows = mix[self.cell].clone()
        rows[self.number] = 0
        rows[self.number, option] = 1
        fixed = {**mix, self.cell: rows}
        return KnownMix(fixed, self.fixed(mix.on_cpu, option)) if isinstance(mix, KnownMix) else fixed


def decision_rows(space: WeightSharing) -> dict[str, Row]:
    """Return the decisions that every architecture of a space takes, by name.

    The names are those of `WeightSharing.mix_labels`, such as `0-1` in `nasbench201` and `stages.0` in a module with
    choices; the cell type comes first where two have a decision of one name.
    """
    mix = space.mix_of(space.sample(rng_of("decision rows")))
    always = [
        Row(group.cell, *group.rows, options=mix[group.cell].shape[1])
        for group in space.row_groups(mix)
        if group.kept == len(group.rows) == 1
    ]
    names = [_name(space, row) for row in always]
    return {
        name if names.count(name) == 1 else f"{row.cell}:{name}": row for name, row in zip(names, always, strict=True)
    }


def _name(space: WeightSharing, row: Row) -> str:
    rows, _ = space.mix_labels.get(row.cell, ((), ()))
    return rows[row.number].replace(" → ", "-") if row.number < len(rows) else str(row.number)


class SplitSupernet(Supernet):
    """A supernet for each option of one decision, so that these options share no weights.

    In each of these supernets, all other decisions share weights as usual. All begin with the same weights. Each holds
    the weights of every option, so memory grows with their number.

    Args:
        supernet: the first of them.
        split: the decision's name, which becomes one of `options`.
        row: the decision.
    """

    def __init__(self, supernet: Supernet, split: str, row: Row) -> None:
        super().__init__()
        self.options = {**supernet.options, "split": split}
        self.alpha_shapes, self.row = supernet.alpha_shapes, row
        self.parts = nn.ModuleList([supernet, *(copy.deepcopy(supernet) for _ in range(1, row.options))])

    def forward(self, images: Tensor, mix: Mix) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W): the sum of the parts' logits, times the decision's weights.

        It leaves out parts of weight 0 in eval mode without gradients on a CPU, and always if it is `sparse`.
        """
        weights, on_cpu = mix[self.row.cell][self.row.number], images.device.type == "cpu"
        sparse = self.sparse or (on_cpu and not (self.training or torch.is_grad_enabled()))
        known = readable_mix(mix)[self.row.cell][self.row.number]
        present = [option for option in range(len(self.parts)) if not sparse or known[option] != 0]
        logits = [self._part(option, images, mix) * weights[option] for option in present]
        return torch.stack(logits).sum(dim=0)

    def _part(self, option: int, images: Tensor, mix: Mix) -> Tensor:
        part = self.parts[option]
        assert isinstance(part, Supernet)
        part.sparse = self.sparse
        logits: Tensor = part(images, self.row.fixed(mix, option))
        return logits


def build_supernet(space: WeightSharing, input_shape: Shape, classes: int, options: Mapping[str, Any]) -> Supernet:
    """Build a supernet with new weights.

    Args:
        options: those of `WeightSharing.supernet`, and `split`: the name of a decision whose options share no weights
            (`decision_rows`), or None.

    Raises:
        OptionError: see `WeightSharing.supernet`; or the space has no such decision.
    """
    own = dict(options)
    split = own.pop("split", None)
    supernet = space.supernet(input_shape, classes, **own)
    if split is None:
        return supernet
    rows = decision_rows(space)
    if split not in rows:
        needed = "it must be one that every architecture takes"
        raise OptionError(f"strategy.split={split}: {unknown('decision', split, rows, or_else=needed)}")
    return SplitSupernet(supernet, split, rows[split])
