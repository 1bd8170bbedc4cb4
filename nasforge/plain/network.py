"""A trained network as ordinary PyTorch: source code that needs torch alone, and the weights that belong to it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nasforge.errors import ExportError
from nasforge.plain.groups import groups_of
from nasforge.plain.parts import parts_of
from nasforge.plain.recording import is_layer, record
from nasforge.plain.source import source_of
from nasforge.space import Shape

TOLERANCE = 1e-5
"""The largest difference of two logits, relative to the largest logit, that counts as equal."""
IMPORTS = "import torch\nfrom torch import Tensor, nn\nfrom torch.nn import functional as F\n\n\n"


@dataclass(frozen=True)
class PlainNetwork:
    """A network without nasforge.

    Attributes:
        source: definitions of classes that need `torch`, `nn`, `F` and `Tensor`.
        name: the class in it that is the network; its constructor takes no arguments.
        weights: its state, for `load_state_dict`.
    """

    source: str
    name: str
    weights: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, input_shape: Shape, *, fold: bool = False) -> PlainNetwork:
        """Write what `network` computes in eval mode; operations without effect on the logits are left out.

        Any module works whose forward pass calls torch's functions and its own submodules, and makes the same calls
        for all images.

        Args:
            input_shape: (C, H, W) of the images; the source is for this size.
            fold: whether to fold each BatchNorm that follows a convolution in a sequence into that convolution.

        Raises:
            ExportError: the network cannot be written, or what was written computes other logits; names the module.
        """
        images = torch.randn(3, *input_shape, generator=torch.Generator().manual_seed(0))
        plain = _of_torch_layers(network, images)
        if fold:
            _fold(plain)
        root = parts_of(plain, record(plain, images))
        groups = groups_of(root)
        weights = {name: tensor.detach().clone().contiguous() for name, tensor in root.weights()}
        written = cls(source_of(groups), groups[-1].name, weights)
        written.check(network, input_shape)
        return written

    def build(self) -> nn.Module:
        """The network, in eval mode, from the source and the weights."""
        names: dict[str, Any] = {"__name__": self.name}
        exec(compile(IMPORTS + self.source, f"<exported {self.name}>", "exec"), names)
        network: nn.Module = names[self.name]()
        network.load_state_dict(dict(self.weights))
        return network.eval()

    def check(self, network: nn.Module, input_shape: Shape) -> None:
        """Compare the logits with those of `network` on other images than the recorded ones."""
        images = torch.randn(4, *input_shape, generator=torch.Generator().manual_seed(1))
        network = copy.deepcopy(network).cpu().float().eval()
        with torch.no_grad():
            compare(self.build()(images), network(images), "the source code")


def compare(logits: Tensor, expected: Tensor, what: str, tolerance: float = TOLERANCE) -> float:
    """Return the largest difference of logits, relative to the largest logit; an `ExportError` above `tolerance`."""
    if logits.shape != expected.shape:
        shapes = f"{tuple(logits.shape)} instead of {tuple(expected.shape)}"
        raise ExportError(f"{what} computes logits of another shape than the network: {shapes}")
    error = float((logits - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
    if not error <= tolerance:
        raise ExportError(f"{what} computes other logits than the network: they differ by {error:.1e} of the largest")
    return error


def _of_torch_layers(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy of the network in which each layer that computes the same as the layer of torch that it extends is one."""
    network = copy.deepcopy(network).cpu().float().eval()
    same: dict[nn.Module, bool] = {}

    def compared(module: nn.Module, args: Any, out: Any) -> None:
        base: Any = _base(module)
        try:
            expected = base.forward(module, *args)
        except Exception:  # the class takes other arguments than torch's
            expected = None
        equal = isinstance(expected, Tensor) and expected.shape == out.shape and torch.allclose(expected, out)
        same[module] = same.get(module, True) and equal

    extended = [module for module in network.modules() if not is_layer(module) and _base(module) is not None]
    hooks = [module.register_forward_hook(compared) for module in extended]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    for module in network.modules():
        if same.get(module):
            module.__class__ = _base(module)  # type: ignore[assignment]  # not None, as it was compared
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    return network


def _base(module: nn.Module) -> type[nn.Module] | None:
    """The layer of torch that its class extends."""
    containers = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict)
    kinds = (kind for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn.modules"))
    return next((kind for kind in kinds if kind not in containers), None)


def _fold(network: nn.Module) -> None:
    """Fold each BatchNorm into the convolution before it in the same sequence."""
    for sequence in network.modules():
        if not isinstance(sequence, nn.Sequential):
            continue
        layers = list(sequence.named_children())
        for (first, conv), (second, norm) in pairwise(layers):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(sequence, first, fuse_conv_bn_eval(conv, norm))
                setattr(sequence, second, nn.Identity())
