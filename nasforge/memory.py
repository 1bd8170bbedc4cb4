"""What a run is going to build, counted before it begins: what no memory can hold is refused, with the figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nasforge.data import SearchData
from nasforge.devices.machine import GIB, memory_of
from nasforge.errors import NasforgeError, OptionError
from nasforge.randomness import isolated, rng_of
from nasforge.space import SearchSpace, Shape, Supernet, WeightSharing

DEEPEST = 20_000
"""Layers up to which the maps are counted: a pass through as many takes ten seconds."""
PER_LAYER = 4
"""Maps that a layer leaves for the backward pass, more than any that we know does."""


@dataclass(frozen=True, kw_only=True)
class PlannedNetwork:
    """A network or supernet that a run is going to build.

    Attributes:
        what: in the words of a message: "the supernet".
        build: makes it of a space; called with a copy of the run's, under torch's meta device, where tensors have a
            shape and no memory.
        lower: the options that make it smaller, for the message.
        shape: (C, H, W) of the images that it reads.
        batch_size: images of a training step; 0 if it is not trained.
        copies: how many of its kind are held at a time.
        required: whether a space that refuses to build it is heard here; else that is left to whoever builds it.
    """

    what: str
    build: Callable[[Any], nn.Module]
    lower: str
    shape: Shape
    batch_size: int = 0
    copies: int = 1
    required: bool = False

    @classmethod
    def supernet(cls, build: Callable[[Any], Supernet], data: SearchData, **rest: Any) -> PlannedNetwork:
        """A supernet that is trained on half of these images; `build` makes it of a space with `WeightSharing`."""
        batch = min(data.batch_size, len(data.train) // 2)
        own = {"what": "the supernet", "lower": SUPERNET, "shape": data.input_shape, "batch_size": batch, **rest}
        return cls(build=build, required=True, **own)

    @classmethod
    def any_architecture(cls, data: SearchData, size: Mapping[str, Any], **rest: Any) -> PlannedNetwork:
        """An architecture drawn from the space, built at that size."""
        shape = rest.setdefault("shape", data.input_shape)

        def build(space: SearchSpace) -> nn.Module:
            return space.build(space.sample(rng_of("retraining")), shape, data.classes, **size)

        return cls(build=build, **rest)


SUPERNET = (
    "strategy.supernet.channels, strategy.supernet.cells (space.channels, space.cells where these are null) or "
    "data.batch_size"
)


def check_memory(
    planned: PlannedNetwork, space: SearchSpace, device: str, *, ranks: int = 1, half: bool = False
) -> None:
    """Refuse a network that cannot fit into the device's memory; one whose size cannot be told beforehand passes.

    What is counted is the least that it takes: weights with gradients and momentum, and what one batch leaves for the
    backward pass.

    Args:
        ranks: devices that share a batch.
        half: whether it is trained in half precision, or in part.

    Raises:
        OptionError: it cannot fit; the message has the figures and what to lower.
        NasforgeError: the space refuses to build it.
    """
    there, module = memory_of(device), _on_meta(planned, space)
    if module is None or there is None:
        return
    batch, share = -(-planned.batch_size // ranks), 0.5 if half else 1.0
    copies = planned.copies if device == "cpu" else 1  # what is not trained just then may leave a GPU
    weights, maps = share * _weights(module, copies, trained=batch > 0), 0.0
    if batch and weights < there < weights + _most(module, planned.shape, batch):
        maps = share * _kept(module, space, planned.shape, batch)
    if weights + maps > there:
        what = f"{_parameters(module, copies)} take {weights / GIB:,.1f} GiB at least"
        if maps:
            pixels = f"{planned.shape[1]} x {planned.shape[2]} pixels"
            what += f", and a batch of {batch:,} images of {pixels} leaves {maps / GIB:,.1f} GiB for its backward pass"
        raise OptionError(
            f"{planned.what} does not fit: {what}, but {'this machine' if device == 'cpu' else device} has "
            f"{there / GIB:,.1f} GiB; lower {planned.lower}"
        )


def _parameters(module: nn.Module, copies: int) -> str:
    count = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    return f"{count:,.1f} million parameters" + (f" each of {copies:,}" if copies > 1 else "")


def _on_meta(planned: PlannedNetwork, space: SearchSpace) -> nn.Module | None:
    """The module, without memory; None where that cannot be had."""
    try:
        with isolated(0), torch.device("meta"):
            return planned.build(deepcopy(space))  # a copy: a space may keep tensors that it makes
    except NasforgeError:
        if planned.required:
            raise
        return None
    except Exception:  # a guest's space may do with its tensors what only real ones can
        return None


def _weights(module: nn.Module, copies: int, *, trained: bool) -> int:
    """Bytes of the parameters of all copies, with gradients and momentum of the one that is trained."""
    return (copies + (2 if trained else 0)) * sum(map(_bytes, module.parameters()))


def _most(module: nn.Module, shape: Shape, batch: int) -> float:
    """Bytes that its maps could take at the most, were each as wide as the widest and as large as the image: most
    networks fit even then, and a pass on the meta device takes a second. 0 for those too deep for such a pass."""
    layers = sum(not list(one.children()) for one in module.modules())
    widest = max((parameter.shape[0] for parameter in module.parameters() if parameter.ndim), default=1)
    return 4.0 * PER_LAYER * layers * batch * widest * math.prod(shape[1:]) if layers <= DEEPEST else 0.0


def _kept(module: nn.Module, space: SearchSpace, shape: Shape, batch: int) -> int:
    """Bytes that one batch leaves for the backward pass; 0 where that cannot be told."""
    own = {_place(parameter) for parameter in module.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _place(tensor) not in own:
            kept[_place(tensor)] = tensor
        return tensor

    try:
        with isolated(0), torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            images = torch.empty(batch, *shape)
            if isinstance(module, Supernet) and isinstance(space, WeightSharing):
                module(images, space.mix({cell: torch.zeros(rows) for cell, rows in module.alpha_shapes.items()}))
            else:
                module(images)
    except Exception:  # as above
        return 0
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _place(tensor: Tensor) -> int:
    """Which storage it is a view of; on the meta device none has an address."""
    return int(tensor.untyped_storage()._cdata)
