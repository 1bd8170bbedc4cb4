"""A module with choices as a search space."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge.architecture import Architecture, CellGraph, Gene
from nasforge.choices.checks import check_logits, check_shapes, check_supernet
from nasforge.choices.decisions import Decision, count, decisions_of
from nasforge.choices.extremes import Best, extreme
from nasforge.choices.network import ChosenNetwork
from nasforge.choices.plan import Plan, planned
from nasforge.choices.supernet import ChoiceSupernet, grouped
from nasforge.errors import ArchitectureError, OptionError
from nasforge.randomness import isolated
from nasforge.space import Elastic, Mix, Network, Shape, Supernet, VectorEncoded

REFERENCE: tuple[Shape, int] = (3, 32, 32), 10
"""Images and classes for which the decisions are read; they do not depend on them."""


class ChoiceSpace(Elastic, VectorEncoded):
    """The networks that a constructor with `choice`, `repeat`, `width` and `kernel` can build.

    An architecture has a gene for each decision: the name of an option, a depth, a width or a kernel size. Genes of
    decisions without effect, such as those of blocks that a depth leaves out, do not count for `function_key`.
    """

    @abstractmethod
    def module(self, input_shape: Shape, classes: int) -> nn.Module:
        """Build the module, which returns logits (B, classes); its constructor declares the choices."""

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions, in the order of their declaration.

        Raises:
            OptionError: the module declares none, or wrong ones; the message says which.
        """
        plan = Plan(None)
        with isolated(0), planned(plan):
            module = self.module(*REFERENCE)
        decisions = decisions_of(module, plan)
        if not decisions:
            raise OptionError(
                f"{type(module).__name__} declares no choice: nothing can be searched. Its constructor must call "
                "nasforge.choice, repeat, width or kernel"
            )
        return decisions

    @property
    def size(self) -> int:
        """The number of different architectures; decisions without effect are not counted."""
        return count(self.decisions)

    # Architectures

    def validate(self, architecture: Architecture) -> Architecture:
        """The architecture with its notation: the decisions that have an effect."""
        if architecture.space != self.name:
            raise ArchitectureError(
                f"an architecture of space '{architecture.space}' does not belong to space '{self.name}'"
            )
        genes = dict(architecture.genes)
        if unknown := sorted(set(genes) - {decision.name for decision in self.decisions}):
            raise ArchitectureError(f"space '{self.name}' has no decision '{unknown[0]}'")
        for decision in self.decisions:
            if (gene := architecture[decision.name]) not in decision.options:
                raise ArchitectureError(
                    f"field '{decision.name}' is {gene!r}; it must be one of {', '.join(map(str, decision.options))}"
                )
        return self._architecture(genes)

    def function_key(self, architecture: Architecture) -> Hashable:
        """The decisions that have an effect."""
        return tuple((decision.name, architecture[decision.name]) for decision in self._active(architecture))

    def draw(self, architecture: Architecture) -> Sequence[CellGraph]:
        """A list of the decisions that have an effect. Arrows would say how data flow, which the module decides."""
        chosen = (f"{decision.name}: {architecture[decision.name]}" for decision in self._active(architecture))
        return [CellGraph("choices", tuple(chosen), (), chain=True)]

    def chosen(self, architecture: Architecture) -> dict[str, int]:
        """Return the index of each decision's option, by key."""
        return {each.key: each.options.index(architecture[each.name]) for each in self.decisions}

    def _active(self, architecture: Architecture) -> list[Decision]:
        chosen = self.chosen(architecture)
        return [decision for decision in self.decisions if decision.active(chosen)]

    def _architecture(self, genes: Mapping[str, Gene]) -> Architecture:
        return Architecture.of(self.name, genes, self.notation(Architecture.of(self.name, genes)))

    def notation(self, architecture: Architecture) -> str:
        """Return an architecture's notation for people: the decisions that have an effect."""
        return " ".join(f"{decision.name}={architecture[decision.name]}" for decision in self._active(architecture))

    # Vectors

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The number of options of each decision."""
        return tuple(len(decision.options) for decision in self.decisions)

    def encode(self, architecture: Architecture) -> np.ndarray:
        """The index of each decision's option, also of decisions without effect."""
        return np.array(list(self.chosen(self.validate(architecture)).values()))

    def decode(self, vector: np.ndarray) -> Architecture:
        """The architecture for the index of each decision's option."""
        if len(vector) != len(self.decisions):
            raise ArchitectureError(f"a vector of space '{self.name}' has {len(self.decisions)} integers, not {vector}")
        pairs = zip(self.decisions, vector, strict=True)
        return self._architecture({decision.name: decision.options[int(index)] for decision, index in pairs})

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Change one decision that has an effect."""
        key = self.function_key(architecture)
        while self.function_key(child := super().mutate(architecture, rng)) == key:
            pass
        return child

    # Sizes

    @cached_property
    def largest(self) -> Architecture:
        """The largest sizes, and of each choice the option with the most parameters."""
        return self._extreme(max)

    @cached_property
    def smallest(self) -> Architecture:
        """The smallest sizes, and of each choice the option with the fewest parameters."""
        return self._extreme(min)

    def _extreme(self, best: Best) -> Architecture:
        def parameters(vector: np.ndarray) -> int:
            with isolated(0), torch.device("meta"):
                network = self._network(self.decode(vector), *REFERENCE)
            return sum(parameter.numel() for parameter in network.parameters())

        return self.decode(extreme(self.decisions, best, parameters))

    # Networks

    def build(
        self,
        architecture: Architecture,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        auxiliary: bool = False,
    ) -> Network:
        """The module with what was chosen; `channels`, `cells` and `auxiliary` have no effect, because the module's
        constructor decides its sizes. See `SearchSpace.build`.

        Before the first network for some images, it passes images through networks that together have every option.

        Raises:
            OptionError: the module cannot be built, or one of these networks does not return logits; the message names
                the place.
        """
        self._check(input_shape, classes)
        module = self._network(architecture, input_shape, classes)
        return module if isinstance(module, Network) else ChosenNetwork(module)

    def supernet(
        self,
        input_shape: Shape,
        classes: int,
        *,
        channels: int | None = None,
        cells: int | None = None,
        partial_channels: int | None = None,
        include_none: bool | None = None,
        pool_normalization: bool | None = None,
    ) -> Supernet:
        """The module with all choices; see `WeightSharing.supernet`.

        Raises:
            OptionError: the module cannot be built, or its networks do not compute what the supernet computes with
                their share of its weights; the message names the place.
        """
        self.check_supernet_choices(
            partial_channels=partial_channels, include_none=include_none, pool_normalization=pool_normalization
        )
        with planned(Plan(None)):
            supernet = ChoiceSupernet(self.module(input_shape, classes), self.decisions)
        if next(supernet.parameters()).device.type != "meta":
            check_shapes(supernet, input_shape)
            double = copy.deepcopy(supernet).double()
            with isolated(0):
                for architecture in self._extremes():
                    network = self._network(architecture, input_shape, classes)
                    check_logits(network, input_shape, classes)
                    check_supernet(double, network, self.chosen(architecture), self.mix_of(architecture), input_shape)
        return supernet

    def _check(self, input_shape: Shape, classes: int) -> None:
        case = input_shape, classes, torch.empty(0).device.type  # on `meta`, nothing shows random numbers
        if case not in self._checked:
            with isolated(0):
                for architecture in self._extremes():
                    check_logits(self._network(architecture, input_shape, classes), input_shape, classes)
            self._checked.add(case)

    @cached_property
    def _checked(self) -> set[tuple[Shape, int, str]]:
        return set()

    def _network(self, architecture: Architecture, input_shape: Shape, classes: int) -> nn.Module:
        with planned(Plan(self.chosen(self.validate(architecture)))):
            return self.module(input_shape, classes)

    def _extremes(self) -> list[Architecture]:
        """For every option of each decision an architecture that has it, with others at their first or last option."""
        longest = max(self.cardinalities)
        rows = [tuple(index % length for length in self.cardinalities) for index in range(longest)]
        last = tuple(length - 1 for length in self.cardinalities)
        return [self.decode(np.array(row)) for row in dict.fromkeys([*rows, last])]

    # Mixing weights

    @property
    def mix_labels(self) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """The decisions' names, and their options where all decisions of a group have the same."""
        return {
            group: ([decision.name for decision in rows], _shared_options(rows))
            for group, rows in grouped(self.decisions).items()
        }

    def mix(self, alphas: Mapping[str, Tensor], betas: Mapping[str, Tensor] | None = None) -> Mix:
        """Softmax over the options of each decision. Betas have no effect: each decision is a node of its own."""
        return {group: torch.softmax(rows, dim=-1) for group, rows in alphas.items()}

    def mix_of(self, architecture: Architecture) -> Mix:
        """One-hot rows, also for decisions without effect."""
        chosen = self.chosen(self.validate(architecture))
        return {
            group: F.one_hot(torch.tensor([chosen[each.key] for each in rows]), len(rows[0].options)).float()
            for group, rows in grouped(self.decisions).items()
        }

    def derive(self, mix: Mix) -> Architecture:
        """For each decision the option with the largest weight; ties keep the first one."""
        genes = {}
        for group, rows in grouped(self.decisions).items():
            for decision, index in zip(rows, mix[group].argmax(dim=1).tolist(), strict=True):
                genes[decision.name] = decision.options[index]
        return self._architecture(genes)


def _shared_options(decisions: Sequence[Decision]) -> list[str]:
    kinds = {decision.options for decision in decisions}
    options = kinds.pop() if len(kinds) == 1 else range(1, len(decisions[0].options) + 1)
    return [str(option) for option in options]
