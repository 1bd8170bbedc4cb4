"""All networks of a module with choices, as one network with shared weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from nasforge.choices.decisions import Decision, conditions, path_in_network
from nasforge.choices.elastic import make_elastic, sizes_of
from nasforge.choices.setting import FollowsSetting, Setting
from nasforge.errors import OptionError
from nasforge.networks.known_mix import KnownMix
from nasforge.space import Mix, Supernet


def group_of(decision: Decision) -> str:
    """Return the name of the decisions with as many options: the rows of one tensor of a mix."""
    return f"{len(decision.options)}_options"


def grouped(decisions: Sequence[Decision]) -> dict[str, list[Decision]]:
    """Return the decisions by group, in their order."""
    groups: dict[str, list[Decision]] = {}
    for decision in sorted(decisions, key=lambda decision: len(decision.options)):
        groups.setdefault(group_of(decision), []).append(decision)
    return groups


class ChoiceSupernet(Supernet):
    """A module that was built with everything, computing under a mix.

    Args:
        module: as its constructor made it; its layers with variable sizes are replaced.
        decisions: those of the module.

    Raises:
        OptionError: a layer cannot follow a variable size; the message names its path.
    """

    def __init__(self, module: nn.Module, decisions: Sequence[Decision]) -> None:
        super().__init__()
        self.options: Mapping[str, int | bool] = {}
        self.groups = grouped(decisions)
        self.alpha_shapes = {group: (len(rows), len(rows[0].options)) for group, rows in self.groups.items()}
        self.module, self._setting = module, Setting()
        for path, part in module.named_modules():
            if isinstance(part, FollowsSetting):
                part.attach(self._setting)
            elif type(part).__module__.startswith("torch.nn") and sizes_of(part):
                try:
                    make_elastic(part, self._setting)
                except OptionError as error:
                    raise OptionError(f"{path}: {error}") from None

    def forward(self, images: Tensor, mix: Mix) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W).

        Args:
            mix: for each number of options the weights (decisions, options); rows of inactive decisions have no effect.

        Raises:
            ValueError: a tensor of the mix has a wrong shape.
        """
        for group in self.groups:
            if tuple(mix[group].shape) != self.alpha_shapes[group]:
                raise ValueError(
                    f"mix['{group}'] has shape {tuple(mix[group].shape)}; this supernet expects "
                    f"{self.alpha_shapes[group]}"
                )
        rows = self._by_decision(mix)
        self._setting.use(KnownMix(rows, self._by_decision(mix.on_cpu)) if isinstance(mix, KnownMix) else rows)
        try:
            logits: Tensor = self.module(images)
        finally:
            self._setting.use({})
        return logits

    def _by_decision(self, mix: Mix) -> dict[str, Tensor]:
        """The rows of a mix by the keys of their decisions."""
        return {
            decision.key: row
            for group, decisions in self.groups.items()
            for decision, row in zip(decisions, mix[group].unbind(), strict=True)
        }

    def weights_for(self, network: nn.Module, chosen: Mapping[str, int]) -> dict[str, Tensor]:
        """Return the tensors that a network of these options inherits, by their names in the network.

        A smaller layer takes the first weights of the largest, and of its kernels the center.

        Args:
            network: the user's module, built with these options (indices by decision's key).

        Raises:
            OptionError: the network and the supernet differ in more than what was chosen.
        """
        wanted, weights = network.state_dict(), {}
        for path, tensor in self.module.state_dict().items():
            if all(chosen[key] in options for key, options in conditions(self.module, path)):
                name = path_in_network(self.module, path)
                if name in wanted:
                    weights[name] = _part(tensor, wanted[name].shape)
                else:
                    raise OptionError(_differently_built(self.module, name))
        if lacking := wanted.keys() - weights.keys():
            raise OptionError(_differently_built(self.module, min(lacking)))
        return weights


def _differently_built(module: nn.Module, name: str) -> str:
    return (
        f"{type(module).__name__}: only one of the supernet and a network has '{name}'; the constructor must build the "
        "same layers whatever the value of a width or kernel is"
    )


def _part(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The first units of a tensor in each dimension, and the center of a convolution's kernels."""
    for dimension, (largest, size) in enumerate(zip(tensor.shape, shape, strict=True)):
        center = tensor.ndim == 4 and dimension >= 2
        tensor = tensor.narrow(dimension, (largest - size) // 2 if center else 0, size)
    return tensor
