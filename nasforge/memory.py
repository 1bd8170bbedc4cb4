"""Estimate the memory of a run's networks before it begins, and refuse a network that cannot fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nasforge.devices.machine import GIB, memory_of
from nasforge.errors import NasforgeError, OptionError
from nasforge.randomness import isolated, rng_of
from nasforge.space import SearchSpace, Shape, Supernet, WeightSharing

if TYPE_CHECKING:
    from nasforge.data import SearchData

DEEPEST = 20_000
"""Feature maps are counted up to this number of layers, for which a pass takes ten seconds."""
PER_LAYER = 4
"""Upper bound on the feature maps that a layer saves for the backward pass; no known layer saves more."""


@dataclass(frozen=True, kw_only=True)
class PlannedNetwork:
    """A network or supernet that a run will build.

    Attributes:
        what: its name in messages: "the supernet".
        build: builds it from a space; called with a copy of the run's space on torch's meta device, where tensors have
            a shape but no memory.
        lower: the options to lower to make it smaller, for messages.
        shape: (C, H, W) of its images.
        batch_size: number of images in a training step; 0 if it is not trained.
        copies: how many copies are in memory at once.
        averaged: whether a moving average of its weights is in memory beside it.
        required: whether an error of the space is raised here; otherwise it is raised when the network is built.
    """

    what: str
    build: Callable[[Any], nn.Module]
    lower: str
    shape: Shape
    batch_size: int = 0
    copies: int = 1
    averaged: bool = False
    required: bool = False

    @classmethod
    def supernet(cls, build: Callable[[Any], Supernet], data: SearchData, **fields: Any) -> PlannedNetwork:
        """Plan a supernet to train on half of the images; `build` builds it from a space with `WeightSharing`."""
        batch = min(data.batch_size, len(data.train) // 2)
        fields = {"what": "the supernet", "lower": SUPERNET, "shape": data.input_shape, "batch_size": batch, **fields}
        return cls(build=build, required=True, **fields)

    @classmethod
    def any_architecture(cls, data: SearchData, size: Mapping[str, Any], **fields: Any) -> PlannedNetwork:
        """Plan a random architecture of the space, built at that size."""
        shape = fields.setdefault("shape", data.input_shape)

        def build(space: SearchSpace) -> nn.Module:
            return space.build(space.sample(rng_of("retraining")), shape, data.classes, **size)

        return cls(build=build, **fields)


SUPERNET = (
    "strategy.supernet.channels, strategy.supernet.cells (space.channels, space.cells if these are null) or "
    "data.batch_size"
)


def check_memory(
    planned: PlannedNetwork, space: SearchSpace, device: str, *, ranks: int = 1, half: bool = False
) -> None:
    """Refuse a network that cannot fit into the device's memory; accept one whose size cannot be determined.

    The estimate is a lower bound: weights with gradients, momentum and moving average, and the tensors that one batch
    saves for the backward pass.

    Args:
        ranks: number of devices that share a batch.
        half: whether training uses half precision, fully or in part.

    Raises:
        OptionError: it cannot fit; the message gives the sizes and the options to lower.
        NasforgeError: the space refuses to build it.
    """
    available, module = memory_of(device), _on_meta(planned, space)
    if module is None or available is None:
        return
    batch, share = -(-planned.batch_size // ranks), 0.5 if half else 1.0
    copies = planned.copies if device == "cpu" else 1  # a GPU need not hold copies that are idle
    tensors = copies + (2 if batch else 0) + planned.averaged  # training adds gradients and momentum
    weights, maps = share * tensors * sum(map(_bytes, module.parameters())), 0.0
    if batch and weights < available < weights + _most(module, planned.shape, batch):
        maps = share * _kept(module, space, planned.shape, batch)
    if weights + maps > available:
        what = f"{_parameters(module, copies)} take at least {weights / GIB:,.1f} GiB"
        if maps:
            pixels = f"{planned.shape[1]} x {planned.shape[2]} pixels"
            what += f", and a batch of {batch:,} images of {pixels} saves {maps / GIB:,.1f} GiB for its backward pass"
        raise OptionError(
            f"{planned.what} does not fit: {what}, but {'this machine' if device == 'cpu' else device} has "
            f"{available / GIB:,.1f} GiB; lower {planned.lower}"
        )


def _parameters(module: nn.Module, copies: int) -> str:
    count = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    return f"{count:,.1f} million parameters" + (f" each of {copies:,}" if copies > 1 else "")


def _on_meta(planned: PlannedNetwork, space: SearchSpace) -> nn.Module | None:
    """Build the module on the meta device; None if that fails."""
    try:
        with isolated(0), torch.device("meta"):
            return planned.build(deepcopy(space))  # a copy, because a space may cache tensors
    except NasforgeError:
        if planned.required:
            raise
        return None
    except Exception:  # a plug-in's space may use its tensors in ways that the meta device does not support
        return None


def _most(module: nn.Module, shape: Shape, batch: int) -> float:
    """Return an upper bound in bytes, as if every feature map had the largest width and the image's size. Most networks
    fit even then, which saves a pass of a second on the meta device. 0 for networks too deep for such a pass."""
    layers = sum(not list(part.children()) for part in module.modules())
    widest = max((parameter.shape[0] for parameter in module.parameters() if parameter.ndim), default=1)
    return 4.0 * PER_LAYER * layers * batch * widest * math.prod(shape[1:]) if layers <= DEEPEST else 0.0


def _kept(module: nn.Module, space: SearchSpace, shape: Shape, batch: int) -> int:
    """Return the bytes that one batch saves for the backward pass; 0 if that cannot be determined."""
    parameters = {_place(parameter) for parameter in module.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _place(tensor) not in parameters:
            kept[_place(tensor)] = tensor
        return tensor

    try:
        with isolated(0), torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            images = torch.empty(batch, *shape)
            if isinstance(module, Supernet) and isinstance(space, WeightSharing):
                module(images, space.mix({cell: torch.zeros(rows) for cell, rows in module.alpha_shapes.items()}))
            else:
                module(images)
    except Exception:  # as in `_on_meta`
        return 0
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _place(tensor: Tensor) -> int:
    """Identify the tensor's storage, which has no address on the meta device."""
    return int(tensor.untyped_storage()._cdata)
