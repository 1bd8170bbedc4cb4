"""All proxies by name: the function that measures each, its direction, and the network that it looks at."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from nasforge import Network, network_size

from . import activations, gradients, kernels
from .probe import Probe
from .spectrum import FLOOR

_WORST = 1e12
"""Worse than any score of proxies without a bound: jacob_cov of a linear network is -1e5 for each image."""


@dataclass(frozen=True)
class Proxy:
    """One score of an untrained network.

    Attributes:
        measure: gives the score; raises `Degenerate` if there is none.
        direction: whether larger (max) or smaller (min) is better.
        worst: the value of a degenerate network.
        view: whether it looks at the network itself or at one of the two thin networks of TE-NAS.
        each_batch: whether the score depends on the batch of images.
        label: what its paper calls it, if that is not its name here in words.
    """

    measure: Callable[[Probe], float]
    direction: Literal["max", "min"]
    worst: float
    view: Literal["network", "ntk", "regions"] = "network"
    each_batch: bool = True
    label: str = ""


def params(probe: Probe) -> float:
    """The number of trainable parameters. Max: the baseline that every proxy must beat."""
    return float(sum(parameter.numel() for parameter in probe.network.parameters() if parameter.requires_grad))


def macs(probe: Probe) -> float:
    """The multiply-accumulates of convolutions and linear layers for one image. Max, like `params`."""
    _, channels, height, width = probe.images.shape
    network = cast(Network, copy.deepcopy(probe.network).cpu())  # spaces build networks
    return 1e6 * network_size(network, (channels, height, width))["macs_m"]


PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {
        "ntk_condition": Proxy(kernels.ntk_condition, "min", 1 / FLOOR, "ntk", label="NTK condition number"),
        "ntk_condition_decoupled": Proxy(
            kernels.ntk_condition_decoupled, "min", 1 / FLOOR, "ntk", label="NTK condition number, decoupled"
        ),
        "linear_regions": Proxy(activations.linear_regions, "max", 0.0, "regions"),
        "activation_overlap": Proxy(activations.activation_overlap, "min", _WORST),
        "gradient_image_correlation": Proxy(gradients.gradient_image_correlation, "min", _WORST),
        "naswot": Proxy(activations.naswot, "max", -_WORST, label="NASWOT"),
        "synflow": Proxy(gradients.synflow, "max", -_WORST, each_batch=False, label="SynFlow"),
        "snip": Proxy(gradients.snip, "max", 0.0, label="SNIP"),
        "grasp": Proxy(gradients.grasp, "max", -_WORST, label="GraSP"),
        "fisher": Proxy(gradients.fisher, "max", 0.0),
        "grad_norm": Proxy(gradients.grad_norm, "max", 0.0),
        "plain": Proxy(gradients.plain, "max", -_WORST),
        "jacob_cov": Proxy(gradients.jacob_cov, "max", -_WORST, label="Jacobian covariance"),
        "zen": Proxy(activations.zen, "max", -_WORST, label="Zen score"),
        "epe_nas": Proxy(gradients.epe_nas, "max", -_WORST, label="EPE-NAS"),
        "l2_norm": Proxy(gradients.l2_norm, "max", 0.0, each_batch=False, label="norm of the weights"),
        "params": Proxy(params, "max", 0.0, each_batch=False),
        "macs": Proxy(macs, "max", 0.0, each_batch=False),
    }
)
"""Name -> proxy; the names are those of the metrics."""
