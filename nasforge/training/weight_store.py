"""Trained tensors that networks hand on to each other, in immutable versions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nasforge.architecture import Architecture
from nasforge.errors import RunError, text_of
from nasforge.journal.journal import atomic
from nasforge.networks.cell_chain import WeightInheritance

VERSION = "1"
"""Of the layout of a store's file; files of another one are refused."""
FACTS = "nasforge weight store"
"""The entry of the file's metadata under which its facts lie."""

Trained = tuple[Architecture, Mapping[str, Tensor]]
"""An architecture and its network's tensors by their names in `state_dict`."""


class WeightStore:
    """Tensors by key and shape: what one network has learned, for every other one that has such a tensor.

    Args:
        tensors: by entry, a `WeightInheritance.weight_key` and a shape.
        facts: what they belong to (space, width, classes, ...): a store is only used where all of these are the same.
    """

    def __init__(self, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
        self.tensors = dict(tensors)
        self.facts = {"version": VERSION, **facts}

    def __len__(self) -> int:
        return len(self.tensors)

    @classmethod
    def read(cls, path: Path, facts: Mapping[str, str] | None = None) -> WeightStore:
        """The store in a safetensors file.

        Args:
            facts: what it must belong to; None takes any.

        Raises:
            RunError: there is no such file, it is no weight store, or it belongs to something else; with what it holds.
        """
        if path.is_dir():
            raise RunError(f"{path} is a folder; a weight store is a file, weights/version-N.safetensors of a run")
        try:
            with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
                held: dict[str, str] = json.loads((file.metadata() or {}).get(FACTS, "{}"))
        except (OSError, SafetensorError) as error:
            raise RunError(f"{path} cannot be read as a weight store: {text_of(error)}") from None
        wanted = {"version": VERSION, **(facts or {})}
        if differing := [name for name, value in wanted.items() if held.get(name) != value]:
            told = (
                ", ".join(f"{name} {value}" for name, value in sorted(held.items()))
                or "no facts: it is no weight store"
            )
            missing = ", ".join(f"{name} {wanted[name]}" for name in differing)
            raise RunError(f"the weight store {path} holds {told}; this search needs {missing}")
        held.pop("version")
        return cls(load_file(path), held)

    def save(self, path: Path) -> None:
        """Write it to a safetensors file, whole or not at all."""
        with atomic(path) as temporary:
            # One entry alone: safetensors writes several in an order that differs from file to file.
            save_file(self.tensors, temporary, metadata={FACTS: json.dumps(self.facts, sort_keys=True)})

    def refreshed(self, space: WeightInheritance, trained: Iterable[Trained]) -> WeightStore:
        """The next version: what trained networks have learned, the best network first.

        An entry takes the value of the first network that has it; networks are read until none of the store's own
        entries is left as it was. What no network has stays.
        """
        fresh: dict[str, Tensor] = {}
        for architecture, tensors in trained:
            for name, entry in entries(space, architecture, tensors).items():
                fresh.setdefault(entry, tensors[name].detach().cpu().contiguous().clone())
            if self.tensors.keys() <= fresh.keys():
                break
        return WeightStore({**self.tensors, **fresh}, self.facts)

    def hand_on(self, space: WeightInheritance, architecture: Architecture, network: nn.Module) -> float:
        """Copy what fits into a network that `space.build` made of `architecture`; other tensors stay as they are.

        Returns:
            The share of its tensors, in [0, 1], that it inherited; those that must not be inherited are not counted.
        """
        own = network.state_dict()
        wanted = entries(space, architecture, own)
        found = {name: self.tensors[entry] for name, entry in wanted.items() if entry in self.tensors}
        with torch.no_grad():
            for name, tensor in found.items():
                own[name].copy_(tensor)
        return len(found) / len(wanted) if wanted else 0.0


def entries(space: WeightInheritance, architecture: Architecture, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The store's entry for each tensor, by its name; those that must not be inherited are left out."""
    keys = {name: space.weight_key(architecture, name) for name in tensors}
    return {name: entry_of(key, tensors[name]) for name, key in keys.items() if key is not None}


def entry_of(key: str, tensor: Tensor) -> str:
    """A key and a shape in one word."""
    return f"{key} {'x'.join(map(str, tensor.shape))}"
