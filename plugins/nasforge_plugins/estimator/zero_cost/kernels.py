"""The neural tangent kernel of a batch: the inner products of its samples' gradients by the weights.

The gradient of a sample is that of the sum of its logits, by every trainable parameter but biases, in training mode
(TE-NAS, Chen et al. 2021, section 3.1.1, as their code has it). There BatchNorm couples the samples: the logits of one
depend on all images of the batch. `ntk` is that kernel; `decoupled_ntk` the one without the coupling.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolutions import FastBackward
from .probe import Probe
from .recording import Call, LayerCalls
from .spectrum import Degenerate, condition_number

_BACKWARDS_AT_ONCE = 8
"""On an accelerator, which is idle between the small kernels of one pass. A CPU gains nothing by it."""


def ntk_condition(probe: Probe) -> float:
    """Largest over smallest eigenvalue of the neural tangent kernel: how evenly a network learns its samples. Min.

    TE-NAS (Chen et al. 2021, eq. 5), samples coupled by BatchNorm as there.
    """
    return condition_number(ntk(probe.network, probe.images))


def ntk_condition_decoupled(probe: Probe) -> float:
    """`ntk_condition` with the statistics of BatchNorm held constant: cheap, since one backward pass will do. Min."""
    return condition_number(decoupled_ntk(probe.network, probe.images))


def kernel_parameters(network: nn.Module) -> list[Tensor]:
    """Trainable parameters but those named bias; `Degenerate` if there are none."""
    named = network.named_parameters()
    found: list[Tensor] = [one for name, one in named if one.requires_grad and "bias" not in name.rpartition(".")[2]]
    if not found:
        raise Degenerate("it has no weights to train")
    return found


def ntk(network: nn.Module, images: Tensor, *, at_once: int | None = None) -> Tensor:
    """The exact kernel of a network in training mode, whose statistics move as in any forward pass: float64 (B, B).

    Args:
        images: (B, C, H, W).
        at_once: backward passes in one batched call; None: one on a CPU, several elsewhere.

    Raises:
        Degenerate: it has no weights, or its logits no gradient by any of them.
    """
    parameters = kernel_parameters(network)
    at_once = at_once or (1 if images.device.type == "cpu" else _BACKWARDS_AT_ONCE)
    if at_once == 1:
        with FastBackward():
            totals = _totals(network, images)
        blocks = (torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True) for total in totals)
        return _gram(torch.stack([torch.cat([one.flatten() for one in _reached(block)]) for block in blocks]))
    totals = _totals(network, images)
    eye = torch.eye(len(images), device=images.device)
    batched = (
        torch.autograd.grad(totals, parameters, some, True, allow_unused=True, is_grads_batched=True)
        for some in torch.split(eye, at_once)
    )
    return _gram(torch.cat([torch.cat([one.flatten(1) for one in _reached(block)], 1) for block in batched]))


def decoupled_ntk(network: nn.Module, images: Tensor) -> Tensor:
    """The kernel with BatchNorm normalising by the batch's statistics as if they were constants: float64 (B, B).

    Then a sample's logits depend on that sample alone: one backward pass from all of them leaves in each layer what
    belongs to each sample, and the layer's gradients are small products of what it read and what came back.
    Parameters of other layers than Conv2d, Linear and BatchNorm, and those whose products do not add up to the whole
    batch's gradient, cost a backward pass for each sample.

    Raises:
        Degenerate: as `ntk`.
    """
    parameters = kernel_parameters(network)
    with LayerCalls(parameters, hold_statistics=True) as record:
        totals = _totals(network, images)
    found = torch.autograd.grad(totals.sum(), parameters, retain_graph=True, allow_unused=True)
    _reached(found)
    parts: dict[int, list[Tensor]] = {}
    for call in record.calls:
        if (rows := _per_sample(call, len(images))) is not None:
            parts.setdefault(id(call.weight), []).append(rows)
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)
    for parameter, whole in zip(parameters, found, strict=True):
        if whole is None:
            continue
        rows = torch.stack(parts[id(parameter)]).sum(0) if id(parameter) in parts else None
        if rows is None or not _adds_up(rows, whole):
            each = [torch.autograd.grad(total, parameter, retain_graph=True)[0].flatten() for total in totals]
            rows = torch.stack(each)
        kernel += _gram(rows)
    return kernel


def _reached(gradients: Iterable[Tensor | None]) -> list[Tensor]:
    found = [one for one in gradients if one is not None]
    if not found:
        raise Degenerate("no weight moves its logits")
    return found


def _totals(network: nn.Module, images: Tensor) -> Tensor:
    """The sum of each sample's logits, (B,); on a copy of the images, on which the network may work in place."""
    totals: Tensor = network(images.clone()).flatten(1).sum(1)
    if not totals.requires_grad:
        raise Degenerate("its logits have no gradient")
    return totals


def _gram(rows: Tensor) -> Tensor:
    """Inner products of rows (B, P), in float64 on the CPU."""
    kernel = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for part in torch.split(rows, 1 << 16, dim=1):
        wide = part.double() if part.device.type != "mps" else part.cpu().double()
        kernel += (wide @ wide.T).cpu()
    return kernel


def _adds_up(rows: Tensor, whole: Tensor) -> bool:
    """Whether the samples' gradients are all of the batch's; a weight may be used where nobody looked."""
    return bool((rows.sum(0) - whole.flatten()).norm() <= 1e-3 * rows.norm())


def _per_sample(call: Call, batch: int) -> Tensor | None:
    """Gradients by the weight of one call, one row a sample (B, P); None where the call does not keep samples apart."""
    gradient = call.gradient
    if gradient is None or len(call.x) != batch or any(isinstance(one, str) for one in call.how):
        return None
    return _PER_SAMPLE[call.kind](call, gradient)


def _of_batch_norm(call: Call, gradient: Tensor) -> Tensor:
    rows = call.x * gradient  # (B, C, ...)
    return rows.flatten(2).sum(2) if rows.ndim > 2 else rows


def _of_linear(call: Call, gradient: Tensor) -> Tensor:
    x, g = (one.reshape(len(one), -1, one.shape[-1]) for one in (call.x, gradient))  # (B, T, features)
    return (g.transpose(1, 2) @ x).flatten(1)


def _of_conv2d(call: Call, gradient: Tensor) -> Tensor:
    stride, padding, dilation, groups = call.how
    x, g, kernel = call.x, gradient.flatten(2), call.weight.shape[2:]  # g: (B, C_out, L)
    if kernel == (1, 1) and g.shape[2] == x.shape[2] * x.shape[3]:
        columns = x.flatten(2)
    else:
        columns = F.unfold(x, kernel, dilation, padding, stride)  # (B, C_in * k * k, L)
    columns = columns.reshape(len(x), groups, -1, g.shape[2])
    return (g.reshape(len(x), groups, -1, g.shape[2]) @ columns.transpose(2, 3)).flatten(1)


_PER_SAMPLE = {"conv2d": _of_conv2d, "linear": _of_linear, "batch_norm": _of_batch_norm}
