"""A store of trained tensors that new networks begin with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nasforge.architecture import Architecture
from nasforge.errors import RunError, text_of
from nasforge.journal.journal import atomic
from nasforge.networks.weight_inheritance import WeightInheritance

VERSION = "1"
"""The version of the file's layout; files of other versions are refused."""
FACTS = "nasforge weight store"
"""The entry of the file's metadata that holds its facts."""


class WeightStore:
    """Trained tensors by key and shape, for every network that has a tensor of that key and shape.

    Args:
        tensors: by entry: a `WeightInheritance.weight_key` and a shape.
        facts: what they belong to, such as space, width and classes; a store is used only if all facts match.
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
            facts: what it must belong to; None accepts any.

        Raises:
            RunError: the file does not exist, is not a weight store, or belongs to something else; says what it holds.
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
            listed = ", ".join(f"{name} {value}" for name, value in sorted(held.items()))
            listed = listed or "no facts: it is no weight store"
            missing = ", ".join(f"{name} {wanted[name]}" for name in differing)
            raise RunError(f"the weight store {path} holds {listed}; this search needs {missing}")
        held.pop("version")
        return cls(load_file(path), held)

    def save(self, path: Path) -> None:
        """Write it to a safetensors file, atomically."""
        with atomic(path) as temporary:
            # A single entry, because safetensors writes several in an order that differs from file to file.
            save_file(self.tensors, temporary, metadata={FACTS: json.dumps(self.facts, sort_keys=True)})

    def hand_on(self, space: WeightInheritance, architecture: Architecture, network: nn.Module) -> float:
        """Copy all tensors that fit into a network that `space.build` made of `architecture`; others stay unchanged.

        Returns:
            The share of its tensors, in [0, 1], that it inherited. Tensors that must not be inherited do not count.
        """
        own = network.state_dict()
        wanted = entries(space, architecture, own)
        inherited = {name: self.tensors[entry] for name, entry in wanted.items() if entry in self.tensors}
        with torch.no_grad():
            for name, tensor in inherited.items():
                own[name].copy_(tensor)
        return len(inherited) / len(wanted) if wanted else 0.0


def entries(space: WeightInheritance, architecture: Architecture, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The store's entry for each tensor, by the tensor's name; tensors that must not be inherited are left out."""
    keys = {name: space.weight_key(architecture, name) for name in tensors}
    return {name: entry_of(key, tensors[name]) for name, key in keys.items() if key is not None}


def entry_of(key: str, tensor: Tensor) -> str:
    """A key and a shape as one string."""
    return f"{key} {'x'.join(map(str, tensor.shape))}"
