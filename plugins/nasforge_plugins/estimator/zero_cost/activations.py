"""Proxies that read which units are on, or how far features move: without labels and, except naswot, gradients."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn

from .probe import Probe, check_finite
from .recording import Features, Rectifiers
from .spectrum import Degenerate, log_determinant

_STEP = 0.01
"""The distance by which zen moves its inputs."""


def linear_regions(probe: Probe) -> float:
    """The number of linear regions that the probe's samples fall into: of distinct sign patterns of all ReLUs. Max.

    TE-NAS (Chen et al. 2021, section 3.1.2, eq. 7). The estimator builds its thin network and its small random crops.
    """
    with Rectifiers() as record, torch.no_grad():
        check_finite(probe.logits())
    if not record.on:
        raise Degenerate("it has no ReLU")
    signs = np.packbits(torch.cat(record.on, dim=1).cpu().numpy(), axis=1)
    return float(len(np.unique(signs, axis=0)))


def naswot(probe: Probe) -> float:
    r"""$\ln\det \sum (x x^T + (1 - x)(1 - x)^T)$ over the ReLUs that a backward pass reaches, x = [unit is on]. Max.

    NASWOT (Mellor et al. 2021, section 3.2, eq. 2), in training mode as in its code.
    """
    record = probe.rectifiers
    return log_determinant(_agreement([on for on, reached in zip(record.on, record.reached, strict=True) if reached]))


def activation_overlap(probe: Probe) -> float:
    r"""$-\ln\det$ of the same kernel over all ReLUs, reached or not. Min.

    The activation score of the NTK / linear-region GA (Reolon, Appendix A; its text says linear region score).
    """
    return -log_determinant(_agreement(probe.rectifiers.on))


def _agreement(layers: list[Tensor]) -> Tensor:
    """The number of units in which two images agree, float64 (B, B), from bool (B, units) of each layer."""
    if not layers:
        raise Degenerate("no gradient reaches any of its ReLUs")
    kernel = torch.zeros(len(layers[0]), len(layers[0]), dtype=torch.float64)
    for on in layers:
        signs = 2.0 * on.float() - 1.0
        kernel += (on.shape[1] + (signs @ signs.T).cpu().double()) / 2  # exact: whole numbers below 2^24
    return kernel


def zen(probe: Probe) -> float:
    r"""$\ln E\|f(x) - f(x + 0.01 \varepsilon)\|_1 + \sum_l \ln\sqrt{\bar\sigma_l^2}$, weights and x from N(0, 1). Max.

    Zen-NAS (Lin et al. 2021, algorithm 1): f is the map before the last pooling, the mean is over the batch, and
    $\bar\sigma_l^2$ the mean over channels of the variance that a BatchNorm divides by; BatchNorms of zeros, which
    scale nothing, are left out. Biases are 0, the weights of BatchNorm 1. Only the shape of the images matters.
    """
    network = _gaussian(copy.deepcopy(probe.network))
    inputs = torch.randn_like(probe.images)
    moved = inputs + _STEP * torch.randn_like(inputs)
    with torch.no_grad():
        with Features() as at_inputs:
            logits = network(inputs)
        with Features() as at_moved:
            logits_moved = network(moved)
    first = at_inputs.last if at_inputs.last is not None else logits
    second = at_moved.last if at_moved.last is not None else logits_moved
    distance = (first - second).double().flatten(1).abs().sum(1).mean()
    scales = [variance.double() for variance in at_inputs.variances if variance > 0]
    if distance == 0:
        raise Degenerate("its features do not move with its inputs")
    return float(distance.log() + sum(0.5 * scale.log() for scale in scales))


def _gaussian(network: nn.Module) -> nn.Module:
    """Draw weights from N(0, 1); those of normalizations become 1, biases 0."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if "bias" in name:
                nn.init.zeros_(parameter)
            elif parameter.ndim > 1:
                nn.init.normal_(parameter)
            else:
                nn.init.ones_(parameter)
    return network
